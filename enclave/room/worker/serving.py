"""A worker that serves: it opens the model once and answers rows, as long as its lease lives and
the job lasts (ROOMS §2; T65, T66).

Owns the loop: its host says that there is a new block, the ledger says which rows wait, the bench
tells of each. A host that wakes it late, or for nothing, only costs time. A lease that ends, a
withdrawal, a contract that is gone: the worker ends, and with it the model.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import Height
from strongroom.enclave.room.door import DoorClosed, framed
from strongroom.enclave.room.host import HostFailed
from strongroom.enclave.room.leases import ENDED, LeaseEnded
from strongroom.enclave.room.ledger import Executed, Refused
from strongroom.enclave.room.sdk import Room
from strongroom.enclave.room.turns import Turns, Waiting
from strongroom.enclave.room.worker.life import CALL_SECONDS, ROOMS, Job
from strongroom.enclave.room.worker.link import (
    LOOK_AGAIN_SECONDS,
    BenchLink,
    ToBench,
    TooLate,
    ToWorker,
)

NEXT_HEIGHT = "next_height"
WAKE_SECONDS = 15.0
"""Without a word of the host's, the ledger is asked all the same."""
AGAIN_SECONDS = 0.2
"""After a host that has no answer."""
BENCH_SECONDS = 5.0
"""Of one answer, which takes milliseconds."""
OVER = "ended"
"""Code of a serving whose time is over."""


class AnsweringLink(BenchLink):
    """The way to a bench that answers rows instead of making outputs."""

    def __init__(self, link: BenchLink, serve: Callable[[], Awaitable[None]]) -> None:
        self._door, self._waiting = link._door, link._waiting
        self._serve = serve

    async def outputs(self, turns: Turns, until: float) -> None:
        """Serve until the time is over; there is no output."""
        await self._say(turns, until, framed(ToBench.RUN))
        await self._serve()

    async def answer(self, turns: Turns, row: bytes) -> str:
        """What the bench says of a row.

        Raises:
            DoorClosed: it has ended, or has no model.
            TooLate: it says nothing.
        """
        until = turns.now() + BENCH_SECONDS
        await self._say(turns, until, framed(ToBench.ASK, row))
        while (frame := self._door.receive()) is None:
            if turns.now() > until:
                raise TooLate
            await turns.pause(LOOK_AGAIN_SECONDS)
        match frame:
            case (ToWorker.ANSWER, str(answer)):
                return answer
        raise DoorClosed


class Serving(Job):
    """A job that was taken, whose contract serves."""

    def __init__(self, room: Room, link: BenchLink, taken: Executed, sent: float) -> None:
        """As a job's."""
        self._answers = AnsweringLink(link, self._serve)
        super().__init__(room, self._answers, taken, sent)
        self._until = self._report_until

    async def run(self) -> None:
        """Answer until the job's time is over.

        Raises:
            LeaseEnded, Refused: as `work_once`.
            TooLate: the model did not come in time.
        """
        await self._computed()
        room = self._room
        with suppress(ClientFault):  # a serving ends by itself, too
            until = room.turns.now() + CALL_SECONDS
            await room.ledger.call(ROOMS, "finish", self.id, until=until)
        for keeper in self._keepers:
            keeper.finish(LeaseEnded(ENDED, "the serving is over"))
        room.tell("served", job=self.id)

    async def _serve(self) -> None:
        room, seen = self._room, 0
        room.tell("serving", job=self.id)
        while room.turns.now() < self._until:
            try:
                await self._answer_all(await self._asked())
            except Refused as refused:
                if refused.code != OVER:
                    raise
                return
            seen = await self._next_height(seen)

    async def _asked(self) -> list[dict[str, Any]]:
        until = self._room.turns.now() + CALL_SECONDS
        told = await self._room.ledger.query(
            ROOMS, "asked", self.id, at_least=Height(0), until=until
        )
        return list(told)

    async def _answer_all(self, asked: list[dict[str, Any]]) -> None:
        room, said = self._room, []
        for one in asked:
            try:
                said.append((one["number"], await self._answers.answer(room.turns, one["row"])))
            except DoorClosed:
                raise Refused("failed", "the input is no model, or the bench has ended") from None
        if said:
            until = room.turns.now() + CALL_SECONDS
            await room.ledger.call(ROOMS, "answer", self.id, tuple(said), until=until)

    async def _next_height(self, seen: int) -> int:
        """Wait until the host says that there is a block after `seen`; which is the newest."""
        turns = self._room.turns
        try:
            waiting: Waiting[Any] = self._room.host.begin(NEXT_HEIGHT, after=seen)
            turns.expire(waiting, min(turns.now() + WAKE_SECONDS, self._until))
            told = await waiting
        except HostFailed:
            await turns.pause(AGAIN_SECONDS)
            return seen
        return told if type(told) is int else seen
