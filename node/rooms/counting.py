"""The trusted base of a room, as numbers: its measured files with their lines and digests.

Owns the counting. What is measured stands in enclave/room/measurement.py.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from strongroom.enclave.platform.measuring import OWN, Measurement
from strongroom.enclave.room.measurement import PROGRAM
from strongroom.node.rooms.starting import measured, program_file
from strongroom.node.source_lines import code_lines, folder_of

PARTS = (
    ("the program", (f"{PROGRAM}/",)),
    (
        "the crew: its links, its scheduler's way over them, its bench",
        (f"{OWN}/enclave/room/crew/",),
    ),
    ("the worker: one job, its chunks, its bench", (f"{OWN}/enclave/room/worker/",)),
    ("the worker's SQL: rules, release, noise", (f"{OWN}/enclave/room/analytics/",)),
    ("the worker's library programs", (f"{OWN}/enclave/room/library/",)),
    ("the room itself: SDK, leases, the way to the ledger", (f"{OWN}/enclave/room/",)),
    ("what silicon does on real machines: chip, measuring", (f"{OWN}/enclave/platform/",)),
    ("the walls of its process", (f"{OWN}/enclave/sandbox/",)),
    ("judging evidence of nodes, making its own", (f"{OWN}/enclave/attestation/",)),
    (
        "checking pin, epochs and heads",
        (
            f"{OWN}/consensus/",
            f"{OWN}/enclave/proofs/",
            f"{OWN}/enclave/outside/trust",
            f"{OWN}/enclave/outside/distrust",
            f"{OWN}/enclave/outside/epochs",
        ),
    ),
    ("sealing calls, opening pieces", (f"{OWN}/enclave/",)),
)
"""What a room's files are for: a file is of the first part one of whose paths it begins with."""


@dataclass(frozen=True, slots=True)
class RoomFile:
    """A measured file of ours, or the program's."""

    path: str
    sha256: str
    lines: int
    code_lines: int
    """Neither empty, nor a comment, nor part of a docstring."""


@dataclass(frozen=True, slots=True)
class RoomBase:
    """Everything that a room's measurement covers."""

    measurement: Measurement
    own: tuple[RoomFile, ...]

    @property
    def lines(self) -> int:
        """Of all own files."""
        return sum(file.lines for file in self.own)

    @property
    def code_lines(self) -> int:
        """Of all own files."""
        return sum(file.code_lines for file in self.own)

    @property
    def parts(self) -> tuple[tuple[str, int, int], ...]:
        """(name, files, lines of code) of each of PARTS that the room has."""
        counted = {name: [0, 0] for name, _ in PARTS}
        for file in self.own:
            name = next(name for name, paths in PARTS if file.path.startswith(paths))
            counted[name][0] += 1
            counted[name][1] += file.code_lines
        return tuple((name, files, lines) for name, (files, lines) in counted.items() if files)

    def code_lines_beside(self, others: Collection[str]) -> int:
        """Lines of code in files that are none of `others`, by path."""
        return sum(file.code_lines for file in self.own if file.path not in others)

    @property
    def library_files(self) -> int:
        """How many measured files are libraries'."""
        return len(self.measurement.files) - len(self.own)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "measurement": self.measurement.digest.hex(),
            "python": self.measurement.python,
            "programs": list(self.measurement.programs),
            "lines": self.lines,
            "code_lines": self.code_lines,
            "library_files": self.library_files,
            "parts": [
                {"part": name, "files": files, "code_lines": lines}
                for name, files, lines in self.parts
            ],
            "files": [asdict(file) for file in self.own],
        }


def room_base(program: str) -> RoomBase:
    """Measure a room with this program, as it is installed here, and count it.

    Raises:
        OperatorFault: it cannot be measured.
    """
    path = program_file(program)
    measurement = measured(path)
    own = []
    for file in measurement.files:
        first, _, rest = file.path.partition("/")
        if first not in (OWN, PROGRAM):
            continue
        package, _, inner = rest.partition("/")
        source = (path if first == PROGRAM else folder_of(f"{OWN}.{package}") / inner).read_text()
        own.append(
            RoomFile(file.path, file.sha256.hex(), len(source.splitlines()), code_lines(source))
        )
    return RoomBase(measurement, tuple(own))
