"""What must be trusted, as a number: the measured files with their sizes, lines and digests, and
what they import.

Owns the counting. What is measured, and how it becomes one digest, stands in
enclave/platform/measurement.py.
"""

import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.platform.measurement import LIBRARIES, PACKAGES, measure
from strongroom.enclave.platform.measuring import MeasuredFile, Measurement
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.node.source_lines import code_lines, folder_of

_LOADED = (
    "import sys, strongroom.enclave.__main__ as m; "
    "print(*(n for n in sys.modules if n.startswith('strongroom.')))"
)
_LOADED_SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A measured file of Strongroom itself."""

    path: str
    size: int
    lines: int
    code_lines: int
    """Neither empty, nor a comment, nor part of a docstring."""
    sha256: str
    in_enclave: bool
    """Loaded by an enclave's process; the others are measured with it, and serve hosts, clients and
    founders."""


@dataclass(frozen=True, slots=True)
class Library:
    """An installed distribution that the enclave imports."""

    name: str
    version: str
    files: int
    size: int
    """Bytes of its measured files."""


@dataclass(frozen=True, slots=True)
class TrustedBase:
    """Everything that the measurement covers."""

    measurement: Measurement
    own: tuple[OwnFile, ...]
    libraries: tuple[Library, ...]

    @property
    def lines(self) -> int:
        """Of all own files."""
        return sum(file.lines for file in self.own)

    @property
    def code_lines(self) -> int:
        """Of all own files."""
        return sum(file.code_lines for file in self.own)

    @property
    def enclave_code_lines(self) -> int:
        """Of the own files that an enclave's process loads."""
        return sum(file.code_lines for file in self.own if file.in_enclave)


def trusted_base() -> TrustedBase:
    """Measure this installation and count it.

    Raises:
        OperatorFault: it cannot be measured, or its enclave cannot be loaded.
    """
    measurement = measure(PROGRAM_NAMES)
    loaded = _loaded_modules()
    own = [_own_file(file, loaded) for file in measurement.files if _package_of(file) is not None]
    return TrustedBase(measurement, tuple(own), _libraries(measurement))


def _package_of(file: MeasuredFile) -> str | None:
    return next(
        (name for name in PACKAGES if file.path.startswith(name.replace(".", "/") + "/")), None
    )


def _own_file(file: MeasuredFile, loaded: frozenset[str]) -> OwnFile:
    package = _package_of(file)
    assert package is not None
    source = (
        folder_of(package) / file.path.removeprefix(package.replace(".", "/") + "/")
    ).read_text()
    module = file.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    lines = source.splitlines()
    return OwnFile(
        file.path, file.size, len(lines), code_lines(source), file.sha256.hex(), module in loaded
    )


def _loaded_modules() -> frozenset[str]:
    """Modules of ours that are loaded where an enclave begins."""
    try:
        done = subprocess.run(  # noqa: S603 (this very interpreter, a text of our own)
            [sys.executable, "-I", "-c", _LOADED],
            capture_output=True,
            text=True,
            timeout=_LOADED_SECONDS_MAX,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OperatorFault(f"the enclave's code does not load: {error}") from None
    return frozenset(done.stdout.split())


def _libraries(measurement: Measurement) -> tuple[Library, ...]:
    distributions = packages_distributions()
    found: dict[str, list[MeasuredFile]] = {}
    for file in measurement.files:
        top = file.path.split("/")[0].split(".")[0]
        if top in LIBRARIES:
            found.setdefault(distributions.get(top, [top])[0], []).append(file)
    return tuple(
        Library(name, version(name), len(files), sum(file.size for file in files))
        for name, files in sorted(found.items())
    )
