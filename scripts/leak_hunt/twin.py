"""One twin's run: the same steps at the same pace as the other's, on a copy of the same folder,
with other secrets.

Owns the steps. What a host saw of them is collected in sightings.py. Each step begins when the one
before is executed and anchored everywhere and the chain is quiet again, so that nothing but the
secrets can make a difference.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from scripts.leak_hunt.secrets_of_twins import Attempt, Secrets

from strongroom.consensus.errors import StrongroomError
from strongroom.node.client import Client
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.cluster.cluster import Cluster, Say
from strongroom.node.cluster.node_process import NodeProcess
from strongroom.node.cluster.plan import ISSUER
from strongroom.node.machine import ports
from strongroom.node.machine.processes import spawn

QUIET_SECONDS_MAX = 20.0
CAPTURE = "seen"
"""Beside a node's folder: `nK.seen.frames`, `nK.seen.bytes`."""
_POLL_SECONDS = 0.01


class NeverQuiet(StrongroomError):
    """The chain did not come to rest after a step."""


class WatchedNode(NodeProcess):
    """A node whose host is curious."""

    def spawn(self) -> None:
        """Start its host, watching."""
        config = self.config()
        for address in (config.rpc, config.peer):
            ports.check_free(address.port, address.host)
        command = [sys.executable, "-m", "scripts.leak_hunt.watching_host", str(capture_of(self))]
        command += ["run", "--config", str(self.layout.config.absolute())]
        host = spawn(command, log=self.layout.log, environment=dict(os.environ))
        self._record(host, None)


def capture_of(node: NodeProcess) -> Path:
    """Where a node's host writes down what it sees; outside its folder."""
    folder = node.layout.directory.absolute()
    return folder.parent.parent / "captures" / f"{folder.parent.name}-{node.name}.{CAPTURE}"


@asynccontextmanager
async def watched_cluster(cluster: Cluster, say: Say) -> AsyncIterator[Cluster]:
    """The same cluster with curious hosts, running and voting; stopped at the end."""
    watched = Cluster(cluster.layout, tuple(WatchedNode(node.layout) for node in cluster.nodes))
    capture_of(watched.nodes[0]).parent.mkdir(exist_ok=True)
    try:
        await watched.start(say)
        await watched.wait_quorum(say)
        yield watched
    finally:
        await watched.down()


@dataclass(slots=True)
class Play:
    """The steps, in order."""

    cluster: Cluster
    secrets: Secrets
    clients: dict[str, Client]

    async def all(self) -> None:
        """Every step."""
        secrets, payer, asker = self.secrets, self.clients["payer"], self.clients["asker"]
        issue = partial(self.clients["issuer"].call, "payments.issue")
        for name, amount in zip(
            (secrets.payer, secrets.asker, secrets.third), secrets.balances, strict=True
        ):
            await self._step(partial(issue, to=name, amount=amount))
            await self._registered()
        for _ in range(2):
            await self._step(partial(payer.call, "payments.open", account=secrets.account))
        for attempt in secrets.singles:
            await self._step(partial(payer.call, "payments.transfer", **_arguments(attempt)))
        await self._step(partial(self._burst, payer))
        for question in (
            partial(asker.query, "payments.balance"),
            partial(asker.query, "payments.supply"),
            partial(asker.query, "payments.statement", after=1, limit=1),
            partial(asker.query, "payments.balance", account=secrets.third),
            partial(asker.query, "payments.balance", linearizable=True),
        ):
            await self._step(question)

    async def _burst(self, client: Client) -> None:
        """All in one frame; what fails, fails."""
        futures = [
            client.submit_call("payments.transfer", **_arguments(one)) for one in self.secrets.burst
        ]
        await asyncio.gather(*futures, return_exceptions=True)

    async def _step(self, act: Callable[[], Awaitable[Any]]) -> None:
        with suppress(ProgramFailed):  # a secret: what the host sees of it must not differ
            await act()
        await self._quiet()

    async def _registered(self) -> None:
        """Until every node's boot stands on the ledger: said in public once there is a block, when
        a clock says so."""
        await self._until(self._boots_stand)
        await self._quiet()

    async def _boots_stand(self) -> bool:
        own = {name: status.get("boot") for name, status in (await self._statuses()).items()}
        rows: Any = await asyncio.to_thread(self.cluster.nodes[0].ask, "service_nodes")
        return own == {row["name"]: row["boot"] for row in rows}

    async def _quiet(self) -> None:
        """Until every node has executed all that is final, and a final header anchors everything
        but empty blocks."""
        await self._until(self._is_quiet)

    async def _is_quiet(self) -> bool:
        statuses = (await self._statuses()).values()
        heights = {status.get(key) for status in statuses for key in ("height", "executed")}
        return len(heights) == 1 and await self._anchored(*heights)

    async def _until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Raises TimeoutError if it does not come to hold."""
        async with asyncio.timeout(QUIET_SECONDS_MAX):
            while not await holds():
                await asyncio.sleep(_POLL_SECONDS)

    async def _statuses(self) -> dict[str, dict[str, Any]]:
        """What each node says of itself, by name; nothing if it does not answer."""
        nodes = self.cluster.nodes
        found = await asyncio.gather(*(asyncio.to_thread(node.status) for node in nodes))
        return {node.name: status or {} for node, status in zip(nodes, found, strict=True)}

    async def _anchored(self, height: Any) -> bool:
        """Does the newest block anchor every block that is not empty?"""
        if height == 0:
            return True
        ask = self.cluster.nodes[0].ask
        newest: Any = await asyncio.to_thread(ask, "ledger_block", height)
        above: Any = await asyncio.to_thread(
            ask, "ledger_blocks", newest["anchor"]["height"] + 1, height
        )
        return not any(block["transactions"] for block in above)


def _arguments(attempt: Attempt) -> dict[str, Any]:
    return {
        "to": attempt.to,
        "amount": attempt.amount,
        "memo": attempt.memo,
        "source": attempt.source,
    }


async def play(cluster: Cluster, secrets: Secrets) -> None:
    """Play all steps on a running cluster, through its first node.

    Raises:
        NeverQuiet: a step does not end.
    """
    folder = cluster.layout.directory
    roles = {"issuer": ISSUER, "payer": secrets.payer, "asker": secrets.asker}
    try:
        async with AsyncExitStack() as stack:
            clients = {
                role: await stack.enter_async_context(
                    Client.connect(folder, identity=name, first_endpoint=0)
                )
                for role, name in roles.items()
            }
            await Play(cluster, secrets, clients).all()
    except TimeoutError:
        raise NeverQuiet(
            f"a step was not executed and anchored everywhere within {QUIET_SECONDS_MAX:g} s"
        ) from None
