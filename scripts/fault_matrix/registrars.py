"""Clients of one register: they append and look, each at another node first, and write down what
they saw and when.

Owns the history that register.py checks. Knows nothing of faults.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any

from scripts.fault_matrix.register import Append, History, Look, anomalies

from strongroom.consensus.errors import ClientFault
from strongroom.node.client import Client
from strongroom.node.client.bringing import bring
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.plan import BRINGER

NAME = "registrar"
COLLECTION = "register"
CLIENTS = 3
OPERATIONS_PER_SECOND = 6.0
"""Of each client: appends, linearizable looks and plain looks in turn."""
CLIENT_SECONDS = 180.0
ANSWER_SECONDS_MAX = 180.0
READ_AT_ONCE = 32


@dataclass(slots=True)
class Registrars:
    """The clients, and what they saw."""

    clients: tuple[Client, ...]
    owner: bytes
    appends: list[Append] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Operations that ended with an error: none should."""
    paused: bool = False
    under_way: int = 0
    _made: int = 0

    @classmethod
    @asynccontextmanager
    async def on(cls, cluster: Cluster) -> "AsyncIterator[Registrars]":
        """Clients of one new identity; they end with the context."""
        key = KeyFolder(cluster.layout.keys).new(NAME)
        await bring(cluster.layout.directory, [key.id], member=BRINGER)
        made: list[Client] = []
        try:
            for number in range(CLIENTS):
                client = Client.connect(
                    cluster.layout.directory,
                    NAME,
                    first_endpoint=number % len(cluster.nodes),
                    timeout=CLIENT_SECONDS,
                )
                await client.__aenter__()
                made.append(client)
            yield cls(tuple(made), bytes(made[0].identity.id))
        finally:
            for client in made:
                await client.__aexit__(None, None, None)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(len(self.clients)):
                group.create_task(self._work(number))

    async def _work(self, number: int) -> None:
        turn = number
        while True:
            await asyncio.sleep(1 / OPERATIONS_PER_SECOND)
            if self.paused:
                continue
            turn += 1
            self.under_way += 1
            try:
                await (
                    self._append(number)
                    if turn % 2
                    else self._look(number, linearizable=turn % 4 == 0)
                )
            finally:
                self.under_way -= 1

    async def _append(self, number: int) -> None:
        self._made += 1
        contents = f"entry {self._made} of client {number}"
        asked, answered, place = self._now(), inf, None
        try:
            done = await self.clients[number].call(
                "records.append", collection=COLLECTION, contents=contents
            )
            answered, place = self._now(), int(done.result["sequence"])
        except ClientFault as fault:
            self.failed.append(f"append of client {number}: {type(fault).__name__}: {fault}")
        finally:
            self.appends.append(
                Append(
                    client=number, contents=contents, asked=asked, answered=answered, place=place
                )
            )

    async def _look(self, number: int, *, linearizable: bool) -> None:
        asked = self._now()
        client = self.clients[number]
        try:
            answer = await client.query(
                "records.head", collection=COLLECTION, linearizable=linearizable
            )
        except ClientFault as fault:
            self.failed.append(f"look of client {number}: {type(fault).__name__}: {fault}")
            return
        shown: dict[str, Any] = answer.value
        self.looks.append(
            Look(
                client=number,
                linearizable=linearizable,
                asked=asked,
                answered=self._now(),
                place=int(shown["sequence"]),
                digest=str(shown["digest"]),
            )
        )

    async def check(self) -> list[str]:
        """Let what is under way end, read what the register holds, and judge the whole history so
        far."""
        self.paused = True
        try:
            deadline = self._now() + ANSWER_SECONDS_MAX
            while self.under_way and self._now() < deadline:
                await asyncio.sleep(1 / OPERATIONS_PER_SECOND)
            wrong = [f"register: {text}" for text in self.failed]
            self.failed.clear()
            if self.under_way:
                return [
                    *wrong,
                    f"register: {self.under_way} operations have no answer in "
                    f"{ANSWER_SECONDS_MAX:g} s",
                ]
            await self._read()
            history = History(self.owner, COLLECTION, self.appends, self.looks, self.entries)
            return [*wrong, *(f"register: {text}" for text in anomalies(history))]
        finally:
            self.paused = False

    async def _read(self) -> None:
        """The entries that are new since the last look at all of them."""
        client = self.clients[0]
        if not self.appends:
            return
        head = await client.query("records.head", collection=COLLECTION, linearizable=True)
        missing = range(len(self.entries) + 1, int(head.value["sequence"]) + 1)
        for start in range(missing.start, missing.stop, READ_AT_ONCE):
            part = missing[start - missing.start : start - missing.start + READ_AT_ONCE]
            found = await asyncio.gather(
                *(
                    client.query("records.read", collection=COLLECTION, sequence=place)
                    for place in part
                )
            )
            self.entries += [str(one.value["contents"]) for one in found]

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
