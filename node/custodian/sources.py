"""What a releaser asks: the service, and the HSM. Three protocols, and what they answer with.

Knows no rule: those are in releasing.py. The real ones: ledger.py, halves.py, token_keys.py.
"""

from dataclasses import dataclass
from typing import Protocol

from strongroom.consensus.types import ChainId, Height, Milliseconds, TransactionId
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.formats.vault_claims import LeaseStatement
from strongroom.enclave.outside.split_key import KeyName
from strongroom.enclave.primitives import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A lease as the newest state has it."""

    state: str
    until_ms: int
    session: bytes
    region: str
    country: str
    """Of that region by the members' table, where the room's operator is theirs; else nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a quorum vouched for as newest, over a nonce of ours."""

    height: Height
    time_ms: Milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A release that stands on the ledger, by a receipt that was verified."""

    id: TransactionId
    height: Height


class Ledger(Protocol):
    """What is asked of the service; everything is verified against the pin by who implements it."""

    @property
    def chain(self) -> ChainId: ...
    async def lease(self, id: TransactionId, claim: bytes, blinding: bytes) -> LeaseStatement:
        """Raises ReceiptInvalid: no receipt, or another claim."""

    async def newest(self) -> Moment:
        """Raises NoQuorum, NotTrusted."""

    async def standing(self, lease: bytes, moment: Moment) -> Standing:
        """Raises ProgramFailed: no such lease, or its key has another custodian."""

    async def policy(self) -> Policy:
        """Roots and revocations that count."""

    async def release(
        self, statement: LeaseStatement, digest: bytes, standing: Standing
    ) -> Released:
        """Raises ProgramFailed: the lease is not live; ReceiptInvalid: also when a quorum says
        another region or country than `standing`."""


class Halves(Protocol):
    """The keyed function in the HSM."""

    async def known(self) -> None:
        """Raises TokenFault: the device is away, or its key another."""

    async def half(self, key: KeyName, piece: int | None = None) -> Secret:
        """Raises TokenFault."""


class HandedOver(Protocol):
    """Keys that the HSM hands over inside itself."""

    async def known(self, key: KeyName) -> object:
        """Raises TokenFault: the device is away, or the key not as it must be."""

    async def hand_over(
        self, key: KeyName, piece: int, *, point: bytes, context: bytes
    ) -> tuple[bytes, bytes]:
        """Raises TokenFault."""
