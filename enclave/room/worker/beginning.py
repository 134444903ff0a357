"""How a process with a bench begins, a worker or a crew's room: what its host says, what it was
started with, and the fork of a bench that keeps nothing of it.

Owns what both do alike. What a bench is, its own module says.
"""

import argparse
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.formats.clean_rooms.contract import MEMORY_MB
from strongroom.enclave.room.worker.measurement import ENVIRONMENT

MEBIBYTE = 1 << 20


def read_arguments(module: str, about: str | None, started_by: str) -> argparse.Namespace:
    """What the host says, once this process is seen to have been started as it was measured:
    libraries read the environment before any code of ours runs.

    Args:
        module: that runs.
        about: what it is.
        started_by: the command that starts it, with who it is.

    Raises:
        OperatorFault: it is another environment than the measured one, or no memory for a job.
    """
    parser = argparse.ArgumentParser(prog=module, description=about)
    parser.add_argument(
        "--socket", type=int, required=True, help="descriptor of a connected socket"
    )
    parser.add_argument("--chip", type=Path, required=True, help="folder of the simulated chip")
    parser.add_argument("--host", type=int, required=True, help="pid of the host")
    parser.add_argument("--memory", type=int, required=True, help="MiB that a job may take")
    arguments = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        raise OperatorFault(started_by)
    if not MEMORY_MB[0] <= arguments.memory <= MEMORY_MB[1]:
        raise OperatorFault(f"memory: {MEMORY_MB[0]} to {MEMORY_MB[1]} MiB")
    return arguments


def fork_child(
    door: int, run: Callable[[socket.socket, socket.socket], NoReturn]
) -> tuple[socket.socket, socket.socket]:
    """Fork a process that keeps nothing of this one, its door neither.

    Args:
        door: descriptor of the way to the host.
        run: the child's whole life, with its end of the way here, and of a socket whose other end
            this process alone has.

    Returns:
        This process's ends of both.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    held, watched = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.fork():
        theirs.close()
        watched.close()
        return ours, held
    ours.close()
    held.close()
    os.close(door)
    run(theirs, watched)
