"""One running cluster under load, as faults find it: nodes to hurt, a network to spoil, a clock
that notes both.

Owns the life of all parts (nodes, relays, payers, watch) and the marks between which a fault
lasted. What is done to it stands in kills.py, outages.py and disks.py; what must hold afterwards in
checks.py.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from scripts.fault_matrix.checks import Checks
from scripts.fault_matrix.load import Load
from scripts.fault_matrix.network import Network
from scripts.fault_matrix.registrars import Registrars
from scripts.fault_matrix.statements import Statements
from scripts.fault_matrix.watch import Watch

from strongroom.consensus.errors import StrongroomError
from strongroom.node.cluster.cluster import Cluster, Say, end_all, state_of
from strongroom.node.cluster.creation import create
from strongroom.node.cluster.node_process import NodeFailed, NodeProcess
from strongroom.node.cluster.plan import Plan

WAIT_SECONDS_MAX = 180.0
"""A guard against waiting for ever, as all bounds of this folder that end in MAX: no measure."""
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Shape:
    """How large, how long, how much."""

    nodes: int = 4
    payers: int = 4
    rate: float = 100.0
    """Payments a second."""
    seconds: float = 5.0
    """How long before, during and after a fault is measured."""
    kills: int = 20
    """Of a leader, in the fault that does that again and again."""


@dataclass(slots=True)
class World:
    """A cluster with everything around it."""

    shape: Shape
    cluster: Cluster
    network: Network
    watch: Watch
    load: Load
    checks: Checks
    statements: Statements
    began: float = 0.0
    """When the fault began, and when it was over, in seconds of the event loop's clock."""
    ended: float = 0.0
    recovers_from: float = 0.0
    """From when on the time to the next commit counts: its beginning, or its end when no quorum was
    left."""
    wrong: list[str] = field(default_factory=list)
    """What the fault itself saw that must not be."""
    figures: dict[str, Any] = field(default_factory=dict)
    """What it measured besides."""

    # --- time -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def hurting(self, *, quorum: bool) -> AsyncIterator[None]:
        """The time of a fault; `quorum`: commits must go on in it."""
        self.began = self.recovers_from = asyncio.get_running_loop().time()
        yield
        self.ended = asyncio.get_running_loop().time()
        if not quorum:
            self.recovers_from = self.ended

    async def wait(self, seconds: float | None = None) -> None:
        """Let time pass: by default as long as each phase is measured."""
        await asyncio.sleep(self.shape.seconds if seconds is None else seconds)

    def expect(self, holds: object, words: str) -> None:
        """Note what must be so and is not."""
        if not holds:
            self.wrong.append(words)

    # --- nodes ------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """n0, n1, …"""
        return self.cluster.names

    def node(self, name: str) -> NodeProcess:
        """One node."""
        return self.cluster.node(name)

    async def kill(self, *names: str) -> None:
        """kill -9 of hosts and enclaves, as nearly at once as can be."""
        for name in names:
            self.strike(name)
        await asyncio.gather(*(self.node(name).kill() for name in names))

    def strike(self, name: str) -> None:
        """SIGKILL to a host, at once; its enclave ends with it."""
        host = self.node(name).host()
        if host is not None:
            host.send(signal.SIGKILL)

    async def start(self, *names: str) -> None:
        """Start nodes side by side. Raises NodeFailed when one does not answer."""
        await asyncio.gather(*(self.node(name).start() for name in names))

    async def signal_all(self, name: str, number: signal.Signals) -> None:
        """The same signal to host and enclave."""
        for process in (self.node(name).host(), self.node(name).enclave()):
            if process is not None:
                process.send(number)

    async def refuses_to_start(self, name: str, *words: str) -> None:
        """Expect that a node ends by itself when it is started, and that its log says these
        words."""
        node = self.node(name)
        try:
            await node.start()
        except NodeFailed as fault:
            for word in words:
                self.expect(
                    word in str(fault),
                    f"{name} refused to start, but does not say {word!r}: {fault}",
                )
            return
        self.wrong.append(f"{name} started, although it must not")
        await node.kill()

    async def ends_by_itself(
        self, name: str, *words: str, seconds: float = WAIT_SECONDS_MAX
    ) -> None:
        """Expect that a running node halts, and that its log says these words."""
        node = self.node(name)
        try:
            await self.until(lambda: node.host() is None, f"{name} to halt", seconds=seconds)
        except TimeoutError as late:
            self.wrong.append(str(late))
            return
        shown = "\n".join(node.last_log_lines())
        for word in words:
            self.expect(
                word in shown, f"{name} halted, but its log does not say {word!r}: {shown[-300:]}"
            )

    async def wait_state(self, state: str, *names: str) -> None:
        """Wait until nodes say that they are in a state. Raises TimeoutError."""
        for name in names:
            node = self.node(name)
            await self.until(lambda node=node: state_of(node) == state, f"{name} to be {state}")  # type: ignore[misc]

    async def until(
        self, holds: Callable[[], bool], words: str, seconds: float = WAIT_SECONDS_MAX
    ) -> None:
        """Wait for a condition. Raises TimeoutError with these words."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not await asyncio.to_thread(holds):
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"waited {seconds:g} s for {words}")
            await asyncio.sleep(_POLL_SECONDS)

    async def status(self, name: str) -> dict[str, Any]:
        """What a node says of itself; empty if it does not answer."""
        try:
            return dict(await self.watch.doors[name].ask("node_status"))
        except StrongroomError:
            return {}

    async def leader(self) -> str:
        """Who leads now, as the first node that answers sees it."""
        for name in self.names:
            status = await self.status(name)
            if status:
                return str(status["leader"])
        return self.names[0]

    async def followers(self, count: int) -> list[str]:
        """Nodes that do not lead now."""
        leader = await self.leader()
        return [name for name in self.names if name != leader][:count]

    async def commits_in(self, seconds: float) -> bool:
        """Is anything committed within some seconds from now on?"""
        begins = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < begins + seconds:
            if self.watch.first_after(begins) is not None:
                return True
            await asyncio.sleep(_POLL_SECONDS)
        return False

    def remember_logs(self, names: Iterable[str]) -> None:
        """Take note of what nodes have said, before their logs are touched."""
        for name in names:
            self.checks.read_log(name)


@asynccontextmanager
async def running_world(directory: Path, shape: Shape, say: Say) -> AsyncIterator[World]:
    """Found a cluster behind relays, start it, fund the payers, begin to pay; nothing is left
    running at the end."""
    cluster = await create(directory, Plan(nodes=shape.nodes, base_port=0), say=say)
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(Network.between(cluster))
        stack.push_async_callback(end_all, cluster.nodes)
        await cluster.start(say)
        await cluster.wait_quorum(say, seconds=WAIT_SECONDS_MAX)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        )
        watch, statements = Watch.over(cluster, http), Statements(shape.nodes)
        say(f"{shape.payers} payers, {shape.rate:g} payments a second")
        load = await stack.enter_async_context(
            Load.on(cluster, payers=shape.payers, rate=shape.rate)
        )
        registrars = await stack.enter_async_context(Registrars.on(cluster))
        checks = Checks(cluster, watch, load, statements, registrars)
        await checks.begin()
        world = World(shape, cluster, network, watch, load, checks, statements)
        await stack.enter_async_context(_running(watch.run(), load.run(), registrars.run()))
        yield world


@asynccontextmanager
async def _running(*loops: Awaitable[None]) -> AsyncIterator[None]:
    """Endless loops beside a body; one that fails cancels it."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_as_coroutine(loop)) for loop in loops]
        yield
        for task in tasks:
            task.cancel()


async def _as_coroutine(loop: Awaitable[None]) -> None:
    await loop
