"""The bench: one process that computes one job behind walls of its own, with rows and without keys.

Owns its life: warm up, check what was loaded, raise the walls, take one job, answer, end. It says
bytes of outputs, or that the job failed, and nothing else to anybody.
"""

import fcntl
import os
import signal
import socket
from typing import Any, NoReturn

from strongroom.consensus.errors import StrongroomError
from strongroom.enclave.formats.clean_rooms.contract import Contract, parameters_in
from strongroom.enclave.room.analytics.settings import limit_memory
from strongroom.enclave.room.door import Door, DoorClosed
from strongroom.enclave.room.worker.answering import answer_rows
from strongroom.enclave.room.worker.link import PART_BYTES, ToBench, ToWorker
from strongroom.enclave.room.worker.measurement import ANALYTICS, Profile, check_worker
from strongroom.enclave.room.worker.stages import Bench, Given, JobFailed
from strongroom.enclave.room.worker.warming import warm_up
from strongroom.enclave.sandbox.entering import (
    STANDARD_ERROR,
    enter_sandbox,
    load_what_is_loaded_late,
)

ENGINE_SHARE = 3, 4
"""Of the process's memory, what the engine believes it may take."""
TAKEN_MS_MAX = 600_000
"""The worker may be busy with its host; a worker that is gone ends the bench anyway."""


def die_with(watched: socket.socket) -> None:
    """Have the kernel kill this process once the other end is closed, whatever it computes.

    PR_SET_PDEATHSIG does not: a worker behind Landlock may signal nobody outside of its own domain,
    also not by dying.
    """
    fcntl.fcntl(watched, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(watched, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(watched, fcntl.F_SETFL, os.O_ASYNC)


def run_bench(
    end: socket.socket,
    watched: socket.socket,
    *,
    worker: int,
    memory_bytes: int,
    profile: Profile = ANALYTICS,
) -> NoReturn:
    """One bench, from its fork to its end; never returns.

    Args:
        end: its end of the socket.
        watched: of a socket whose other end the worker alone has.
        worker: pid of the process that it was forked from.
        memory_bytes: what it may take: beyond it, its job fails.
        profile: what it may load.
    """
    try:
        die_with(watched)
        limit_memory(memory_bytes)
        engine_bytes = memory_bytes * ENGINE_SHARE[0] // ENGINE_SHARE[1]
        bench = warm_up(memory_bytes=engine_bytes, without=profile.without)
        load_what_is_loaded_late()
        check_worker(profile)
        door = Door(end)
        door.limit(sending_ms=TAKEN_MS_MAX)
        enter_sandbox(end.fileno(), watched.fileno(), host_pid=worker)
    except StrongroomError as fault:
        os.write(STANDARD_ERROR, f"the bench does not start: {fault}\n".encode())
        os._exit(2)
    except BaseException as bug:
        os.write(STANDARD_ERROR, f"the bench does not start: {type(bug).__name__}\n".encode())
        os._exit(4)
    try:
        door.send(ToWorker.READY)
        _serve(door, bench)
    except BaseException:
        os._exit(4)  # whatever it was, its words could be rows
    os._exit(0)


def _serve(door: Door, bench: Bench) -> None:
    """One job.

    Raises:
        DoorClosed: the worker has gone, or says what none says.
    """
    contract, parameters, seed, told = _expected(door, ToBench.JOB, 4)
    segments: list[list[list[bytes]]] = [[] for _ in told]
    while (frame := _received(door))[0] == ToBench.PART:
        index, segment, data = frame[1:]
        while len(segments[index]) <= segment:
            segments[index].append([])
        segments[index][segment].append(data)
    inputs = []
    for (alias, owner, data, columns), parts in zip(told, segments, strict=True):
        inputs.append(Given(alias, owner, data, columns, tuple(map(b"".join, parts))))
        parts.clear()
    segments.clear()
    if Contract.decode(contract).serves:
        answer_rows(door, inputs[0].segments, Contract.decode(contract).digits)
        return
    try:
        read = Contract.decode(contract)
        made = bench.run(read, parameters_in(parameters), inputs, seed)
    except (JobFailed, StrongroomError, MemoryError):
        door.send(ToWorker.FAILED)
        return
    for entry, (output, recipient, data) in enumerate(made):
        for at in range(0, max(len(data), 1), PART_BYTES):
            door.send(ToWorker.OUT, entry, output, recipient, data[at : at + PART_BYTES])
    door.send(ToWorker.DONE)


def _received(door: Door) -> tuple[Any, ...]:
    while (frame := door.receive()) is None:
        pass
    return frame


def _expected(door: Door, kind: ToBench, fields: int) -> tuple[Any, ...]:
    frame = _received(door)
    if frame[0] != kind or len(frame) != fields + 1:
        raise DoorClosed
    return frame[1:]
