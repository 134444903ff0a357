"""Workers of a scenario: `strongroom room run analytics`, of several operators, kept waiting.

Owns these processes, the operators' machines, and that a worker which is not needed any more is
ended instead of started anew. Which worker a job goes to, the ledger says.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.node.client.identities import KeyFolder
from strongroom.node.demo.room_processes import Event, RunningRoom
from strongroom.node.layout import ClusterLayout
from strongroom.node.rooms.starting import make_chip
from strongroom.node.terminal.teller import StoryFails

READY_SECONDS_MAX = 120.0
"""A worker starts in 4 to 8 s; a machine may be busy."""
LOG = "log"
REPLACED_MAX = 4
"""Of one operator: a worker that ends without a job has a reason that a new one meets again."""
REGION, MEMORY_MB = "zurich", 1024


@dataclass(slots=True)
class Worker:
    """One `room run analytics` of an operator's."""

    name: str
    operator: str
    folder: Path
    """The operator's machine: chip, sealed state, what a client of the service has."""
    room: RunningRoom

    def count(self, what: str) -> int:
        """How often it told of something."""
        return len(self.room.of(what))

    @property
    def waits(self) -> bool:
        """Is it there, without a job?"""
        return not self.ended and self.count("waiting") > self.count("taken")

    @property
    def last_word(self) -> str:
        """What it said last."""
        complaints = (self.folder / LOG).read_text(errors="replace").strip()
        return f"{self.room.events[-1:]} {complaints[-300:]}"

    def write_said(self) -> None:
        """Keep all that it told its host on the host's disk."""
        (self.folder / "said.json").write_text(json.dumps(self.room.events))

    @property
    def ended(self) -> bool:
        """Is its host's process gone?"""
        return self.room.process.returncode is not None

    async def until(self, what: str, count: int) -> None:
        """Until it has told of something so many times.

        Raises:
            StoryFails: it does not.
        """
        told = self.room.of

        def holds(_: Event) -> bool:
            return len(told(what)) >= count

        await self.room.until(holds, f"{self.name}: {what}", READY_SECONDS_MAX)


@dataclass(slots=True)
class Pool:
    """All workers, and those that are being started."""

    service: ClusterLayout
    folder: Path
    workers: list[Worker] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from a run until its executors have taken it."""
    once: bool = False
    """End each worker when it has reported, instead of letting it start anew: for a story that
    knows how many jobs it has."""
    _starting: list["asyncio.Task[Worker]"] = field(default_factory=list)
    _replaced: dict[str, int] = field(default_factory=dict)

    def start(self, operators: Sequence[str]) -> None:
        """Begin to start a worker for each name, side by side; an operator may be named more than
        once."""
        for operator in operators:
            number = len(self._starting) + 1
            task = asyncio.create_task(self._start(operator, number))
            self._starting.append(task)

    async def ready(self, jobs: int = 1) -> None:
        """Wait until every operator has so many workers that wait for a job.

        Raises:
            StoryFails: one does not come.
        """
        await self._started()
        operators = sorted({one.operator for one in self.workers})
        await asyncio.gather(*(self._some_wait(operator, jobs) for operator in operators))

    async def taken(self, before: Sequence[int], executors: int = 2) -> None:
        """Wait until so many more workers have taken a job than had before (`counts`): from then
        on another job is not given to them.

        Raises:
            StoryFails: they do not.
        """
        async with asyncio.timeout(READY_SECONDS_MAX):
            while sum(self.counts()) < sum(before) + executors:
                await asyncio.sleep(0.05)

    def counts(self) -> list[int]:
        """How many jobs each worker has taken."""
        return [one.count("taken") for one in self.workers]

    async def retire(self) -> None:
        """End every worker that has done a job and is not in another one: instead of starting anew
        it leaves the machine to the rest."""
        done = [one for one in self.workers if one.count("reported") >= one.count("taken") > 0]
        await asyncio.gather(*(one.room.stop() for one in done))

    async def stop(self) -> None:
        """End all of them, whatever they do."""
        for task in self._starting:
            task.cancel()
        found = await asyncio.gather(*self._starting, return_exceptions=True)
        workers = [one for one in found if isinstance(one, Worker)]
        await asyncio.gather(*(one.room.stop() for one in workers), return_exceptions=True)

    async def _started(self) -> None:
        self.workers = list(await asyncio.gather(*self._starting))

    async def _some_wait(self, operator: str, wanted: int) -> None:
        """Wait for workers of one operator; in place of those that have ended, or are on their last
        job, others are started."""
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                while True:
                    own = [one for one in self.workers if one.operator == operator]
                    if sum(one.waits for one in own) >= wanted:
                        return
                    if sum(not one.ended and not self._is_last(one) for one in own) < wanted:
                        await self._replace(operator, own)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise StoryFails(f"no worker of {operator} waits for a job") from None

    def _is_last(self, worker: Worker) -> bool:
        return self.once and worker.count("taken") > 0

    async def _replace(self, operator: str, own: list[Worker]) -> None:
        self._replaced[operator] = self._replaced.get(operator, 0) + 1
        if self._replaced[operator] > REPLACED_MAX:
            raise StoryFails(f"workers of {operator} end: {[one.last_word for one in own]}")
        self.start([operator])
        await self._started()

    async def _start(self, operator: str, number: int) -> Worker:
        name = f"{operator}-w{number}"
        folder = self.folder / name
        chip = folder / "chip"
        await asyncio.to_thread(make_chip, self.service.platform, chip)
        client = client_folder(self.service, folder / "client", (operator,))
        room = await RunningRoom.start(
            "analytics",
            *("--name", name, "--chip", str(chip), "--region", REGION),
            *("--as", operator, "--service", str(client.service)),
            *("--set", f"memory={MEMORY_MB}", "--jobs", str(int(self.once))),
            log=folder / LOG,
        )
        return Worker(name, operator, folder, room)


def client_folder(service: ClusterLayout, folder: Path, names: Sequence[str]) -> ClusterLayout:
    """What anybody has who is a client of the service, with their own keys alone."""
    made = ClusterLayout(folder)
    made.keys.mkdir(mode=0o700, parents=True)
    for source, target in (
        (service.service, made.service),
        (service.ca, made.ca),
        (service.credential, made.credential),
        *((service.identity(name), made.identity(name)) for name in names),
    ):
        if source.exists():
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode & 0o777)
    return made


def make_keys(service: ClusterLayout, names: Sequence[str]) -> dict[str, bytes]:
    """An identity for each name; their ids."""
    keys = KeyFolder(service.keys)
    return {name: bytes(keys.new(name).id) for name in names}
