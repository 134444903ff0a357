"""The enclave's process: measure, load the platform, raise the walls, then answer at the door until it closes.

    python -m strongroom.enclave --socket FD --chip DIR --host PID

Stands for the loader and the secure processor too: what a real platform does in silicon before the first instruction
of the guest (measure, hold the chip key) happens here before the walls go up.
"""

import argparse
import socket
from pathlib import Path

from strongroom.enclave.core import Core
from strongroom.enclave.door import serve
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measurement import measure
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.enclave.walls import raise_walls


def main() -> None:
    """Run until the host closes the socket."""
    parser = argparse.ArgumentParser(prog="strongroom.enclave", description=__doc__)
    parser.add_argument("--socket", type=int, required=True, help="descriptor of a connected Unix stream socket")
    parser.add_argument("--chip", type=Path, required=True, help="folder of the simulated chip")
    parser.add_argument("--host", type=int, required=True, help="pid of the host")
    arguments = parser.parse_args()
    core = Core(SimulatedChip.load(arguments.chip), measure(PROGRAM_NAMES, from_source=True))
    raise_walls(arguments.socket, host_pid=arguments.host)
    with socket.socket(fileno=arguments.socket) as door:
        door.setblocking(True)
        serve(door, core)


if __name__ == "__main__":
    main()
