"""What a participant is told: what happened in the world, one event after the other (PROTOCOL §9).

Owns the list. The queue that they wait in is event_queue.py; what is answered is effects.py. Peers
are node keys here.
"""

from dataclasses import dataclass

from strongroom.consensus.batches import Batch
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
    Propose,
    Range,
    RangeRequest,
    Status,
    VoteMessage,
)
from strongroom.consensus.replica.events import Executed, FinalRecord, Tick, Work
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Epoch, PublicKey

OrderingMessage = (
    Propose
    | VoteMessage
    | CertificateMessage
    | Justify
    | CertificateRequest
    | BlockMessage
    | BlockRequest
    | BatchMessage
    | Forward
    | BatchRequest
    | Range
    | RangeRequest
    | Status
    | EpochMessage
    | EpochRequest
)
"""What nodes say to each other about order; heads, keys, outcomes and snapshots are others'
business."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A decoded message from a node's authenticated link, validator or not, of whatever epoch."""

    sender: PublicKey
    message: OrderingMessage


@dataclass(frozen=True, slots=True)
class LinkUp:
    """An authenticated link to a node came up."""

    peer: PublicKey


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The last link to a node was lost."""

    peer: PublicKey


@dataclass(frozen=True, slots=True)
class Fresh:
    """Heads of a quorum are here: nothing is voted before (PROTOCOL §6)."""

    epoch: Epoch
    """The newest that a head was of."""
    may_vote: bool
    """False: a head shows a vote of this node that its log does not have."""


@dataclass(frozen=True, slots=True)
class OwnBatch:
    """The next batch of the own lane, signed; see `OwnLane`."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Recorded:
    """The block store holds every block up to this one, durably."""

    record: FinalRecord


@dataclass(frozen=True, slots=True)
class Following:
    """Whether this node's enclave cannot execute what is final, and goes on by outcomes that a
    quorum anchored."""

    now: bool


@dataclass(frozen=True, slots=True)
class EpochsKnown:
    """The chain of epochs has grown by what a front door showed; each entry was proven by the one
    before."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A certificate that a head showed; it is checked like any other (R2)."""

    certificate: Certificate


ParticipantEvent = (
    Fresh
    | Heard
    | LinkUp
    | LinkDown
    | OwnBatch
    | Recorded
    | Executed
    | EpochsKnown
    | Following
    | Proven
    | Work
    | Tick
)
