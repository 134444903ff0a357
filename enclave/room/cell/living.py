"""A cell's life: warm up, wait for a job's limits, raise the walls, run what its bench says, until
it is killed.

Owns that order: no row and no reviewed code is here before the walls stand. It holds no key, no
door to a host, and speaks with its bench alone. What code makes of the rest of this file behind the
walls, the walls and the bench's reader answer for.
"""

import os
import socket
import struct
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from strongroom.consensus import codec
from strongroom.consensus.errors import StrongroomError
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.cell import offered
from strongroom.enclave.room.cell.dying import die_with
from strongroom.enclave.room.cell.frames import CellGone, Frames, ToBench, ToCell
from strongroom.enclave.room.cell.program import PROGRAM, Asked, Task, run_program
from strongroom.enclave.room.cell.walls import raise_cell_walls
from strongroom.enclave.room.cell.words import told
from strongroom.enclave.room.library.shapes import Table
from strongroom.enclave.room.worker import tables
from strongroom.enclave.sandbox.entering import STANDARD_ERROR

FRAME_MAX = 1 << 62
"""Of the bench, which is trusted; memory is bounded."""
LIMITS = struct.Struct("!QI")
"""Bytes, seconds."""


def live(
    end: socket.socket,
    watched: socket.socket,
    *,
    parent: int,
    check: Callable[[], None] = lambda: None,
) -> NoReturn:
    """From its start to its end; never returns.

    Args:
        end: of the socket to the bench.
        watched: of a socket whose other end the bench alone has.
        parent: pid of the process that started it.
        check: that nothing but what is measured was loaded; raises OperatorFault.
    """
    try:
        die_with(watched)
        offered.warm_up()
        _warm_tables()
        check()
        frames = Frames(end)
        frames.send(ToBench.READY)
        kind, data = frames.receive(LIMITS.size)
        if kind != ToCell.LIMIT:
            os._exit(4)
        memory, seconds = LIMITS.unpack(data)
        raise_cell_walls(end, watched, parent=parent, memory_bytes=memory, seconds=seconds)
    except CellGone:  # its bench has ended, and there was nothing for it to do
        os._exit(0)
    except StrongroomError as fault:
        os.write(STANDARD_ERROR, f"the cell does not start: {fault}\n".encode())
        os._exit(2)
    except BaseException as bug:
        os.write(STANDARD_ERROR, f"the cell does not start: {type(bug).__name__}\n".encode())
        os._exit(4)
    try:
        frames.send(ToBench.WALLED)
        while True:
            _serve(frames)
    except BaseException:
        os._exit(4)
    os._exit(0)


def _serve(frames: Frames) -> None:
    """One stage: its tables, then its task."""
    streams: dict[str, Any] = {}
    read: dict[str, Table] = {}
    while (frame := frames.receive(FRAME_MAX))[0] == ToCell.TABLE:
        view = memoryview(frame[1])
        streams[str(view[1 : 1 + view[0]], "utf-8")] = view[1 + view[0] :]
    task, words = task_in(bytes(frame[1]))

    def table(name: str) -> Table:
        if name not in read:
            read[name] = tables.read(Stream.of(streams.pop(name)))
        return read[name]

    try:
        offered.begin_chance(task.seed)
        given = run_program(task, _module(), tuple(streams), table)
        for kind, parts in given.values():
            frames.send(kind, *parts)
        frames.send(ToBench.DONE)
    except BaseException as error:
        frames.send(ToBench.FAILED, told(error, task.source) if words else b"")


def task_in(data: bytes) -> tuple[Task, bool]:
    """A task, and whether its author is told what went wrong."""
    source, parameters, seed, digits, asked, words = codec.decode(data)
    wanted = {name: Asked(kind, columns, most) for name, kind, columns, most in asked}
    return Task(source, dict(parameters), seed, digits, wanted), words


def task_out(task: Task, *, words: bool) -> bytes:
    """The same, as bytes."""
    asked = tuple((name, one.kind, one.columns, one.bytes_max) for name, one in task.asked.items())
    parameters = tuple(task.parameters.items())
    return codec.encode((task.source, parameters, task.seed, task.digits, asked, words))


def _module() -> ModuleType:
    module = ModuleType(PROGRAM)
    vars(module)["__builtins__"] = dict(offered.offered_builtins())
    sys.modules[PROGRAM] = module  # classes look there for the names of their annotations
    return module


def _warm_tables() -> None:
    """Read and write one table, so that nothing is loaded late."""
    columns: dict[str, list[object]] = {
        "a": ["x", None],
        "b": [1, None],
        "c": [0.5, 1.5],
        "d": [True, False],
    }
    table = Table.of(columns)
    stream = tables.write(table, tables.kinds_of(table), 6)
    tables.read(Stream.of(stream))
