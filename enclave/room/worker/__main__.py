"""A worker's process: fork the bench, measure, bind the chip to that, raise the walls, then wait
for one job, compute it, report it, and end.

    python -m strongroom.enclave.room.worker --socket FD --chip DIR --host PID --memory MB

Owns how a worker begins; a room's life is enclave/room/__main__.py's. The bench is forked before
the chip's key is read, so that it holds no key of any kind.
"""

import argparse
import os
import socket
from functools import partial
from pathlib import Path
from typing import NoReturn

from strongroom.consensus.errors import OperatorFault, StrongroomError
from strongroom.enclave.formats.clean_rooms.contract import MEMORY_MB
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.room.__main__ import DOOR_CLOSED, NOT_STARTED, UNEXPECTED, work
from strongroom.enclave.room.boots import bind_chip
from strongroom.enclave.room.door import Door, DoorClosed
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

MEBIBYTE = 1 << 20


def fork_bench(
    memory_bytes: int, door: int, profile: Profile = ANALYTICS
) -> tuple[socket.socket, socket.socket]:
    """Start the bench, which keeps nothing of its worker's; the worker's ends of the way to it, and
    of the one that kills it when the worker is gone."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    held, watched = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    worker = os.getpid()
    if os.fork():
        theirs.close()
        watched.close()
        return ours, held
    ours.close()
    held.close()
    os.close(door)
    # Loaded in the bench alone: the worker holds no engine.
    from strongroom.enclave.room.worker.bench import run_bench

    run_bench(theirs, watched, worker=worker, memory_bytes=memory_bytes, profile=profile)


def check_environment() -> None:
    """Check with what this process was started: libraries read it before any code of ours runs.

    Raises:
        OperatorFault: it is another environment than the measured one.
    """
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        raise OperatorFault("a worker is started by `strongroom room run analytics`")


def main(profile: Profile = ANALYTICS) -> NoReturn:
    """Run until one job is done, or the host closes the socket; never returns."""
    parser = argparse.ArgumentParser(prog="strongroom.enclave.room.worker", description=__doc__)
    parser.add_argument(
        "--socket", type=int, required=True, help="descriptor of a connected socket"
    )
    parser.add_argument("--chip", type=Path, required=True, help="folder of the simulated chip")
    parser.add_argument("--host", type=int, required=True, help="pid of the host")
    parser.add_argument("--memory", type=int, required=True, help="MiB that a job may take")
    arguments = parser.parse_args()
    try:
        check_environment()
        if not MEMORY_MB[0] <= arguments.memory <= MEMORY_MB[1]:
            raise OperatorFault(f"memory: {MEMORY_MB[0]} to {MEMORY_MB[1]} MiB")
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
