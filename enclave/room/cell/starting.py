"""How a cell's process comes to be: a new program in a new process, which has no byte of the one
that starts it.

Owns its command line and environment. It is not forked alone: a fork would hold whatever its parent
held, and texts would be hashed by chance.
"""

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from strongroom.enclave.room.cell.measurement import CELL_ENVIRONMENT

FIRST_DESCRIPTOR = 3
DESCRIPTORS = 65536


@dataclass(frozen=True, slots=True)
class StartedCell:
    """The ends of a cell's sockets, for its bench."""

    pid: int
    end: socket.socket
    held: socket.socket
    """The cell is killed when it is closed."""


def start_cell(environment: Mapping[str, str], *options: str, measured: bool) -> StartedCell:
    """Start one.

    Args:
        environment: of the libraries that it uses.
        options: of its interpreter.
        measured: it checks that nothing else was loaded, as a worker must.
    """
    end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    held, watched = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    words = [sys.executable, "-P", "-s", *options, "-m", "strongroom.enclave.room.cell"]
    words += ["--socket", str(theirs.fileno()), "--watched", str(watched.fileno())]
    words += ["--parent", str(os.getpid()), *(["--measured"] if measured else [])]
    pid = os.fork()
    if not pid:
        try:
            kept = {theirs.fileno(), watched.fileno()}
            for descriptor in kept:
                os.set_inheritable(descriptor, True)
            start = FIRST_DESCRIPTOR
            for descriptor in sorted(kept):
                os.closerange(start, descriptor)
                start = descriptor + 1
            os.closerange(start, DESCRIPTORS)
            os.execve(sys.executable, words, {**environment, **CELL_ENVIRONMENT})  # noqa: S606
        finally:
            os._exit(2)
    theirs.close()
    watched.close()
    return StartedCell(pid, end, held)
