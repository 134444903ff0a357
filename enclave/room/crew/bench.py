"""The bench of a crew's room: one process with rows and without keys, which is a member or has the
members compute (ROOMS §8).

Owns what it does with frames of its room, and the one loop that runs scheduler, worker and tasks in
one thread. Which of the two it is, its room says once; both are made before the walls rise. Beside
bytes of outputs it says that the job failed, and nothing else to anybody.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import StrongroomError
from strongroom.enclave.formats.clean_rooms.contract import Contract, parameters_in
from strongroom.enclave.room.crew import comm, loop, tasks
from strongroom.enclave.room.crew.engine import CrewEngine, Spread
from strongroom.enclave.room.crew.foreman import FOREMAN, Foreman, MemberLost, make_scheduler
from strongroom.enclave.room.crew.parts import Cutter, NoStream
from strongroom.enclave.room.crew.quiet import Scheduler, Worker, make_quiet, make_worker
from strongroom.enclave.room.crew.stages import CrewStages, Rows
from strongroom.enclave.room.crew.switch import ChannelClosed, Switch
from strongroom.enclave.room.crew.warming import warm_up
from strongroom.enclave.room.crew.way import PLACE, ToCrew, ToRoom, Way
from strongroom.enclave.room.door import DoorClosed
from strongroom.enclave.room.worker.stages import JobFailed

OUT_BYTES = 1 << 20


class CrewBench:
    """One bench, made before its walls rise."""

    def __init__(self, way: Way, memory_bytes: int) -> None:
        make_quiet()
        tasks.equip(memory_bytes)
        self._way = way
        self._loop = loop.DoorLoop(self._look)
        self._switch = Switch(-1, self._carry)
        comm.install(self._switch)
        self._said: asyncio.Queue[tuple[int, int, bytes]] = asyncio.Queue()
        self._attempt = 0
        scheduler, self._worker = self.wait(_made())
        self._foreman = Foreman(scheduler)
        parser = warm_up(memory_bytes=memory_bytes)
        engine = CrewEngine(self._foreman, self.wait, parser, memory_bytes=memory_bytes)
        self._stages = CrewStages(parser, engine, self._foreman, self.wait, memory_bytes)

    def serve(self) -> None:
        """Be what the room says, until it is over.

        Raises:
            DoorClosed: the room is gone, or says what none says.
        """
        self._way.send(ToRoom.READY)
        kind, own, told = self._expected()
        if kind != ToCrew.MEMBER:
            raise DoorClosed
        self._switch.own = own
        if own != FOREMAN:
            self.wait(self._work())
            return
        self._foreman.members = list(told)
        self._lead()

    def wait(self, work: Awaitable[Any]) -> Any:
        """Run something to its end."""
        return loop.run(self._loop, work)

    async def _work(self) -> None:
        await self._worker
        await self._worker.finished()

    def _lead(self) -> None:
        contract, parameters, seed, inputs = self._job()
        foreman = self._foreman
        try:
            self.wait(foreman.start())
            while True:
                try:
                    rows = [
                        Rows(*told, spread)  # type: ignore[call-arg]
                        for told, spread in zip(inputs, self._spread(len(inputs)), strict=True)
                    ]
                    made = self._stages.run(contract, parameters, rows, seed)
                    break
                except MemberLost:
                    foreman.forgive()
                    self._attempt += 1
                    self._way.send(ToRoom.AGAIN, self._attempt)
        except (JobFailed, MemberLost, NoStream, StrongroomError, MemoryError):
            self._way.send(ToRoom.FAILED)
            return
        for entry, (output, recipient, data) in enumerate(made):
            head = codec.encode((entry, output, recipient))
            for at in range(0, max(len(data), 1), OUT_BYTES):
                part = PLACE.pack(len(head), 0) + head + data[at : at + OUT_BYTES]
                self._way.send(ToRoom.OUT, 0, part)
        self._way.send(ToRoom.DONE)

    def _job(self) -> tuple[Contract, Any, bytes, tuple[Any, ...]]:
        kind, _, told = self._expected()
        if kind != ToCrew.JOB:
            raise DoorClosed
        contract, parameters, seed, inputs = codec.fields(
            codec.decode(told), bytes, bytes, bytes, tuple, name="job"
        )
        return Contract.decode(contract), parameters_in(parameters), seed, inputs

    def _spread(self, inputs: int) -> list[Spread]:
        """Rows as they come, given on to members part by part."""
        spread: list[list[Any]] = [[] for _ in range(inputs)]
        cutters: dict[tuple[int, int], Cutter] = {}
        while (frame := self._expected())[0] in (ToCrew.PART, ToCrew.RUN):
            if frame[1] != self._attempt:
                continue  # of an attempt that a member did not outlive
            if frame[0] == ToCrew.RUN:
                self._finish(cutters, spread)
                return [Spread(tuple(parts)) for parts in spread]
            place = PLACE.unpack_from(frame[2])
            if place not in cutters:
                self._finish(cutters, spread)
                cutters[place] = Cutter()
            for part in cutters[place].feed(frame[2][PLACE.size :]):
                spread[place[0]].append(self._give(part))
            self._way.send(ToRoom.TAKEN)
        raise DoorClosed

    def _finish(self, cutters: dict[tuple[int, int], Cutter], spread: list[list[Any]]) -> None:
        for (index, _), cutter in cutters.items():
            spread[index] += [self._give(part) for part in cutter.finish()]
        cutters.clear()

    def _give(self, part: bytes) -> Any:
        return self.wait(self._foreman.spread(part))

    def _expected(self) -> tuple[int, int, bytes]:
        """The next frame that is for nobody's channel."""
        return self.wait(self._said.get())  # type: ignore[no-any-return]

    def _carry(self, member: int, data: bytes) -> None:
        self._way.send(ToRoom.CARRY, member, data)

    def _look(self, wait: bool) -> None:
        frame = self._way.receive(wait=wait)
        while frame is not None:
            self._take(*frame)
            frame = self._way.receive(wait=False)

    def _take(self, kind: int, member: int, data: bytes) -> None:
        if kind == ToCrew.CARRIED:
            try:
                self._switch.take(member, data)
            except ChannelClosed:
                raise DoorClosed from None
        elif kind == ToCrew.GONE:
            self._switch.gone(member)
            self._foreman.gone(member)
        else:
            self._said.put_nowait((kind, member, data))


async def _made() -> tuple[Scheduler, Worker]:
    return make_scheduler(), make_worker()
