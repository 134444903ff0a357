"""How a crew's bench begins: forked from its room before there is any key, warmed up, checked, and
shut in.

Owns that order in the bench's process.
"""

import os
import socket
from typing import NoReturn

from strongroom.consensus.errors import OperatorFault, StrongroomError
from strongroom.enclave.room.crew.way import Way
from strongroom.enclave.room.worker.beginning import fork_child
from strongroom.enclave.sandbox.entering import (
    STANDARD_ERROR,
    enter_sandbox,
    load_what_is_loaded_late,
)

ENGINE_SHARE = 1, 2
"""Of the process's memory, what its engine believes it may take: parts lie beside it."""
PATIENCE_MS = 10
"""How late a bench sees to its timers."""


def fork_bench(memory_bytes: int, door: int) -> tuple[socket.socket, socket.socket]:
    """Start the bench, which keeps nothing of its room's; the room's ends of the way to it, and of
    the one that kills it when the room is gone."""
    room = os.getpid()

    def run(end: socket.socket, watched: socket.socket) -> NoReturn:
        run_bench(end, watched, room=room, memory_bytes=memory_bytes)

    return fork_child(door, run)


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
