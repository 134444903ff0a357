"""Where a transaction took effect, and what came of it. Owns the shape alone."""

from dataclasses import dataclass

from strongroom.consensus.types import Height, TransactionId


@dataclass(frozen=True, slots=True)
class Place:
    """One transaction's place and answer."""

    id: TransactionId
    height: Height
    index: int
    """Position in its block."""
    code: int
    """0 executed, else the public refusal's number (strongroom.enclave.formats.outcome)."""
    result: bytes
    """Sealed; empty for a refusal."""
