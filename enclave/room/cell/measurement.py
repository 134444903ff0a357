"""What a cell loads, as it is measured with its worker, and the check that it loaded nothing else
(T24, T50).

Owns that list: no code of ledgers, keys or engines is on it.
"""

import importlib.util
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.platform.measuring import OWN, check_loaded, located

CELL_ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""Beside a worker's: the order of sets of texts is the same at every executor."""
_CONSENSUS = ("", "codec", "errors", "labels", "types")
_ENCLAVE = (
    "",
    "platform",
    "platform.measuring",
    "room",
    "room.analytics",
    "room.analytics.streams",
    "room.library",
    "room.library.shapes",
    "room.worker",
    "room.worker.tables",
    "sandbox",
    "sandbox.entering",
    "sandbox.kernel",
    "sandbox.landlock",
    "sandbox.seccomp",
)
_CELL = (
    "",
    "__main__",
    "columns",
    "dying",
    "frames",
    "living",
    "measurement",
    "models",
    "offered",
    "program",
    "walls",
    "words",
)
_BENCH = ("link", "starting")
"""Of its bench, and of who starts it."""


def _own(place: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{OWN}.{place}.{name}".rstrip(".") for name in names)


OWN_MODULES = (*_own("enclave.room.cell", _CELL), *_own("enclave.room.cell", _BENCH))
"""Of this package."""
CELL_MODULES = (
    *_own("consensus", _CONSENSUS),
    *_own("enclave", _ENCLAVE),
    *_own("enclave.room.cell", _CELL),
)
"""All of ours that a cell loads."""
CELL_LIBRARIES = ("msgpack", "nanoarrow", "numpy")


def check_cell() -> None:
    """Check that everything of ours and of these libraries that this process has loaded counts.

    Raises:
        OperatorFault: something does not.
    """
    files = [_file(name) for name in CELL_MODULES]
    files += [file for name in CELL_LIBRARIES for _, file in located(name)]
    check_loaded(
        files,
        lambda name: name.split(".")[0] in (OWN, *CELL_LIBRARIES),
        uncached="start the worker with `strongroom room run analytics`",
        where=" in a cell",
    )


def _file(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise OperatorFault(f"{name} is not installed: install strongroom again")
    return Path(spec.origin)
