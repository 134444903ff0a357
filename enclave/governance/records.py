"""What governance speaks of: nodes, offers, proposals, what is due and what is wished, as frozen
values.

Owns the shapes. How they lie in the state's maps is tables.py's; what may change them is everybody
else's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from strongroom.consensus.types import Digest, Epoch, Height, Milliseconds, PublicKey
from strongroom.consensus.validators import EpochDescription

_NEVER = Height(0)
_BY_LIMIT = Milliseconds(0)
RECENT_BLOCKS = 1024
"""How many executed heights below a block its transactions may refer to."""


class Status(StrEnum):
    """Where a node stands."""

    JOINING = "joining"
    """Admitted: it may have ledger secrets, and catches up."""
    SYNCED = "synced"
    """It has shown that it executed what everybody executed: the next epoch may take it in."""
    VALIDATOR = "validator"
    LEAVING = "leaving"
    """It asked to go; it votes until its epoch ends."""
    REMOVED = "removed"
    """It gets no keys any more, under this node key for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node of the registry."""

    node_key: PublicKey
    name: str
    operator: str
    region: str
    measurement: bytes
    """SHA-384 of its code, 48 bytes."""
    chip_id: bytes
    """64 bytes."""
    tls_key: Digest
    vote_key: PublicKey
    """The newest that it announced."""
    boot: int
    """The newest registered start of its enclave, from 1 (T25)."""
    rpc: str
    peer: str
    """Addresses as its host gave them; "" when it has not."""
    status: Status
    admitted_height: Height
    attested_height: Height
    """The height that its newest evidence claims to have executed."""
    attested_ms: Milliseconds
    """On the active clock: when the block was executed that its newest evidence answers."""
    evidence_digest: Digest
    """SHA-256 of its newest evidence."""
    offence: str = ""
    """What it was caught at; "" when at nothing."""
    removed_height: Height = _NEVER
    """Where it was removed; 0 while it is not."""
    simulated: bool = False
    """Its chip is not silicon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFacts:
    """What a public transaction may know of the block that it stands in."""

    height: Height
    time_ms: Milliseconds
    epoch: Epoch
    digest_of: Callable[[Height], Digest | None]
    """Block digest of one of the last RECENT_BLOCKS executed heights below this block."""
    root_of: Callable[[Height], Digest | None]
    """History root over heights 0..h, for the same heights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The next epoch is due: these members need a common secret."""

    epoch: Epoch
    members: tuple[PublicKey, ...]
    """Node keys, ascending."""
    digest: Digest
    """Of epoch and members; what an offer names."""
    since_ms: Milliseconds
    """Block time since which this very set is due: the offerer of rank r waits 2r seconds from
    here."""
    reason: str
    """set, blocks, rotate or refresh."""
    compromised: bool
    """The current secret is believed to be known to others: no grace."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A member's word that it holds the offered secret."""

    vote_key: PublicKey
    """For the epoch that the offer opens."""
    wrap_key: bytes
    """For the epoch after it, 1216 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An open offer of a secret for the due epoch."""

    digest: Digest
    offerer: PublicKey
    public_key: bytes
    """Hybrid public key of the offered epoch, 1216 bytes."""
    wraps: Mapping[PublicKey, bytes]
    """By node key: the secret, wrapped to the key that the member announced for this epoch."""
    readies: Mapping[PublicKey, Ready]


@dataclass(frozen=True, slots=True)
class Winner:
    """The offer that a quorum of the new set is ready for."""

    offer: Digest
    quorum_ms: Milliseconds
    """Block time of the ready that made the quorum."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the state wants the next epoch to be: a leader ends the epoch with it, and it no longer
    changes."""

    description: EpochDescription
    public_key: bytes
    """Hybrid public key, 1216 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch, and where it began."""

    description: EpochDescription
    public_key: bytes
    anchor_height: Height
    anchor_ms: Milliseconds
    reason: str
    """Why the epoch before it ended; founded for epoch 0."""
    offer: Digest
    """The offer that won it; zeros for epoch 0."""


class ProposalStatus(StrEnum):
    """Where a proposal stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    """It waits for its time."""
    ACTIVE = "active"
    """It has taken effect."""
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    """It was not decided in its time."""
    VOID = "void"
    """It was accepted, but could no longer take effect when its time came."""

    @property
    def alive(self) -> bool:
        """May it still take effect?"""
        return self in (ProposalStatus.OPEN, ProposalStatus.ACCEPTED)


Arguments = tuple[tuple[str, Any], ...]
"""(name, canonical value) …, in the order of the change's row in changes.py."""


Changes = tuple[tuple[str, Arguments], ...]
"""(change, its arguments) …, in the order in which they are tried and take effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Changes that a member asked for: all of them, or none."""

    id: str
    """32 characters of hex."""
    digest: Digest
    """Over the changes: what a ballot is cast for."""
    proposer: PublicKey
    changes: Changes
    status: ProposalStatus
    proposed_ms: Milliseconds
    decided_ms: Milliseconds
    """Block time of the decision; 0 while it is open."""
    activates_ms: Milliseconds
    """From which block time it takes effect; 0 while it is open."""
    note: str
    """Why it is void; else ""."""
    lifetime_ms: Milliseconds = _BY_LIMIT
    """In which it must be decided, as its proposer named it; 0: as long as the limit says."""
