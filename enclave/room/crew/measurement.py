"""The measurement of a crew's room: a worker's files, the crew's own, and the scheduler's libraries
(T24, T50).

Owns that list, and the check that nothing else was loaded. Another measurement than the worker's:
an owner who names the worker's alone has no crew.
"""

import sys
import sysconfig
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.platform.measuring import (
    OWN,
    MeasuredFile,
    Measurement,
    located,
    measured_file,
)
from strongroom.enclave.room import measurement as rooms
from strongroom.enclave.room.worker import measurement as worker

NAME = "analytics-crew"
"""By which its operator starts it, and which it claims."""
_USED_OF_LIBRARY = ("", "catalogue", "checking", "ownership", "shapes")
"""A crew runs SQL alone; what its stages import of programs is their shapes."""
_NOT_OF_A_CREW = frozenset(
    (
        "cell.__main__",
        *(f"worker.{name}" for name in ("__main__", "answering", "arriving", "bench", "memory")),
        *(f"worker.{name}" for name in ("serving", "warming")),
    )
)
"""A crew has a bench and a life of its own."""
_CREW = (
    "",
    "__main__",
    "bench",
    "carrying",
    "comm",
    "configured",
    "engine",
    "foreman",
    "life",
    "link",
    "loop",
    "measurement",
    "parts",
    "peers",
    "plan",
    "quiet",
    "starting",
    "stages",
    "switch",
    "tasks",
    "texts",
    "warming",
    "way",
)


def _of_a_worker(module: str) -> bool:
    """Is this file of a worker's loaded here too?"""
    library = f"{OWN}.enclave.room.library"
    if module.startswith(library):
        return module.removeprefix(library).removeprefix(".") in _USED_OF_LIBRARY
    return module.removeprefix(f"{OWN}.enclave.room.") not in _NOT_OF_A_CREW


MODULES = (
    *(one for one in worker.MODULES if _of_a_worker(one)),
    f"{OWN}.enclave.attestation.room_evidence",
    *(f"{OWN}.enclave.room.crew.{name}".rstrip(".") for name in _CREW),
)
"""All of ours that a crew's room and its bench load."""
SCHEDULER = (
    "_yaml",
    "click",
    "cloudpickle",
    "dask",
    "distributed",
    "jinja2",
    "locket",
    "markupsafe",
    "packaging",
    "psutil",
    "sortedcontainers",
    "tblib",
    "tlz",
    "toolz",
    "tornado",
    "yaml",
    "zict",
)
"""Libraries that the scheduler and its workers are made of."""
LIBRARIES = (*worker.LIBRARIES, *SCHEDULER)
CONFIGURATIONS = ("dask/dask.yaml", "distributed/distributed.yaml")
"""Files of libraries that are no code, and say what their code does."""
_OF_INSTALLING = ("__editable__", "_distutils_hack", "_virtualenv")
"""What an interpreter loads by itself at its start, to find the rest."""


def measure_crew(*, from_source: bool = False) -> Measurement:
    """Measure a crew's room; `from_source`: this process is one, and what it loaded is checked.

    Raises:
        OperatorFault: a file is missing, or a loaded module comes from elsewhere.
    """
    return rooms.measure(MODULES, LIBRARIES, NAME, *_configurations(), from_source=from_source)


def check_crew() -> None:
    """Check that everything that this process has loaded counts; of other installed packages,
    nothing may be.

    Raises:
        OperatorFault: something does not.
    """
    rooms.check_measured(rooms.located_files(MODULES, LIBRARIES), LIBRARIES)
    paths = sysconfig.get_paths()
    elsewhere = tuple(f"{Path(paths[name])}/" for name in ("purelib", "platlib"))
    for name, module in sorted(sys.modules.items()):
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        if type(origin) is not str or not origin.startswith(elsewhere):
            continue
        if name.partition(".")[0] not in (OWN, *LIBRARIES) and not name.startswith(_OF_INSTALLING):
            raise OperatorFault(f"{name} is loaded from {origin}, which is not measured in a crew")


def _configurations() -> list[MeasuredFile]:
    made = []
    for path in CONFIGURATIONS:
        package, _, name = path.partition("/")
        _, file = next(iter(located(package)))
        root = next(parent for parent in file.parents if parent.name == package)
        made.append(measured_file(path, root / name))
    return made
