"""What a catching-up node is told, reads and wants done: the border between catch_up.py, which
decides, and follower.py, which carries out (PROTOCOL §6).

Owns the lists of events and effects alone. An effect whose docstring names an answer is answered by
that event before another such effect comes.
"""

from dataclasses import dataclass
from typing import Protocol

from strongroom.consensus.blocks import Anchor
from strongroom.consensus.types import Digest, Epoch, Height, PublicKey
from strongroom.enclave.formats.merkle import Frontier
from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.sync.snapshot_peer_search import SearchEffect, SearchEvent

# --- what it reads --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """What of a final block decides."""

    height: Height
    epoch: Epoch
    anchor: Anchor
    next_epoch: Digest
    certified: bool
    """A FINALIZE certificate of its own is stored with it, or a recovery's."""
    recovers: bool = False
    """Members ended its epoch with it: it opens what no state had wished (VAULT §7)."""


@dataclass(frozen=True, slots=True)
class Given:
    """A peer's outcome, decoded: it is of the block that is final here at its height."""

    height: Height
    data: bytes
    """As it is recorded."""
    outcome: Outcome
    leaf: Digest
    """Its leaf hash in the history."""
    next_epoch: Digest
    """What it says the state wishes; no root covers that, but the next anchor's header repeats
    it."""


class Chain(Protocol):
    """The node's own ledger: final blocks, and recorded outcomes."""

    @property
    def newest(self) -> Height:
        """Of all stored blocks; everything up to it is final."""

    @property
    def recorded(self) -> Height:
        """Newest height whose outcome is recorded."""

    @property
    def first(self) -> Height:
        """Of the first block that lies here: those below are in the archive alone."""

    def link(self, height: int) -> Link:
        """A stored block."""

    def frontier(self, size: int) -> Frontier:
        """The history over heights 0 … size−1, all recorded; a copy."""


# --- events ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Began:
    """The enclave cannot execute what comes next, or this process begins."""

    applied: Height
    """What the enclave stands at."""
    confirmed: Height
    """Up to which nothing of that is provisional."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed; blocks, keys or links may have come."""

    linked: tuple[PublicKey, ...]
    """In some order that stays."""


@dataclass(frozen=True, slots=True)
class MoreToRead:
    """Nothing happened; there is more to look at than one step takes."""


@dataclass(frozen=True, slots=True)
class OutcomesCame:
    """A peer's answer."""

    peer: PublicKey
    start: Height
    outcomes: tuple[Given, ...]
    """Of consecutive heights, as far as they could be read."""
    fault: str = ""
    """Why the next one could not be read; empty when all could."""


@dataclass(frozen=True, slots=True)
class WasRecorded:
    """The outcomes are durable."""


@dataclass(frozen=True, slots=True)
class WasApplied:
    """What the enclave stands at after APPLY."""

    applied: Height
    refused: bool
    """It lacks a key or an epoch for the next one: nothing is wrong."""


@dataclass(frozen=True, slots=True)
class WasConfirmed:
    """What became of CONFIRM."""

    refused: bool
    """It lacks an epoch."""


@dataclass(frozen=True, slots=True)
class WasExecuted:
    """How far the enclave could execute what is stored."""

    executed: Height
    refused: bool
    """It lacks a key for what follows."""


Event = (
    Began
    | Tick
    | MoreToRead
    | OutcomesCame
    | WasRecorded
    | WasApplied
    | WasConfirmed
    | WasExecuted
    | SearchEvent
)


# --- effects --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a peer for outcomes from a height on."""

    peer: PublicKey
    start: Height


@dataclass(frozen=True, slots=True)
class Blame:
    """A peer lied: say so."""

    peer: PublicKey
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """Record these outcomes durably; answered by WasRecorded."""

    outcomes: tuple[Given, ...]


@dataclass(frozen=True, slots=True)
class Apply:
    """Have the enclave take over recorded outcomes from `first` on, up to `last` or less;
    WasApplied answers."""

    first: Height
    last: Height


@dataclass(frozen=True, slots=True)
class Confirm:
    """Show the enclave the headers above `anchor`, up to `certified`, whose anchor that is;
    WasConfirmed answers."""

    anchor: Height
    certified: Height


@dataclass(frozen=True, slots=True)
class Execute:
    """Have the enclave execute every stored block that it can; WasExecuted answers."""


@dataclass(frozen=True, slots=True)
class Halt:
    """This node's own disk contradicts what a quorum certified: stop."""

    height: Height
    """Up to which what is recorded is not what was executed."""


Effect = Ask | Blame | Record | Apply | Confirm | Execute | Halt | SearchEffect
