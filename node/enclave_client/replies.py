"""What an enclave's answers are to the host: public facts, sealed bytes, and what is due.

Owns the types alone; which request is answered by which stands in calls.py.
"""

from dataclasses import dataclass

from strongroom.consensus.types import Digest, Epoch, Height, PublicKey, View
from strongroom.enclave.member.stage import Need


@dataclass(frozen=True, slots=True)
class CheckedPeer:
    """A peer whose evidence my enclave verified over my nonce."""

    node_key: PublicKey
    name: str
    tls_key: bytes
    """SHA-256 of its TLS key's SubjectPublicKeyInfo."""
    summary: str
    evidence_digest: str
    """SHA-256 of what was shown, hex; for people to compare."""
    judged: bool = True
    """False for a validator by certificates alone, while my enclave does not know the policy that
    admitted it."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """What q heads over the enclave's nonce say is newest."""

    height: Height
    view: View
    may_vote: bool
    """False when a peer holds a vote of mine that my log does not have (PROTOCOL §6)."""
    epoch: Epoch
    """The newest that a head was of."""


@dataclass(frozen=True, slots=True)
class EnclaveStatus:
    """Public facts of the enclave."""

    executed: Height
    root: Digest
    boot: int
    fresh: bool
    may_vote: bool
    epoch: Epoch
    """In which its state is."""
    opens: bool
    """It holds that epoch's input secret: it can execute."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What an enclave wants said and done now."""

    sealed: bytes
    """To be stored before anything is submitted; empty: nothing new."""
    envelopes: tuple[bytes, ...]
    deadline_ms: int
    """Block time at which the state would do something by itself; 0: none."""
    need: Need


@dataclass(frozen=True, slots=True)
class MadeChunks:
    """Sealed chunks of a snapshot that the enclave hands out at once."""

    height: Height
    due: Height
    """Whose outcome names the root."""
    count: int
    """Chunks in all."""
    first: int
    """Number of the first of `chunks`."""
    chunks: tuple[bytes, ...]
