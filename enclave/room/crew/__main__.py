"""The process of a crew's room: fork the bench, measure, bind the chip to that, raise the walls,
then one life as foreman or member.

    python -m strongroom.enclave.room.crew --socket FD --chip DIR --host PID --memory MB

Owns how it begins, as worker/__main__.py does for a worker: the bench is forked before the chip's
key is read, and holds no key of any kind.
"""

import os
import socket
from functools import partial
from typing import NoReturn

from strongroom.consensus.errors import OperatorFault, StrongroomError
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.room.__main__ import DOOR_CLOSED, NOT_STARTED, UNEXPECTED, work
from strongroom.enclave.room.boots import bind_chip
from strongroom.enclave.room.crew.carrying import CrewDoor
from strongroom.enclave.room.crew.life import crew_once
from strongroom.enclave.room.crew.measurement import NAME, measure_crew
from strongroom.enclave.room.crew.starting import fork_bench
from strongroom.enclave.room.crew.way import ToRoom, Way
from strongroom.enclave.room.door import DoorClosed
from strongroom.enclave.room.worker.beginning import MEBIBYTE, read_arguments
from strongroom.enclave.sandbox.entering import (
    STANDARD_ERROR,
    enter_sandbox,
    load_what_is_loaded_late,
)

READY_SECONDS = 180.0
BENCH_MS = 2
"""How long the room waits for its bench at a time, while a crew is at work."""


def main() -> NoReturn:
    """Run until one life is over, or the host closes the socket; never returns."""
    try:
        arguments = read_arguments(
            "strongroom.enclave.room.crew",
            __doc__,
            "a crew's room is started by `strongroom room run analytics-crew`",
        )
        bench, held = fork_bench(arguments.memory * MEBIBYTE, arguments.socket)
        load_what_is_loaded_late()
        measurement = measure_crew(from_source=True)
        chip = bind_chip(SimulatedChip.load(arguments.chip), measurement.digest)
        _until_ready(bench)
        way = Way(bench, patience_ms=BENCH_MS)
        end = socket.socket(fileno=arguments.socket)
        door = CrewDoor(end)
        enter_sandbox(end.fileno(), bench.fileno(), held.fileno(), host_pid=arguments.host)
    except StrongroomError as fault:
        os.write(STANDARD_ERROR, f"the room does not start: {fault}\n".encode())
        os._exit(NOT_STARTED)
    try:
        status = work(door, chip, NAME, partial(crew_once, door, way, arguments.memory))
    except DoorClosed:
        os._exit(DOOR_CLOSED)
    except BaseException:
        os._exit(UNEXPECTED)
    os._exit(status)


def _until_ready(bench: socket.socket) -> None:
    """Wait until the bench may be told what it is, before this process's own walls rise.

    Raises:
        OperatorFault: it did not start; why, it has said on standard error.
    """
    way = Way(bench, patience_ms=int(READY_SECONDS * 1000))
    try:
        ready = way.receive()
    except DoorClosed:
        ready = None
    if ready is None or ready[0] != ToRoom.READY:
        raise OperatorFault("the crew's bench did not start: see the line before")


if __name__ == "__main__":
    main()
