"""The enclave's process: measure, load the platform, raise the walls, then answer at the door until
it closes.

    python -m strongroom.enclave --socket FD --chip DIR --host PID

Stands for the loader and the secure processor too: what a real platform does in silicon before the
first instruction of the guest (measure, hold the chip key) happens here before the walls go up.
Owns how the process ends: with a status of requests.Ending, and without a word once the walls
stand, for a traceback would tell what it must not (T10).
"""

import argparse
import os
import socket
from pathlib import Path
from typing import NoReturn

from strongroom.consensus.errors import InvariantBroken, StrongroomError
from strongroom.enclave.door.requests import Ending
from strongroom.enclave.door.serve import serve
from strongroom.enclave.execution.executor import Diverged
from strongroom.enclave.heap import tune_collector
from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measurement import measure
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.enclave.sandbox.entering import STANDARD_ERROR, load_what_is_loaded_late
from strongroom.enclave.sandbox.walls import raise_walls

_ENDINGS: tuple[tuple[type[BaseException], Ending], ...] = (
    (Diverged, Ending.DIVERGED),
    (InvariantBroken, Ending.INVARIANT_BROKEN),
    (MemoryError, Ending.OUT_OF_MEMORY),
    (BaseException, Ending.UNEXPECTED),
)
"""The first class that fits decides."""


def main() -> NoReturn:
    """Run until the host closes the socket; never returns, so that nothing runs after it."""
    parser = argparse.ArgumentParser(prog="strongroom.enclave", description=__doc__)
    parser.add_argument(
        "--socket", type=int, required=True, help="descriptor of a connected Unix stream socket"
    )
    parser.add_argument("--chip", type=Path, required=True, help="folder of the simulated chip")
    parser.add_argument("--host", type=int, required=True, help="pid of the host")
    arguments = parser.parse_args()
    try:
        load_what_is_loaded_late()
        chip = SimulatedChip.load(arguments.chip)
        measurement = measure(PROGRAM_NAMES, from_source=True)
        door = socket.socket(fileno=arguments.socket)
        door.setblocking(True)
        walls = raise_walls(door.fileno(), host_pid=arguments.host)
    except StrongroomError as fault:
        os.write(STANDARD_ERROR, f"the enclave does not start: {fault}\n".encode())
        os._exit(Ending.NOT_STARTED)
    try:
        core = Lifecycle(chip, measurement, walls)
        tune_collector()
        serve(door, core)
    except BaseException as error:
        os._exit(next(ending for kind, ending in _ENDINGS if isinstance(error, kind)))
    os._exit(Ending.DOOR_CLOSED)


if __name__ == "__main__":
    main()
