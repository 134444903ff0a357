"""Cells of tests: forked from this process, which has loaded everything, behind the same walls, or,
to show that a test could fail, behind none."""

import os
import select
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from textwrap import dedent
from time import monotonic
from typing import Any

from strongroom.enclave.room.cell import living, offered
from strongroom.enclave.room.cell.frames import Frames
from strongroom.enclave.room.cell.link import CellLink, Gave
from strongroom.enclave.room.cell.program import Asked, Task
from strongroom.enclave.room.cell.starting import StartedCell
from strongroom.enclave.room.library.shapes import Table
from strongroom.enclave.room.worker import tables

MEBIBYTE = 1 << 20
MEMORY = 64 * MEBIBYTE
CPU_SECONDS = 60
PATIENCE = 120.0
"""Of a test that waits for no deadline."""
END_SECONDS = 20.0
"""A killed process is gone at once; one that is not fails a test."""
SEED = bytes(range(32))
CANARY = "CANARY-4711"
ROWS = {"who": ["ann", "bob", None], "share": [0.5, 1.5, None], "count": [1, 2, None]}
OUT = {"out": Asked("bytes", (), 1000)}
TABLE = {"out": Asked("table", (("k", "text"), ("n", "integer"), ("x", "real")), 1 << 20)}


def stream(columns: Mapping[str, Any]) -> bytes:
    table = Table.of(columns)
    return tables.write(table, tables.kinds_of(table), 17)


class Cell:
    """One cell and its bench's end."""

    def __init__(self, started: StartedCell) -> None:
        self.started, self.pid = started, started.pid
        self.link = CellLink(started)
        self._status: int | None = None

    def limit(self, memory: int = MEMORY, seconds: int = CPU_SECONDS) -> "Cell":
        self.link.until_ready(until=monotonic() + PATIENCE)
        self.link.limit(memory, seconds, until=monotonic() + PATIENCE)
        return self

    def run(
        self,
        source: str,
        asked: Mapping[str, Asked] = OUT,
        *,
        streams: Mapping[str, bytes] | None = None,
        parameters: Mapping[str, Any] | None = None,
        seed: bytes = SEED,
        digits: int = 6,
        patience: float = PATIENCE,
        words: bool = False,
    ) -> Gave:
        task = Task(dedent(source), parameters or {}, seed, digits, asked)
        given = {"rows": stream(ROWS)} if streams is None else streams
        return self.link.run(task, given, until=monotonic() + patience, words=words)

    def status(self) -> int:
        """How it ended: an exit status, or a signal's number made negative."""
        if self._status is None:
            ended = self._ends()
            if not ended:
                os.kill(self.pid, signal.SIGKILL)
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            assert ended, "the cell does not end"
        return self._status

    def _ends(self) -> bool:
        descriptor = os.pidfd_open(self.pid)
        try:
            return bool(select.select([descriptor], [], [], END_SECONDS)[0])
        finally:
            os.close(descriptor)

    def end(self) -> None:
        self.link.kill()
        self.started.end.close()
        self.status()


@contextmanager
def cell(*, walls: bool = True, limits: bool = True, memory: int = MEMORY) -> Iterator[Cell]:
    """A cell that takes tasks."""
    offered.warm_up()
    made = Cell(_forked(lambda: None if walls else _without_walls()))
    try:
        yield made.limit(memory) if limits else made
    finally:
        made.end()


@contextmanager
def forger(act: Callable[[Frames, socket.socket], None]) -> Iterator[Cell]:
    """A cell that answers a task by whatever `act` sends."""
    offered.warm_up()

    def before() -> None:
        _without_walls()
        living._serve = serve

    def serve(frames: Frames) -> None:
        act(frames, frames._socket)
        signal.pause()

    made = Cell(_forked(before))
    try:
        yield made.limit()
    finally:
        made.end()


def _forked(before: Callable[[], None]) -> StartedCell:
    end, theirs = socket.socketpair()
    held, watched = socket.socketpair()
    parent, pid = os.getpid(), os.fork()
    if not pid:
        try:
            end.close()
            held.close()
            before()
            living.live(theirs, watched, parent=parent)
        finally:
            os._exit(99)
    theirs.close()
    watched.close()
    return StartedCell(pid, end, held)


def _without_walls() -> None:
    vars(living)["raise_cell_walls"] = lambda *_, **__: None
