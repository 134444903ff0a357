"""A room's process: measure, bind the chip to that, run the one program's file, raise the walls,
then work until the program ends or the host closes the door.

    python -m strongroom.enclave.room --socket FD --chip DIR --program FILE --host PID

Owns how a room begins and ends. Behind the walls it has one socket, read with patience, and says
nothing anywhere else; a traceback would tell what it must not (T10).

Measured and bound before any of the program's code runs, and from the bytes that run, so that no
program says which one it is. What this cannot stop while the chip is SIMULATED: the program shares
this process, and its memory, with the chip's key; one that searches for the key, or reads its file
before the walls stand, signs what it likes. Silicon keeps its key where no guest reads.
"""

import argparse
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from strongroom.consensus import codec
from strongroom.consensus.errors import InvariantBroken, NotCanonical, StrongroomError
from strongroom.consensus.types import KEY_SIZE, SIGNATURE_SIZE, PublicKey, Signature
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.proofs.genesis import chain_of
from strongroom.enclave.room.boots import Boot, BoundChip, Place, bind_chip
from strongroom.enclave.room.door import Door, DoorClosed, ToHost, ToRoom
from strongroom.enclave.room.host import Host
from strongroom.enclave.room.ledger import Ledger
from strongroom.enclave.room.loading import Program, load_program
from strongroom.enclave.room.measurement import ProgramSource, measure_room
from strongroom.enclave.room.sdk import STOPPED, LeaseEnded, Refused, Room, Stopped
from strongroom.enclave.room.turns import Task, Turns
from strongroom.enclave.sandbox.entering import (
    STANDARD_ERROR,
    enter_sandbox,
    load_what_is_loaded_late,
)

ENDED_WELL, ENDED_REFUSED, NOT_STARTED, DOOR_CLOSED, UNEXPECTED = 0, 1, 2, 3, 4
"""Exit statuses."""
CONNECT_SECONDS = 60.0
PARAMETERS_MAX = 64


def load_measured(program: Path, chip: Path) -> tuple[ProgramSource, BoundChip, Program]:
    """Read a program's file once, measure it, bind the chip to that digest, and only then run it.

    Raises:
        OperatorFault: the program, the chip or a file of ours is not as it must be.
    """
    source = ProgramSource.read(program)
    load_what_is_loaded_late()
    measurement = measure_room(source, from_source=True)
    bound = bind_chip(SimulatedChip.load(chip), measurement.digest)
    return source, bound, load_program(source)


def work(door: Door, chip: BoundChip, program: str, run: Program) -> int:
    """One life of a room, from START to ENDED; its exit status.

    Raises:
        DoorClosed: the host has gone.
    """
    start = door.receive()
    while start is None:
        start = door.receive()
    host, turns = Host(door), Turns()
    try:
        place, pin, sealed, parameters = _read_start(start, program)
        boot = Boot(place, chip, sealed)
    except (StrongroomError, KeyError, TypeError) as fault:
        door.send(ToHost.ENDED, False, "start", str(fault))
        return NOT_STARTED
    ledger = Ledger(pin, host, turns, boot.identity)
    room = Room(
        place.room, place.chain, parameters, boot=boot, host=host, ledger=ledger, turns=turns
    )

    async def life() -> None:
        await host.save(boot.sealed())
        room.tell("started", boot=boot.number, session=boot.identity.id)
        await ledger.connect(CONNECT_SECONDS)
        await run(room)

    room.task = task = turns.spawn(life())
    told: list[bool] = []

    def look() -> None:
        frame = door.receive()
        if frame is not None:
            host.take(frame)
        if host.stopping and not told:  # once: what the program then ends in order, it ends
            told.append(True)
            task.interrupt(Stopped("its host asked it to end"))

    code, text = _outcome(turns, task, look)
    room.task = turns.spawn(room.leave())
    turns.run(room.task, look)
    room.close()
    door.send(ToHost.ENDED, not code, code, text)
    return ENDED_REFUSED if code else ENDED_WELL


def _outcome(turns: Turns, task: Task, look: Callable[[], None]) -> tuple[str, str]:
    """How the program ended: (code, words), without a code when it ended by itself.

    Raises:
        DoorClosed, InvariantBroken: the process ends without a word.
    """
    try:
        turns.run(task, look)
    except (DoorClosed, InvariantBroken):
        raise
    except (LeaseEnded, Refused) as fault:
        return fault.code, fault.message
    except Stopped as asked:
        return STOPPED, str(asked)
    except StrongroomError as fault:
        return type(fault).__name__, str(fault)
    except Exception as bug:
        return "bug", f"the program raised {type(bug).__name__}"
    return "", "the program ended"


def _read_start(frame: tuple[Any, ...], program: str) -> tuple[Place, str, bytes, dict[str, str]]:
    """(place, pin, sealed state, parameters) of a START.

    Raises:
        NotCanonical, KeyError, TypeError: it is none.
        ClientFault: not a pin.
    """
    if len(frame) != 2 or frame[0] != ToRoom.START or type(frame[1]) is not dict:
        raise NotCanonical("expected START first")
    told = frame[1]
    parameters = told["parameters"]
    if type(parameters) is not dict or len(parameters) > PARAMETERS_MAX:
        raise NotCanonical(f"expected at most {PARAMETERS_MAX} parameters")
    key = PublicKey(codec.sized(told["operator_key"], KEY_SIZE, name="operator's key"))
    signature = codec.sized(told["signature"], SIGNATURE_SIZE, name="operator's signature")
    place = Place(
        chain=chain_of(told["pin"]),
        room=told["room"],
        program=program,
        region=told["region"],
        operator=told["operator"],
        operator_key=key,
        operator_signature=Signature(signature),
    )
    return (
        place,
        told["pin"],
        bytes(told["sealed"]),
        {str(k): str(v) for k, v in parameters.items()},
    )


def main() -> NoReturn:
    """Run until the program ends or the host closes the socket; never returns."""
    parser = argparse.ArgumentParser(prog="strongroom.enclave.room", description=__doc__)
    parser.add_argument(
        "--socket", type=int, required=True, help="descriptor of a connected socket"
    )
    parser.add_argument("--chip", type=Path, required=True, help="folder of the simulated chip")
    parser.add_argument("--program", type=Path, required=True, help="the program's one file")
    parser.add_argument("--host", type=int, required=True, help="pid of the host")
    arguments = parser.parse_args()
    try:
        source, chip, run = load_measured(arguments.program, arguments.chip)
        end = socket.socket(fileno=arguments.socket)
        door = Door(end)
        enter_sandbox(end.fileno(), host_pid=arguments.host)
    except StrongroomError as fault:
        os.write(STANDARD_ERROR, f"the room does not start: {fault}\n".encode())
        os._exit(NOT_STARTED)
    try:
        status = work(door, chip, source.name, run)
    except DoorClosed:
        os._exit(DOOR_CLOSED)
    except BaseException:
        os._exit(UNEXPECTED)
    os._exit(status)


if __name__ == "__main__":
    main()
