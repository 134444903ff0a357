"""The worker's end of the one socket to its bench: the process, forked before the walls rose, that
computes (ROOMS §4, §5).

Owns what is said over it. The bench holds rows and no key, and ends with the worker, at once; while
it computes, the worker beats for its leases. It may compute while its rows are on their way, and
take them when it needs them: the worker waits for it, and for nobody alone.

    to the bench:   (JOB, contract, parameters, seed, inputs)
                    (PART, input, segment, size) and so many bytes   (RUN,)
    to the worker:  (READY,)  (OUT, entry, output, recipient, bytes)  (DONE,)  (FAILED,)
"""

import socket
from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.room.door import Door, DoorClosed, framed
from strongroom.enclave.room.turns import Turns

PART_BYTES = 1 << 20
LOOK_MS = 1
"""How long the worker waits for its bench at a time: it has a host to listen to."""
LOOK_AGAIN_SECONDS = 0.001
READY_MS_MAX = 120_000
"""Importing, and calling everything once, on a machine that is busy."""


class ToBench(IntEnum):
    """What a worker says."""

    JOB = 1
    PART = 2
    RUN = 3
    ASK = 8


class ToWorker(IntEnum):
    """What a bench says."""

    READY = 1
    OUT = 2
    DONE = 3
    FAILED = 4
    ANSWER = 8


class TooLate(Exception):
    """The job's time is over: nothing is reported, and others are asked."""


class BenchLink:
    """One bench, for one job."""

    def __init__(self, end: socket.socket) -> None:
        self._door = Door(end)
        self._waiting: deque[memoryview] = deque()
        """Said, and not taken yet."""

    def until_ready(self) -> None:
        """Wait until it may be given a job, before the worker's own walls rise.

        Raises:
            OperatorFault: it did not start; why, it has said on standard error.
        """
        self._door.limit(receiving_ms=READY_MS_MAX)
        try:
            frame = self._door.receive()
        except DoorClosed:
            frame = None
        if frame != (ToWorker.READY,):
            raise OperatorFault("the worker's bench did not start: see the line before")
        self._door.limit(receiving_ms=LOOK_MS)

    async def begin(
        self,
        turns: Turns,
        until: float,
        job: tuple[bytes, bytes, bytes],
        inputs: Sequence[tuple[str, bytes, str, bytes, bytes, tuple[int, ...]]],
    ) -> None:
        """A job; its inputs follow in order.

        Args:
            turns: of the worker.
            until: when its time is over.
            job: its contract, the parameters as it was run with, its chance.
            inputs: (alias, owner, data, columns, origin, chunks of each segment) of each.

        Raises:
            DoorClosed: the bench has ended.
            TooLate: it takes nothing in time.
        """
        await self._say(turns, until, framed(ToBench.JOB, *job, tuple(inputs)))

    def part(self, place: tuple[int, int], data: bytes) -> None:
        """The next bytes of (input, segment). What the bench does not take now waits here, and
        nobody for it: a host that is asked for chunks must not see where a computation is slow.

        Raises:
            DoorClosed: the bench has ended.
        """
        self._waiting += map(memoryview, (framed(ToBench.PART, *place, len(data)), data))
        self._taken()

    async def _say(self, turns: Turns, until: float, data: bytes) -> None:
        self._waiting.append(memoryview(data))
        while not self._taken():
            await turns.pause(LOOK_AGAIN_SECONDS)
            if turns.now() > until:
                raise TooLate

    def _taken(self) -> bool:
        """Hand over what is taken without waiting; was it all?"""
        waiting = self._waiting
        while waiting:
            left = waiting[0][self._door.send_now(waiting[0]) :]
            if not left:
                waiting.popleft()
                continue
            if len(left) == len(waiting[0]):
                return False
            waiting[0] = left
        return True

    async def outputs(self, turns: Turns, until: float) -> list[tuple[str, bytes, bytes]] | None:
        """Have it compute: (output, recipient, bytes) of each; None: the job failed.

        A bench that ends (out of memory, or stopped by its walls) is a program that failed.

        Raises:
            TooLate: it is not done in time.
        """
        made: list[tuple[str, bytes, bytearray]] = []
        try:
            await self._say(turns, until, framed(ToBench.RUN))
            while True:
                frame = self._door.receive()
                if turns.now() > until:
                    raise TooLate
                if frame is None:
                    await turns.pause(LOOK_AGAIN_SECONDS)
                elif frame[0] == ToWorker.OUT:
                    _add(made, *frame[1:])
                else:
                    done = frame == (ToWorker.DONE,)
                    return (
                        [(name, whose, bytes(data)) for name, whose, data in made] if done else None
                    )
        except DoorClosed:
            return None


def _add(made: list[tuple[str, bytes, bytearray]], entry: Any, *told: Any) -> None:
    match entry, told:
        case int(), [str(output), bytes(recipient), bytes(data)] if entry == len(made):
            made.append((output, recipient, bytearray(data)))
        case int(), [str(output), bytes(recipient), bytes(data)] if entry == len(made) - 1:
            made[-1][2].extend(data)
        case _:
            raise DoorClosed
