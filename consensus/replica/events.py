"""What goes into a replica and what comes out: the contract between the pure core and whoever
drives it (PROTOCOL §9).

A driver takes one event, calls `Replica.step`, and carries the Output out in the order of its
fields:
 1. append `persist` and the statements of `cast` to the log, one fsync;
 2. have the guard sign each cast; send it (with a proposal as PROPOSE, else as VOTE), and feed the
    vote back as `Received(own index, VoteMessage)`;
 3. send `send` and `ask`; hand `commit` to the block store, durable before execution;
 4. only then take the next event.
"""

from dataclasses import dataclass, field

from strongroom.consensus.batches import BatchHeader
from strongroom.consensus.blocks import Header
from strongroom.consensus.justifications import Justification
from strongroom.consensus.messages import (
    BlockMessage,
    CertificateMessage,
    CertificateRequest,
    Justify,
    Propose,
    RangeRequest,
    Status,
    VoteMessage,
)
from strongroom.consensus.recovery import Finality
from strongroom.consensus.statements import Certificate, Statement, Vote
from strongroom.consensus.types import Digest, Height, Lane, Milliseconds, SignerIndex


@dataclass(frozen=True, slots=True)
class Now:
    """Time as an event: the replica has no clock."""

    monotonic: float
    """Seconds on a clock that never goes back; timers live on it."""
    wall_ms: Milliseconds
    """Unix time; only ever compared with block times."""


# --- events ---------------------------------------------------------------------------------------

ReplicaMessage = (
    Propose
    | VoteMessage
    | CertificateMessage
    | Justify
    | CertificateRequest
    | BlockMessage
    | Status
    | RangeRequest
)


@dataclass(frozen=True, slots=True)
class Received:
    """A message from a member's authenticated link; from oneself for one's own votes."""

    sender: SignerIndex
    message: ReplicaMessage


@dataclass(frozen=True, slots=True)
class BatchHeld:
    """A batch, its signature checked, is stored here, and durable before anything that is cast from
    now on."""

    header: BatchHeader


@dataclass(frozen=True, slots=True)
class Executed:
    """The enclave executed the final block of this height, and outcome and write set are
    durable."""

    height: Height
    root: Digest
    """History root over heights 0..height."""
    next_epoch: Digest
    """The state's wish after it; the current description's digest when it wishes no change."""


@dataclass(frozen=True, slots=True)
class FinalRange:
    """Catch-up: contiguous final headers whose batches are held and durable, and FINALIZE for the
    last."""

    headers: tuple[Header, ...]
    certificate: Finality


@dataclass(frozen=True, slots=True)
class Linked:
    """An authenticated link to a member came up. A new replica is told of every link that
    stands."""

    peer: SignerIndex


@dataclass(frozen=True, slots=True)
class Unlinked:
    """The last authenticated link to a member was lost."""

    peer: SignerIndex


@dataclass(frozen=True, slots=True)
class Work:
    """Something outside makes the chain move: a deadline in state is past (PROTOCOL §7)."""


@dataclass(frozen=True, slots=True)
class Tick:
    """`deadline()` may have passed."""


Event = Received | BatchHeld | Executed | FinalRange | Linked | Unlinked | Work | Tick


# --- what is logged -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CastRecord:
    """Own statement: durable before it is signed."""

    statement: Statement


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """A certificate, when first held."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class CandidateRecord:
    """A header that was voted for, or is needed below one that was."""

    header: Header


@dataclass(frozen=True, slots=True)
class FinalRecord:
    """The store holds every block up to this height; the log below `view` may go."""

    header: Header
    certificate: Finality


Record = CastRecord | CertificateRecord | CandidateRecord | FinalRecord


# --- output ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proposal:
    """What goes out beside the leader's own vote."""

    header: Header
    justification: Justification


@dataclass(frozen=True, slots=True)
class Cast:
    """Sign this once it is durable; say it to all."""

    statement: Statement
    proposal: Proposal | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """A message to one member, or to all others when `to` is None."""

    to: SignerIndex | None
    message: ReplicaMessage


@dataclass(frozen=True, slots=True)
class Ask:
    """Fetch what is missing (R14): the driver adds transport, never a decision."""

    to: SignerIndex
    batches: tuple[Digest, ...] = ()
    headers: tuple[Digest, ...] = ()
    range_from: Height | None = None


@dataclass(frozen=True, slots=True)
class BatchRelay:
    """Send a held batch, to some members or, when `to` is None, to all others."""

    digest: Digest
    to: tuple[SignerIndex, ...] | None = None
    late: bool = False
    """It was the next of its lane for 2Δ, and stayed unordered."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One final block, in height order. `certificate` is its own FINALIZE, or None when a
    descendant's finalised it."""

    header: Header
    batches: tuple[Digest, ...]
    """Batches between the parent's cut and its own, in execution order: lanes in index order,
    sequence ascending."""
    certificate: Finality | None


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Two statements by one signer that cannot both be honest (R15)."""

    first: Vote
    second: Vote


@dataclass(frozen=True, slots=True)
class LaneFork:
    """Two batches of one lane and sequence, by digest (R15): the driver holds both, with their
    signatures."""

    lane: Lane
    first: Digest
    second: Digest


@dataclass(slots=True)
class Output:
    """Effects of one step, to be carried out in the order of the fields."""

    persist: list[Record] = field(default_factory=list)
    cast: list[Cast] = field(default_factory=list)
    send: list[Send] = field(default_factory=list)
    ask: list[Ask] = field(default_factory=list)
    commit: list[Commit] = field(default_factory=list)
    relay: list[BatchRelay] = field(default_factory=list)
    """Held batches that stay unordered (PROTOCOL §7)."""
    evidence: list[Equivocation | LaneFork] = field(default_factory=list)
    """Once per signer and view, and per lane; a restart may find it again."""
    faults: list[SignerIndex] = field(default_factory=list)
    """Members whose own link had brought a vote that, verified later, was forged: score them."""
    alarm: str = ""
    """Not empty: this replica stopped voting, and why."""
