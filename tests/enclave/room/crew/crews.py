"""Benches of a crew as processes behind their walls, and this process in the place of their rooms
and hosts: what one says to another is carried over, sealed or not as a test wants."""

import os
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from socket import AF_UNIX, SOCK_STREAM, socketpair
from subprocess import Popen
from time import monotonic
from typing import Any

from tests.hang import HANG_SECONDS

from strongroom.consensus import codec
from strongroom.enclave.formats.clean_rooms.contract import Contract, Input, Output, Stage
from strongroom.enclave.room.crew.way import PLACE, ToCrew, ToRoom, Way
from strongroom.enclave.room.worker.measurement import ENVIRONMENT

OWNER = bytes(32)
MEMORY = 1 << 30
PART_BYTES, CREDIT = 1 << 16, 32
START = """
import os, socket, sys
from strongroom.enclave.room.crew.starting import run_bench
end, watched, room, memory = map(int, sys.argv[1:])
run_bench(socket.socket(fileno=end), socket.socket(fileno=watched), room=room, memory_bytes=memory)
"""


def contract(text: str, profile: str, aliases: Sequence[str], **changes: Any) -> Contract:
    """One stage, one table."""
    made: dict[str, Any] = {
        "room": OWNER,
        "name": "crew",
        "purpose": "crew",
        "profile": profile,
        "inputs": tuple(Input(one, OWNER, one, 0, 0) for one in aliases),
        "stages": (Stage("sql", "case", text),),
        "outputs": (Output("case", "table", (OWNER,), 1 << 24, "", 0),),
        "parameters": (),
        "runs": 1,
        "memory_mb": 64,
        "duration_ms": 1_000,
        "digits": 6,
        "executors": 1,
        "agreement": 1,
        "until_ms": 1,
    }
    return Contract(**(made | changes))


class Bench:
    """One process."""

    def __init__(self) -> None:
        ours, theirs = socketpair(AF_UNIX, SOCK_STREAM)
        self._held, watched = socketpair(AF_UNIX, SOCK_STREAM)
        numbers = [theirs.fileno(), watched.fileno(), os.getpid(), MEMORY]
        self.process = Popen(
            [sys.executable, "-I", "-B", "-X", "pycache_prefix=/nowhere", "-c", START]
            + [str(one) for one in numbers],
            pass_fds=(theirs.fileno(), watched.fileno()),
            env=dict(ENVIRONMENT),
        )
        theirs.close()
        watched.close()
        self._ours = ours
        self.way = Way(ours, patience_ms=2)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for one in (self._held, self._ours):
            one.close()


class Crew:
    """Benches that are ready, for one job."""

    def __init__(self, members: int) -> None:
        self.benches = [Bench() for _ in range(members + 1)]
        self.carried = bytearray()
        self.attempts = 0
        self.said = [0] * (members + 1)
        self._credit = CREDIT
        self._over: int | None = None
        self._made: list[bytearray] = []
        self._gone: set[int] = set()
        self._until = monotonic() + HANG_SECONDS
        for one in self.benches:
            assert self._frame(one)[0] == ToRoom.READY

    def run(
        self,
        made: Contract,
        inputs: Sequence[tuple[str, bytes, Sequence[bytes]]],
        *,
        seed: bytes = bytes(32),
        kill: int = 0,
        after: int = 1,
    ) -> list[bytes] | None:
        """Outputs; None: the job failed.

        Args:
            made: the contract.
            inputs: (alias, columns, streams of its segments).
            seed: the job's chance.
            kill: a member that is killed when it has said something.
            after: so many times.
        """
        self._begin(made, inputs, seed)
        self._rows, self._inputs = self._parts(inputs), inputs
        while self._over is None:
            assert monotonic() < self._until, "the crew hangs"
            for number, one in enumerate(self.benches):
                if number not in self._gone and self._over is None:
                    for frame in self._frames(one):
                        self._take(number, *frame)
            if kill and kill not in self._gone and self.said[kill] >= after:
                self.lose(kill)
            while self._credit and (part := next(self._rows, None)) is not None:
                self._credit -= part[0] == ToCrew.PART
                self.benches[0].way.put(part[0], self.attempts, part[1])
        return [bytes(one) for one in self._made] if self._over == ToRoom.DONE else None

    def _begin(self, made: Contract, inputs: Any, seed: bytes) -> None:
        others = range(1, len(self.benches))
        self.benches[0].way.put(ToCrew.MEMBER, 0, bytes(others))
        for number in others:
            self.benches[number].way.put(ToCrew.MEMBER, number)
        told = tuple((alias, OWNER, alias, columns) for alias, columns, _ in inputs)
        job = codec.encode((made.encode(), codec.encode(()), seed, told))
        self.benches[0].way.put(ToCrew.JOB, 0, job)

    def _take(self, number: int, kind: int, member: int, data: bytes) -> None:
        match kind:
            case ToRoom.CARRY:
                self.said[number] += 1
                self._carry(number, member, data)
            case ToRoom.TAKEN:
                self._credit += 1
            case ToRoom.AGAIN:
                self.attempts, self._credit = member, CREDIT
                self._rows = self._parts(self._inputs)
            case ToRoom.OUT:
                size = struct.unpack(">H", data[:2])[0]
                if codec.decode(data[4 : 4 + size])[0] == len(self._made):
                    self._made.append(bytearray())
                self._made[-1].extend(data[4 + size :])
            case _:
                self._over = kind

    def lose(self, member: int) -> None:
        self.benches[member].end()
        self._gone.add(member)
        for number, one in enumerate(self.benches):
            if number not in self._gone:
                one.way.put(ToCrew.GONE, member)

    def end(self) -> None:
        for one in self.benches:
            one.end()

    def _parts(self, inputs: Sequence[tuple[str, bytes, Sequence[bytes]]]) -> Iterator[Any]:
        for index, (_, _, segments) in enumerate(inputs):
            for segment, stream in enumerate(segments):
                for at in range(0, len(stream), PART_BYTES):
                    head = PLACE.pack(index, segment)
                    yield ToCrew.PART, head + stream[at : at + PART_BYTES]
        yield ToCrew.RUN, b""

    def _carry(self, sender: int, member: int, data: bytes) -> None:
        self.carried += data
        if member not in self._gone:
            self.benches[member].way.put(ToCrew.CARRIED, sender, data)

    def _frames(self, one: Bench) -> Iterator[tuple[int, int, bytes]]:
        one.way.flush()
        frame = one.way.receive(wait=one is self.benches[0])
        while frame is not None:
            yield frame
            if self._over is not None:
                return  # the foreman ends after its last word, and there is no next one
            frame = one.way.receive(wait=False)

    def _frame(self, one: Bench) -> tuple[int, int, bytes]:
        while (frame := one.way.receive()) is None:
            assert monotonic() < self._until, "a bench does not start"
        return frame


@contextmanager
def crew(members: int) -> Iterator[Crew]:
    """A crew that ends with the test."""
    made = Crew(members)
    try:
        yield made
    finally:
        made.end()
