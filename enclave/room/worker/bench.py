"""The bench: one process that computes one job behind walls of its own, with rows and without keys.

Owns its life: warm up, check what was loaded, raise the walls, take one job, answer, end. It says
bytes of outputs, or that the job failed, and nothing else to anybody.
"""

import os
import socket
from time import monotonic
from typing import Any, NoReturn

from strongroom.consensus.errors import OperatorFault, StrongroomError
from strongroom.enclave.formats.clean_rooms.contract import MEMORY_MB, Contract, parameters_in
from strongroom.enclave.room.cell.dying import die_with
from strongroom.enclave.room.cell.link import CellLink
from strongroom.enclave.room.cell.starting import StartedCell
from strongroom.enclave.room.door import Door, DoorClosed
from strongroom.enclave.room.worker.answering import answer_rows
from strongroom.enclave.room.worker.arriving import Arriving
from strongroom.enclave.room.worker.link import PART_BYTES, READY_MS_MAX, ToBench, ToWorker
from strongroom.enclave.room.worker.measurement import ANALYTICS, Profile, check_worker
from strongroom.enclave.room.worker.memory import JobMemory
from strongroom.enclave.room.worker.python_stage import JobCell
from strongroom.enclave.room.worker.stages import Bench, Given, JobFailed
from strongroom.enclave.room.worker.warming import warm_up
from strongroom.enclave.sandbox.entering import (
    STANDARD_ERROR,
    enter_sandbox,
    load_what_is_loaded_late,
)

MEBIBYTE = 1 << 20
ENGINE_BYTES = MEMORY_MB[1] * MEBIBYTE
"""What the engine believes it may take, the same everywhere: it chooses its ways by that. What a
job may take, the kernel says."""
TAKEN_MS_MAX = 600_000
"""The worker may be busy with its host; a worker that is gone ends the bench anyway."""


def run_bench(
    end: socket.socket,
    watched: socket.socket,
    cell: StartedCell,
    *,
    worker: int,
    memory_bytes: int,
    profile: Profile = ANALYTICS,
) -> NoReturn:
    """One bench, from its fork to its end; never returns.

    Args:
        end: its end of the socket.
        watched: of a socket whose other end the worker alone has.
        cell: of reviewed Python, which dies with this process.
        worker: pid of the process that it was forked from.
        memory_bytes: what it may take: beyond it, its job fails.
        profile: what it may load.
    """
    try:
        die_with(watched)
        bench = warm_up(memory_bytes=ENGINE_BYTES, without=profile.without)
        load_what_is_loaded_late()
        check_worker(profile)
        _check_alone()
        memory = JobMemory(memory_bytes)
        door = Door(end)
        door.limit(sending_ms=TAKEN_MS_MAX)
        link = CellLink(cell)
        link.until_ready(until=monotonic() + READY_MS_MAX / 1000)
        enter_sandbox(end.fileno(), watched.fileno(), *link.descriptors, host_pid=worker)
    except StrongroomError as fault:
        os.write(STANDARD_ERROR, f"the bench does not start: {fault}\n".encode())
        os._exit(2)
    except BaseException as bug:
        os.write(STANDARD_ERROR, f"the bench does not start: {type(bug).__name__}\n".encode())
        os._exit(4)
    try:
        door.send(ToWorker.READY)
        _serve(door, bench, link, memory)
    except BaseException:
        os._exit(4)  # whatever it was, its words could be rows
    os._exit(0)


def _check_alone() -> None:
    """Check that this process has one thread: another one would end it at a call of its own that
    the walls do not let through, at any time.

    Raises:
        OperatorFault: a library has begun one.
    """
    if len(os.listdir("/proc/self/task")) != 1:
        raise OperatorFault("a library of the bench has begun a thread")


def _serve(door: Door, bench: Bench, cell: CellLink, memory: JobMemory) -> None:
    """One job.

    Raises:
        DoorClosed: the worker has gone, or says what none says.
    """
    contract, parameters, seed, told = _expected(door, ToBench.JOB, 4)
    begun = monotonic()
    arriving = Arriving(door, [one[-1] for one in told])
    inputs = [
        Given(alias, owner, data, columns, arriving.rows(index), origin)
        for index, (alias, owner, data, columns, origin, _) in enumerate(told)
    ]
    made = None
    agreed = Contract.decode(contract)
    if agreed.serves:
        answer_rows(door, inputs[0].rows, agreed.digits)
        return
    try:
        read = Contract.decode(contract)
        bench.cell = JobCell(cell, begun, read)
        memory.narrow(read.memory_mb * MEBIBYTE)
        made = bench.run(read, parameters_in(parameters), inputs, seed)
    except (JobFailed, StrongroomError, MemoryError, OSError):
        pass
    arriving.end()
    if made is None:
        door.send(ToWorker.FAILED)
        return
    for entry, (output, recipient, data) in enumerate(made):
        for at in range(0, max(len(data), 1), PART_BYTES):
            door.send(ToWorker.OUT, entry, output, recipient, data[at : at + PART_BYTES])
    door.send(ToWorker.DONE)


def _expected(door: Door, kind: ToBench, fields: int) -> tuple[Any, ...]:
    while (frame := door.receive()) is None:
        pass
    if frame[0] != kind or len(frame) != fields + 1:
        raise DoorClosed
    return frame[1:]
