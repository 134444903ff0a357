"""Of which epoch is a message (R0)? A driver asks before it hands anything to the replica of its
own.

Owns no answer: to a message of an older epoch EPOCH is said, for one of a newer it is asked.
Requests for what is final, and what hosts say beside the replicas, belong to no epoch and are
always served.
"""

from strongroom.consensus.messages import (
    BatchMessage,
    BlockMessage,
    CertificateMessage,
    CertificateRequest,
    Forward,
    Justify,
    Message,
    Propose,
    Status,
    VoteMessage,
)
from strongroom.consensus.types import Epoch


def epoch_of(message: Message) -> Epoch | None:
    """The epoch that a message is of; None if it is of none in particular."""
    match message:
        case VoteMessage(vote):
            return vote.statement.epoch
        case CertificateMessage(certificate):
            return certificate.statement.epoch
        case Propose(header) | BlockMessage(header):
            return header.epoch
        case BatchMessage(batch) | Forward(batch):
            return batch.header.epoch
        case Status(body):
            return body.epoch
        case Justify(epoch) | CertificateRequest(epoch):
            return epoch
        case _:
            return None
