"""One event in words, for whoever reads a replayed seed.

Owns the words alone; times and nodes stand in the world's trace.
"""

from typing import TYPE_CHECKING

from strongroom.consensus.blocks import Header
from strongroom.consensus.host_messages import EpochMessage, EpochRequest
from strongroom.consensus.messages import (
    BatchMessage,
    BatchRequest,
    BlockMessage,
    BlockRequest,
    CertificateMessage,
    CertificateRequest,
    Forward,
    Justify,
    Message,
    Propose,
    Range,
    RangeRequest,
    Status,
    VoteMessage,
)
from strongroom.consensus.replica.events import Linked, Received, Tick, Unlinked
from strongroom.consensus.statements import Certificate, Vote
from strongroom.consensus.types import Digest

if TYPE_CHECKING:
    from tests.simulation.actors.actor import ActorEvent

SHORT = 8
"""Hex digits of a digest that tell it apart in one transcript."""


def describe(event: "ActorEvent") -> str:
    """What happens to a node, in one line."""
    match event:
        case Received(sender, message):
            return f"hears from {sender}: {_message(message)}"
        case Tick():
            return "its timer"
        case Linked(peer):
            return f"is linked to {peer}"
        case Unlinked(peer):
            return f"loses its link to {peer}"
        case _:
            return f"is given a transaction of {len(event.transaction)} bytes"


def _message(message: Message) -> str:  # noqa: C901 (one line for each kind of message)
    match message:
        case Propose(header, view, justification, _):
            nulls = [null.view for null in justification.nulls]
            over = f", over nullified views {nulls}" if nulls else ""
            return (
                f"PROPOSE in view {view} of {_header(header)}, on view "
                f"{justification.parent_view}{over}"
            )
        case VoteMessage(vote):
            return _vote(vote)
        case CertificateMessage(certificate):
            return _certificate(certificate)
        case Justify(_, view, certificates, votes):
            held = [
                *(_certificate(certificate) for certificate in certificates),
                *(_vote(vote) for vote in votes),
            ]
            return f"JUSTIFY in view {view}: {'; '.join(held) or 'nothing'}"
        case BatchMessage(batch) | Forward(batch):
            name = "FORWARD" if isinstance(message, Forward) else "BATCH"
            lane = batch.header.lane
            return f"{name} {batch.header.sequence} of lane {lane} {_short(batch.header.digest)}"
        case BatchRequest(digests) | BlockRequest(digests):
            return f"{type(message).__name__} for {', '.join(_short(digest) for digest in digests)}"
        case BlockMessage(header):
            return _header(header)
        case Status(body):
            return (
                f"STATUS epoch {body.epoch}, view {body.view}, final height {body.height}, "
                f"executed {body.executed}"
            )
        case CertificateRequest(_, view):
            return f"certificates wanted from view {view}"
        case RangeRequest(start):
            return f"blocks wanted from height {start}"
        case Range(blocks, certificate):
            assert isinstance(certificate, Certificate)
            return f"{len(blocks)} blocks with {_certificate(certificate)}"
        case EpochRequest(start):
            return f"epochs wanted from {start}"
        case EpochMessage(entries):
            return f"EPOCH {', '.join(str(entry.description.epoch) for entry in entries) or 'none'}"
        case _:
            return type(message).__name__


def _vote(vote: Vote) -> str:
    statement = vote.statement
    return (
        f"{statement.kind.name} in view {statement.view} of "
        f"{_short(statement.digest)} by {vote.signer}"
    )


def _certificate(certificate: Certificate) -> str:
    signers = "".join(f" {signer}" for signer in certificate.signers)
    return (
        f"certificate {certificate.kind.name} view {certificate.view} "
        f"{_short(certificate.digest)} by{signers}"
    )


def _header(header: Header) -> str:
    return f"block {_short(header.digest)} at height {header.height}, {header.batch_count} batches"


def _short(digest: Digest) -> str:
    return digest.hex()[:SHORT] if any(digest) else "nothing"
