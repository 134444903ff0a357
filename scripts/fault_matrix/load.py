"""A steady light load: several payers, each with a client of its own that begins at another node,
in a ring.

Owns what was asked for and what was acknowledged: the claims that a ledger is held to afterwards. A
payment is acknowledged once its payer has opened the result. Knows nothing of faults.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.consensus.types import TransactionId
from strongroom.node.client import Client
from strongroom.node.client.bringing import bring
from strongroom.node.client.calls.calls import Done
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.plan import BRINGER, ISSUER

OPENING_AMOUNT = 10**9
AMOUNTS = (1, 2, 3, 5, 8, 13)
"""In turn, so that a payment that is lost and another that is doubled do not cancel out."""
UNANSWERED_MAX = 200
"""Of one payer; a payment that is due beyond it is not made."""
CLIENT_SECONDS = 180.0
_TICK_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One payment whose payer saw its result."""

    id: TransactionId
    height: int
    index: int
    sealed: bytes
    """The result as the node gave it."""
    at: float
    """Seconds of the event loop's clock."""


@dataclass(slots=True)
class Payer:
    """One identity that pays the next in the ring."""

    name: str
    to: str
    folder: Path
    endpoint: int
    """Of the node with which it begins."""
    client: Client = field(init=False)
    paid: int = 0
    """In acknowledged payments."""
    received: int = 0
    unanswered: int = 0
    made: int = 0

    async def connect(self) -> None:
        """Open its client."""
        self.client = Client.connect(
            self.folder, self.name, first_endpoint=self.endpoint, timeout=CLIENT_SECONDS
        )
        await self.client.__aenter__()

    async def close(self) -> None:
        """End its client; nothing is under way."""
        await self.client.__aexit__(None, None, None)


@dataclass(slots=True)
class Load:
    """Payments at a rate, from `run`, unless paused."""

    payers: tuple[Payer, ...]
    rate: float
    """Payments a second of all payers together."""
    acknowledged: list[Acknowledged] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Payments that ended with an error: none should."""
    paused: bool = False

    @classmethod
    @asynccontextmanager
    async def on(cls, cluster: Cluster, *, payers: int, rate: float) -> "AsyncIterator[Load]":
        """Payers with money, connected; their clients end with the context."""
        names = [f"payer{number}" for number in range(payers)]
        folder = cluster.layout.directory
        made_keys = [KeyFolder(cluster.layout.keys).new(name) for name in names]
        await bring(folder, [one.id for one in made_keys], member=BRINGER)
        async with Client.connect(folder, ISSUER) as issuer:
            await issuer.call(
                "payments.issue_many", issues=[[name, OPENING_AMOUNT] for name in names]
            )
        made = []
        try:
            for number, name in enumerate(names):
                payer = Payer(
                    name, names[(number + 1) % payers], folder, number % len(cluster.nodes)
                )
                await payer.connect()
                made.append(payer)
            yield cls(tuple(made), rate)
        finally:
            for payer in made:
                await payer.close()

    async def spread(self) -> None:
        """Connect every payer to its own node again: after kills they crowd at the nodes that
        stayed."""
        self.paused = True
        await self.drained()
        for payer in self.payers:
            await payer.close()
            await payer.connect()
        self.paused = False

    async def run(self) -> None:
        """Pay until cancelled; what was due while paused is not made up for."""
        loop = asyncio.get_running_loop()
        due, turn = loop.time(), 0
        while True:
            await asyncio.sleep(max(_TICK_SECONDS, due - loop.time()))
            while due <= loop.time():
                due += 1 / self.rate
                turn += 1
                payer = self.payers[turn % len(self.payers)]
                if not self.paused and payer.unanswered < UNANSWERED_MAX:
                    self.pay(payer)

    def pay(self, payer: Payer) -> "asyncio.Future[Done]":
        """One payment, counted like all others."""
        amount = AMOUNTS[payer.made % len(AMOUNTS)]
        payer.made += 1
        payer.unanswered += 1
        future = payer.client.submit_call("payments.transfer", to=payer.to, amount=amount)
        future.add_done_callback(lambda done: self._settle(payer, amount, done))
        return future

    async def drained(self, seconds: float = CLIENT_SECONDS) -> None:
        """Wait until every payment is answered, for at most so long."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self.unanswered and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_TICK_SECONDS)

    def _settle(self, payer: Payer, amount: int, future: "asyncio.Future[Done]") -> None:
        payer.unanswered -= 1
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self.failed.append(f"{payer.name}: {type(error).__name__}: {error}")
            return
        done = future.result()
        payer.paid += amount
        next(other for other in self.payers if other.name == payer.to).received += amount
        at = asyncio.get_running_loop().time()
        self.acknowledged.append(Acknowledged(done.id, done.height, done.index, done.sealed, at))

    @property
    def unanswered(self) -> int:
        """Payments under way."""
        return sum(payer.unanswered for payer in self.payers)

    def rate_between(self, begins: float, ends: float) -> float:
        """Acknowledged payments a second in a span of time."""
        count = sum(1 for one in self.acknowledged if begins <= one.at < ends)
        return count / max(ends - begins, 1e-9)
