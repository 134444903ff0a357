"""Looking at every node at once: a door to each, and when each executed block was first seen
anywhere.

Owns connections that come back when their node does. What it sees is a node's word: it measures,
and trusts nothing.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiohttp

from strongroom.consensus.errors import StrongroomError
from strongroom.node import tls
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.errors import Disconnected
from strongroom.node.cluster.cluster import Cluster

_AGAIN_SECONDS = 0.05
_ASK_SECONDS = 30.0


@dataclass(slots=True)
class Door:
    """One node's front door."""

    name: str
    endpoint: str
    http: aiohttp.ClientSession
    context: ssl.SSLContext
    _connection: Connection | None = None
    _reading: "asyncio.Task[None] | None" = None

    async def ask(self, method: str, **params: Any) -> Any:
        """One question; bytes come raw.

        Raises:
            StrongroomError: it refuses, or does not answer.
        """
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                return await self._ask(method, params)
        except TimeoutError:
            raise Disconnected(
                f"{self.name} does not answer {method} in {_ASK_SECONDS:g} s"
            ) from None

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        held = self._connection
        try:
            return await (await self.connection()).ask(method, **params)
        except Disconnected:
            if self._connection is not held:
                raise
        # It had ended since it was last used, and says so only now. Asking changes nothing.
        return await (await self.connection()).ask(method, **params)

    async def connection(self) -> Connection:
        """The open connection, or a new one. Raises StrongroomError."""
        if self._connection is None or not self._connection.alive:
            self._connection = await Connection.open(self.http, self.endpoint, self.context)
            self._reading = asyncio.create_task(self._connection.run())
        return self._connection

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None and self._reading is not None:
            await self._connection.close()
            await asyncio.gather(self._reading, return_exceptions=True)


@dataclass(slots=True)
class Watch:
    """All doors, and the times of commits."""

    doors: Mapping[str, Door]
    commits: dict[int, float] = field(default_factory=dict)
    """By height: when its execution was first seen at any node, in seconds of the event loop's
    clock."""

    @classmethod
    def over(cls, cluster: Cluster, http: aiohttp.ClientSession) -> "Watch":
        """Doors to all nodes of a cluster."""
        context = tls.client_context(cluster.layout.ca)
        endpoints = {node.name: f"https://{node.config().rpc}" for node in cluster.nodes}
        return cls(
            {name: Door(name, endpoint, http, context) for name, endpoint in endpoints.items()}
        )

    async def run(self) -> None:
        """Watch all nodes until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for door in self.doors.values():
                    tasks.create_task(self._follow(door))
        finally:
            await asyncio.gather(
                *(door.close() for door in self.doors.values()), return_exceptions=True
            )

    async def _follow(self, door: Door) -> None:
        while True:
            try:
                connection = await door.connection()
                start = int((await connection.ask("node_status"))["executed"]) + 1
                events = await connection.subscribe("blocks", start)
                while True:
                    self._note(await events.next())
            except (StrongroomError, KeyError, TypeError):
                await asyncio.sleep(_AGAIN_SECONDS)

    def _note(self, event: dict[str, Any]) -> None:
        if "height" in event:
            self.commits.setdefault(int(event["height"]), asyncio.get_running_loop().time())

    def first_after(self, moment: float) -> float | None:
        """When the first commit after a moment was seen."""
        return min((at for at in self.commits.values() if at > moment), default=None)

    def longest_gap(self, begins: float, ends: float) -> float:
        """The longest time without a commit within a span."""
        times = [begins, *sorted(at for at in self.commits.values() if begins < at < ends), ends]
        return max(later - earlier for earlier, later in pairwise(times))
