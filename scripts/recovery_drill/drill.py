"""One run of the recovery drill: where it plays, what is typed, what it measured.

Owns processes of commands and the seconds of steps; what must hold, the steps say.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import StrongroomError
from strongroom.node.client import Client
from strongroom.node.cluster.cluster import Cluster, open_cluster
from strongroom.node.layout import ClusterLayout
from strongroom.node.terminal.teller import Teller

IN_FLIGHT = 256
STRONGROOM = Path(sys.executable).parent / "strongroom"


class Broken(AssertionError):
    """Something did not hold."""


@dataclass
class Drill:
    """One run."""

    cluster: Cluster
    payments: int
    teller: Teller
    threshold: int = 2
    seconds: dict[str, float] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        return self.cluster.layout.directory

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, and tell it."""
        begun = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - begun, 2)
        self.teller.line(f"{self.seconds[name]:8.2f} s  {name}")

    def expect(self, holds: bool, words: str) -> None:
        """Raises Broken: it does not hold."""
        if not holds:
            raise Broken(words)

    # --- commands ---

    async def command(self, *words: str, ok: int = 0) -> dict[str, Any]:
        """What an operator or member types; its JSON.

        Raises:
            Broken: another exit status than is expected.
        """
        process = await self.spawn(*words)
        out, err = await process.communicate()
        if process.returncode != ok:
            raise Broken(f"{' '.join(words)}: exit {process.returncode}: {(err or out).decode()}")
        return dict(json.loads(out)) if out.strip() else {"error": err.decode()}

    async def refused(self, reason: str, *words: str) -> None:
        """A command that must be refused, by this name."""
        process = await self.spawn(*words)
        out, err = await process.communicate()
        told = (out + err).decode()
        self.expect(process.returncode != 0 and reason in told, f"{words}: not {reason}: {told}")

    async def spawn(self, *words: str) -> asyncio.subprocess.Process:
        """A command that runs."""
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            str(STRONGROOM), *words, "--json", stdout=pipe, stderr=pipe
        )

    def in_cluster(self) -> tuple[str, str]:
        return "--dir", str(self.directory)

    # --- people ---

    async def pay(self, count: int) -> None:
        """So many payments, and what everybody then has; all of it certified."""
        async with Client.connect(self.directory, identity="alice") as client:
            waiting: set[asyncio.Task[Any]] = set()
            for _ in range(count):
                waiting.add(
                    asyncio.create_task(client.call("payments.transfer", to="bob", amount=1))
                )
                if len(waiting) >= IN_FLIGHT:
                    _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if waiting:
                await asyncio.gather(*waiting)
        await self.pay_with_receipt()

    async def pay_with_receipt(self) -> str:
        """One payment whose receipt a quorum has certified; its id."""
        paid = await self.command(
            *("call", "payments.transfer", "to=bob", "amount=1", "--as", "alice"),
            *("--wait", "receipt", *self.in_cluster()),
        )
        self.balances = await self.read_balances()
        return str(paid["id"])

    async def read_balances(self) -> dict[str, int]:
        """Of everybody whose key is in the folder and who has an account."""
        found = {}
        for path in sorted(ClusterLayout(self.directory).keys.glob("*.json")):
            try:
                async with Client.connect(self.directory, identity=path.stem) as client:
                    found[path.stem] = int((await client.query("payments.balance")).value)
            except StrongroomError:
                continue  # no payer: a member, or one with a passphrase
        return found

    async def check_balances(self, when: str) -> None:
        found = await self.read_balances()
        self.expect(found == self.balances, f"{when}: {found}, acknowledged were {self.balances}")

    # --- nodes ---

    async def kill_all(self) -> None:
        for node in self.cluster.nodes:
            await node.kill()

    async def start_all(self) -> None:
        with self.teller.under_way() as say:
            self.cluster = open_cluster(self.directory)
            await self.cluster.start(say)
            await self.cluster.wait_quorum(say)

    def ledger_bytes(self, name: str) -> int:
        folder = self.cluster.node(name).layout.ledger
        return sum(path.stat().st_size for path in folder.glob("*.log"))
