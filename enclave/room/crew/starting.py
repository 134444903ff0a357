"""How a crew's bench begins: forked from its room before there is any key, warmed up, checked, and
shut in.

Owns that order in the bench's process, and the environment that both are started with.
"""

import os
import socket
from typing import NoReturn

from strongroom.consensus.errors import OperatorFault, StrongroomError
from strongroom.enclave.room.crew.way import Way
from strongroom.enclave.room.worker.measurement import ENVIRONMENT
from strongroom.enclave.sandbox.entering import (
    STANDARD_ERROR,
    enter_sandbox,
    load_what_is_loaded_late,
)

ENGINE_SHARE = 1, 2
"""Of the process's memory, what its engine believes it may take: parts lie beside it."""
PATIENCE_MS = 10
"""How late a bench sees to its timers."""


def check_environment() -> None:
    """Check with what this process was started: libraries read it before any code of ours runs.

    Raises:
        OperatorFault: it is another environment than the measured one.
    """
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        raise OperatorFault("a crew's room is started by `strongroom room run analytics-crew`")


def fork_bench(memory_bytes: int, door: int) -> tuple[socket.socket, socket.socket]:
    """Start the bench, which keeps nothing of its room's; the room's ends of the way to it, and of
    the one that kills it when the room is gone."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    held, watched = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    room = os.getpid()
    if os.fork():
        theirs.close()
        watched.close()
        return ours, held
    ours.close()
    held.close()
    os.close(door)
    run_bench(theirs, watched, room=room, memory_bytes=memory_bytes)


def run_bench(
    end: socket.socket, watched: socket.socket, *, room: int, memory_bytes: int
) -> NoReturn:
    """One bench, from its fork to its end; never returns.

    Args:
        end: its end of the socket.
        watched: of a socket whose other end the room alone has.
        room: pid of the process that it was forked from.
        memory_bytes: what it may take: beyond it, its job fails.
    """
    try:
        # Loaded in the bench alone: the room holds no engine and no scheduler.
        from strongroom.enclave.room.analytics.settings import limit_memory
        from strongroom.enclave.room.cell.dying import die_with
        from strongroom.enclave.room.crew.bench import CrewBench
        from strongroom.enclave.room.crew.measurement import check_crew

        die_with(watched)
        limit_memory(memory_bytes)
        way = Way(end, patience_ms=PATIENCE_MS)
        bench = CrewBench(way, memory_bytes * ENGINE_SHARE[0] // ENGINE_SHARE[1])
        load_what_is_loaded_late()
        check_crew()
        if len(os.listdir("/proc/self/task")) != 1:  # Landlock holds for one thread
            raise OperatorFault("a library began a thread")
        enter_sandbox(end.fileno(), watched.fileno(), host_pid=room)
    except StrongroomError as fault:
        os.write(STANDARD_ERROR, f"the bench does not start: {fault}\n".encode())
        os._exit(2)
    except BaseException as bug:
        os.write(STANDARD_ERROR, f"the bench does not start: {type(bug).__name__}\n".encode())
        os._exit(4)
    try:
        bench.serve()
    except BaseException:
        os._exit(4)  # whatever it was, its words could be rows
    os._exit(0)
