"""What the load calls, and what the ledger must show of it afterwards: balances that add up,
records all there.

Owns the arguments of the calls and the check at the end, not when they are made: see load.py.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom.enclave.formats.size_classes import CALL_ENVELOPES, CALL_SIZES
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.programs.payments import MEMO_MAX
from strongroom.node.client import Client
from strongroom.node.cluster.plan import ISSUER

OPENING_BALANCE = 10**12
PAYMENT_BYTES = 120
"""What a payment without a memo takes before padding, at most."""
RECORD_BYTES = 100
"""What an append takes beside its contents, at most."""
CONTENTS_MAX = 16 * 1024
"""Bytes of a record that the benchmark appends, at most."""
COLLECTION = "bench"


class Work(ABC):
    """One kind of call, made by every client over and over."""

    operation: str
    envelope_bytes: int
    """Size class of the envelopes."""

    @abstractmethod
    async def prepare(self, directory: Path, clients: list[Identity]) -> None:
        """What must be on the ledger before the first call."""

    @abstractmethod
    def arguments(self, clients: list[Identity], index: int) -> dict[str, Any]:
        """Of each call of one client."""

    @abstractmethod
    async def adds_up(
        self, directory: Path, clients: list[Identity], answered: int, unknown: int
    ) -> bool:
        """Does the ledger hold what `answered` calls of all clients together come to, no more and
        no less? Of `unknown` more nobody was told whether they took effect."""


@dataclass(frozen=True)
class Payments(Work):
    """Client i pays client i+1."""

    envelope_bytes: int = CALL_ENVELOPES[0]
    operation: str = "payments.transfer"

    async def prepare(self, directory: Path, clients: list[Identity]) -> None:
        """Accounts with money in them."""
        async with Client.connect(directory, ISSUER) as issuer:
            await issuer.call(
                "payments.issue_many",
                issues=[["id:" + one.id.hex(), OPENING_BALANCE] for one in clients],
            )

    def arguments(self, clients: list[Identity], index: int) -> dict[str, Any]:
        """A payment of 1 with a memo that fills the envelope."""
        room = CALL_SIZES[CALL_ENVELOPES.index(self.envelope_bytes)] - 1 - PAYMENT_BYTES
        payee = clients[(index + 1) % len(clients)]
        return {"to": "id:" + payee.id.hex(), "amount": 1, "memo": "m" * min(room, MEMO_MAX)}

    async def adds_up(
        self, directory: Path, clients: list[Identity], answered: int, unknown: int
    ) -> bool:
        """Whatever was paid, all accounts together have what was issued."""
        total = 0
        for client in clients:
            async with Client.connect(directory, client) as asking:
                total += (await asking.query("payments.balance", linearizable=True)).value
        async with Client.connect(directory, ISSUER) as issuer:
            supply = (await issuer.query("payments.supply")).value
        return bool(total == supply == OPENING_BALANCE * len(clients))


@dataclass(frozen=True)
class Records(Work):
    """Every client appends to a collection of its own."""

    contents_bytes: int = 256
    operation: str = "records.append"

    @property
    def envelope_bytes(self) -> int:  # type: ignore[override]
        """The class that the contents and what stands beside them need."""
        needed = self.contents_bytes + RECORD_BYTES
        return next(
            envelope
            for envelope, size in zip(CALL_ENVELOPES, CALL_SIZES, strict=True)
            if needed < size
        )

    async def prepare(self, directory: Path, clients: list[Identity]) -> None:
        """Nothing: the first entry begins a collection."""

    def arguments(self, clients: list[Identity], index: int) -> dict[str, Any]:
        """An entry of the wanted size."""
        return {"collection": COLLECTION, "contents": "c" * self.contents_bytes}

    async def adds_up(
        self, directory: Path, clients: list[Identity], answered: int, unknown: int
    ) -> bool:
        """Each append that was answered is one entry, and there are no others."""
        total = 0
        for client in clients:
            async with Client.connect(directory, client) as asking:
                head = await asking.query(
                    "records.head", collection="/" + COLLECTION, linearizable=True
                )
                total += head.value["sequence"]
        return answered <= total <= answered + unknown
