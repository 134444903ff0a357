"""A worker's process: fork the bench, measure, bind the chip to that, raise the walls, then wait
for one job, compute it, report it, and end.

    python -m strongroom.enclave.room.worker --socket FD --chip DIR --host PID --memory MB

Owns how a worker begins; a room's life is enclave/room/__main__.py's. The bench is forked before
the chip's key is read, so that it holds no key of any kind.
"""

import os
import socket
import sys
from functools import partial
from typing import NoReturn

from strongroom.consensus.errors import StrongroomError
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.room.__main__ import DOOR_CLOSED, NOT_STARTED, UNEXPECTED, work
from strongroom.enclave.room.boots import bind_chip
from strongroom.enclave.room.cell.starting import start_cell
from strongroom.enclave.room.door import Door, DoorClosed
from strongroom.enclave.room.worker.beginning import MEBIBYTE, fork_child, read_arguments
from strongroom.enclave.room.worker.life import work_once
from strongroom.enclave.room.worker.link import BenchLink
from strongroom.enclave.room.worker.measurement import (
    ANALYTICS,
    ENVIRONMENT,
    Profile,
    measure_worker,
)
from strongroom.enclave.room.worker.serving import Serving
from strongroom.enclave.sandbox.entering import (
    STANDARD_ERROR,
    enter_sandbox,
    load_what_is_loaded_late,
)

UNDER_WAY_BYTES = 2 * MEBIBYTE
"""Between worker and bench, so that both work at a time; a kernel may allow less."""
INTERPRETER = ("-B", "-X", f"pycache_prefix={sys.pycache_prefix}")
"""Of a cell, as of its worker: no bytecode."""


def fork_bench(
    memory_bytes: int, door: int, profile: Profile = ANALYTICS
) -> tuple[socket.socket, socket.socket]:
    """Start the bench and its cell, which keep nothing of their worker's; the worker's ends of the
    way to the bench, and of the one that kills it when the worker is gone."""
    cell = start_cell(ENVIRONMENT, *INTERPRETER, measured=True)
    worker = os.getpid()

    def run(end: socket.socket, watched: socket.socket) -> NoReturn:
        # Loaded in the bench alone: the worker holds no engine.
        from strongroom.enclave.room.worker.bench import run_bench

        run_bench(end, watched, cell, worker=worker, memory_bytes=memory_bytes, profile=profile)

    ours, held = fork_child(door, run)
    cell.end.close()
    cell.held.close()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNDER_WAY_BYTES)
    return ours, held


def main(profile: Profile = ANALYTICS) -> NoReturn:
    """Run until one job is done, or the host closes the socket; never returns."""
    try:
        arguments = read_arguments(
            "strongroom.enclave.room.worker",
            __doc__,
            "a worker is started by `strongroom room run analytics`",
        )
        bench, held = fork_bench(arguments.memory * MEBIBYTE, arguments.socket, profile)
        load_what_is_loaded_late()
        measurement = measure_worker(profile, from_source=True)
        chip = bind_chip(SimulatedChip.load(arguments.chip), measurement.digest)
        link = BenchLink(bench)
        link.until_ready()
        end = socket.socket(fileno=arguments.socket)
        door = Door(end)
        enter_sandbox(end.fileno(), bench.fileno(), held.fileno(), host_pid=arguments.host)
    except StrongroomError as fault:
        os.write(STANDARD_ERROR, f"the worker does not start: {fault}\n".encode())
        os._exit(NOT_STARTED)
    try:
        status = work(door, chip, profile.name, partial(work_once, link, arguments.memory, Serving))
    except DoorClosed:
        os._exit(DOOR_CLOSED)
    except BaseException:
        os._exit(UNEXPECTED)
    os._exit(status)


if __name__ == "__main__":
    main()
