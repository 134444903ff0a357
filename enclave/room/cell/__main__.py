"""A cell's process.

    python -m strongroom.enclave.room.cell --socket FD --watched FD --parent PID

Started by a worker before its bench and its walls, or by `strongroom rooms check`.
"""

import argparse
import os
import socket
import sys
from typing import NoReturn

from strongroom.enclave.room.cell.living import live
from strongroom.enclave.room.cell.measurement import CELL_ENVIRONMENT, check_cell
from strongroom.enclave.sandbox.entering import STANDARD_ERROR


def main() -> NoReturn:
    """Run until the bench is gone; never returns."""
    parser = argparse.ArgumentParser(prog="strongroom.enclave.room.cell", description=__doc__)
    for name in ("socket", "watched", "parent"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--measured", action="store_true", help="of a worker")
    words = parser.parse_args()
    if sys.flags.hash_randomization or any(
        os.environ.get(name) != value for name, value in CELL_ENVIRONMENT.items()
    ):
        os.write(STANDARD_ERROR, b"the cell does not start: a worker starts it\n")
        os._exit(2)
    live(
        socket.socket(fileno=words.socket),
        socket.socket(fileno=words.watched),
        parent=words.parent,
        check=check_cell if words.measured else lambda: None,
    )


if __name__ == "__main__":
    main()
