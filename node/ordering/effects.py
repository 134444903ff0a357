"""What a participant wants done: the border between a decision and the world (PROTOCOL §9).

Owns the list. Effects are carried out one after the other, in the order of the list: what stands
before a `Sync` or `ReplaceLog` is durable before what stands behind it is done. What a participant
is told is events.py. Peers are node keys here.
"""

from dataclasses import dataclass

from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.messages import (
    Message,
)
from strongroom.consensus.recovery import Finality
from strongroom.consensus.replica.events import (
    Cast,
    Commit,
    LaneFork,
)
from strongroom.consensus.replica.events import Equivocation as VoteEvidence
from strongroom.consensus.statements import Statement
from strongroom.consensus.types import Epoch, Height, PublicKey, View
from strongroom.consensus.validators import EpochDescription


@dataclass(frozen=True, slots=True)
class Append:
    """Add a record to the log."""

    kind: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Sync:
    """Make durable what was appended to the log."""


@dataclass(frozen=True, slots=True)
class StoreNow:
    """Every final block that was handed over is durable in the block store before the next
    effect."""


@dataclass(frozen=True, slots=True)
class ReplaceLog:
    """Begin a new log with these records, durable before the old one goes."""

    records: tuple[tuple[int, bytes], ...]
    opens: Epoch | None = None
    """The epoch that begins with it, if one does."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Have the guard sign these; give the signatures to `Participant.signed`, and carry out what it
    returns."""

    casts: tuple[Cast, ...]


@dataclass(frozen=True, slots=True)
class SignAgain:
    """Have the guard sign what the log says was said; give the signatures to
    `Participant.restated`."""

    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """A message to one node, or to every linked one when `to` is None."""

    to: PublicKey | None
    message: Message


@dataclass(frozen=True, slots=True)
class SendBlocks:
    """A RANGE message: stored blocks from `first` to `last`, whose FINALIZE certificate this is."""

    to: PublicKey
    first: Height
    last: Height
    certificate: Finality


@dataclass(frozen=True, slots=True)
class StoreBlocks:
    """Final blocks, in height order: record them, tell `Recorded`, have them executed, tell
    `Executed`."""

    commits: tuple[Commit, ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """Fill the enclave's guard from the log: it begins with this, at a start and in each epoch."""

    epoch: Epoch
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Forget:
    """The guard of an epoch may drop what it remembers up to this final view."""

    epoch: Epoch
    view: View


@dataclass(frozen=True, slots=True)
class ShowEpochs:
    """Show the enclave how these epochs were opened; it checks every entry itself."""

    entries: tuple[EpochEntry, ...]


@dataclass(frozen=True, slots=True)
class EpochBegins:
    """From now on indexes mean validators of this epoch."""

    description: EpochDescription


@dataclass(frozen=True, slots=True)
class BatchAgain:
    """Envelopes of own batches that an epoch left unordered: into the next batches, before all
    others."""

    envelopes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ViewChanged:
    """Whoever waits for the next view may look again."""


@dataclass(frozen=True, slots=True)
class Accuse:
    """Proof that a validator of this epoch lied (R15)."""

    description: EpochDescription
    evidence: VoteEvidence | LaneFork


@dataclass(frozen=True, slots=True)
class Fault:
    """A node broke a rule."""

    peer: PublicKey
    reason: str
    counts: bool = True
    """False: an honest node may be a moment late in the same way; nobody is disconnected for it."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something is wrong here, and this node votes no more; empty: it is over."""

    reason: str


Effect = (
    Append
    | Sync
    | StoreNow
    | ReplaceLog
    | Sign
    | SignAgain
    | Tell
    | SendBlocks
    | StoreBlocks
    | Recall
    | Forget
    | ShowEpochs
    | EpochBegins
    | BatchAgain
    | ViewChanged
    | Accuse
    | Fault
    | Alarm
)
