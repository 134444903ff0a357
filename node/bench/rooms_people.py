"""Who plays in `bench --program rooms`: an owner, an analyst, operators that members allow, their
workers, and one clean room of theirs.

Owns their making; what is measured with them is rooms_jobs.py's.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.formats.clean_rooms.terms import RoomTerms
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.room.worker.measurement import NAME
from strongroom.node.client import Client
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.bringing import bring
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.growth import Council
from strongroom.node.cluster.plan import BRINGER
from strongroom.node.rooms.starting import Wanted, make_chip, program_file, run_workers

OWNER, ANALYST, OPERATORS = "bank", "analyst", ("operator-a", "operator-b")
REGION, PURPOSE = "here", "bench"
WORKER_MB = "4096"
WAITING_SECONDS_MAX = 240.0


@dataclass(slots=True)
class Pool:
    """Workers, life after life, and what they say."""

    lives: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    """Of each worker: when it said what."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list["asyncio.Task[Any]"] = field(default_factory=list)

    def heard(self, name: str, what: str, _fields: dict[str, Any]) -> None:
        """A worker says something in the open."""
        self.lives.setdefault(name, []).append((time.monotonic(), what))
        self._news.set()

    @property
    def waiting(self) -> int:
        """Workers that wait for a job, and have none yet."""
        kinds = ("waiting", "taken", "life-ended")
        last = [
            next((what for _, what in reversed(said) if what in kinds), "")
            for said in self.lives.values()
        ]
        return last.count("waiting")

    async def until_waiting(self, count: int) -> None:
        """Wait until so many wait.

        Raises:
            OperatorFault: they do not in time, or one has ended.
        """
        try:
            async with asyncio.timeout(WAITING_SECONDS_MAX):
                while self.waiting < count:
                    for task in self._tasks:
                        if task.done():
                            raise OperatorFault(f"a worker of the bench ended: {task.result()}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            words = {name: said[-3:] for name, said in self.lives.items()}
            raise OperatorFault(f"workers of the bench do not wait: {words}") from None

    def starts(self) -> list[float]:
        """Seconds from the end of a life until the next one waits, of each worker and life."""
        made = []
        for said in self.lives.values():
            ended = None
            for at, what in said:
                if what == "life-ended":
                    ended = at
                elif what == "waiting" and ended is not None:
                    made.append(at - ended)
                    ended = None
        return made

    def start(self, wanted: Wanted, where: Path, operator: Identity) -> None:
        """Begin the lives of one more worker."""

        def heard(what: str, fields: dict[str, Any]) -> None:
            self.heard(wanted.name, what, fields)

        life = run_workers(wanted, where, operator, heard, self._over)
        self._tasks.append(asyncio.create_task(life))

    async def stop(self) -> None:
        """End them all."""
        self._over.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class People:
    """All of them, and their room."""

    cluster: Cluster
    owner: Client
    analyst: Client
    room: bytes
    pool: Pool

    @property
    def where(self) -> Path:
        """The service's folder."""
        return self.cluster.layout.directory


@asynccontextmanager
async def people(cluster: Cluster, folder: Path, pairs: int) -> AsyncIterator[People]:
    """Them, with so many workers of each operator that begin to start.

    Raises:
        StrongroomError: the service refuses what it must not.
    """
    layout = cluster.layout
    keys = KeyFolder(layout.keys)
    made = [keys.new(name) for name in (OWNER, ANALYST, *OPERATORS)]
    await bring(layout.directory, [bytes(one.id) for one in made], member=BRINGER)
    async with Reader(cluster.service()) as reader:
        council = await Council.gather(reader)
        for one in made[-len(OPERATORS) :]:
            await council.decide("allow_operator", operator=one.name, key=one.public.hex())
    pool = Pool()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(pool.stop)
        for operator in OPERATORS:
            for at in range(pairs):
                name = f"{operator}-{at}"
                chip = folder / name
                await asyncio.to_thread(make_chip, layout.platform, chip)
                pool.start(_worker(name, operator, chip), layout.directory, keys.load(operator))
        owner = await stack.enter_async_context(Client.connect(layout.directory, OWNER))
        analyst = await stack.enter_async_context(Client.connect(layout.directory, ANALYST))
        room = await _room(owner, analyst)
        yield People(cluster, owner, analyst, room, pool)


async def _room(owner: Client, analyst: Client) -> bytes:
    parties = sorted(
        [
            (bytes(owner.identity.id), ("owner", "recipient")),
            (bytes(analyst.identity.id), ("analyst",)),
        ]
    )
    terms = RoomTerms("bench", "bench", tuple(parties), 0, b"", (REGION,), 2, 2)
    made = await owner.call("rooms.create", terms=terms.encode())
    room = bytes(made.result["room"])
    await analyst.call("rooms.join", room=room)
    return room


def _worker(name: str, operator: str, chip: Path) -> Wanted:
    return Wanted(
        name=name,
        program=program_file(NAME),
        chip=chip,
        state=chip,
        region=REGION,
        operator=operator,
        files={},
        parameters={"memory": WORKER_MB},
    )
