"""How code is measured: which files, which bytes, and that what is loaded came from them (T24).

Owns the form of a measurement and the looking. Which files count is said by measurement.py for a
validator's enclave, by room/measurement.py for a room. It stands for the launch digest that silicon
takes of a guest's memory; here the code measures itself, after it was loaded, which is part of what
SIMULATED means. Python's standard library counts by its version only.
"""

import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256, sha384
from pathlib import Path

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import OperatorFault

OWN = "strongroom"
SUFFIXES = (".py", ".so")
AGREEING = ("CPython 3.11", "CPython 3.12", "CPython 3.13")
"""Interpreters under which the same blocks came to the same bytes, which
tests/enclave/test_interpreters.py compares. The version is part of the measurement, so each has one
of its own; validators of any of these come to one outcome. Of another interpreter nobody has shown
it: compare first, then allow its measurement."""


@dataclass(frozen=True, slots=True)
class MeasuredFile:
    """One file, as it counts."""

    path: str
    """Relative, so that the measurement does not depend on where things are installed:
    ``strongroom/enclave/keys/keys.py``."""
    sha256: bytes
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was measured, and the one digest of it."""

    files: tuple[MeasuredFile, ...]
    """Ascending by path."""
    python: str
    """Implementation and version of the interpreter."""
    programs: tuple[str, ...]
    """Names of the programs that it can run, ascending."""

    @property
    def digest(self) -> bytes:
        """SHA-384, 48 bytes."""
        files = tuple((file.path, file.sha256) for file in self.files)
        content = codec.encode((self.python, self.programs, files))
        return sha384(labels.MEASUREMENT + b"\x00" + content).digest()

    @property
    def agrees(self) -> bool:
        """Is this one of the interpreters whose outcomes were compared?"""
        return self.python.rpartition(".")[0] in AGREEING

    @property
    def entries(self) -> tuple[tuple[str, bytes, int], ...]:
        """(path, SHA-256, bytes) of each file."""
        return tuple((file.path, file.sha256, file.size) for file in self.files)


def interpreter() -> str:
    """Implementation and version of this interpreter."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def located(name: str, *, without: Collection[str] = ()) -> Sequence[tuple[str, Path]]:
    """(relative path, file) of everything that counts of a package or module.

    Args:
        name: of the package or module.
        without: packages below it that do not count.

    Raises:
        OperatorFault: it is not installed.
    """
    return _files(name, _find(name), {one.replace(".", "/") for one in without})


def check_loaded(
    files: Iterable[Path],
    counts: Callable[[str], bool],
    *,
    uncached: str | None = None,
    where: str = "",
) -> None:
    """Check that every loaded module whose name counts was loaded from one of these files (T24).

    Args:
        files: what is measured.
        counts: by a module's name.
        uncached: how to start so that no cached bytecode is read, for the refusal of what may have
            come from some; None: it is taken.
        where: in what a module is not measured, for the error.

    Raises:
        OperatorFault: one was not, or may have come from cached bytecode.
    """
    measured = {str(file) for file in files}
    for name, module in sorted(sys.modules.items()):
        if not counts(name):
            continue
        spec = getattr(module, "__spec__", None)
        if spec is None or spec.origin is None:
            continue  # made by a measured extension module in memory, or a namespace without code
        if spec.origin not in measured:
            raise OperatorFault(
                f"module {name} was loaded from {spec.origin}, which is "
                f"not measured{where}: remove that file, or its import"
            )
        if uncached is not None and spec.cached is not None and Path(spec.cached).exists():
            raise OperatorFault(
                f"module {name} may have come from bytecode in {spec.cached}, which is not "
                f"measured: {uncached}"
            )


def _find(name: str) -> Path:
    """Folder of a package, or file of a module, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise OperatorFault(f"{name} is not installed: install strongroom again")
    origin = Path(spec.origin)
    return origin.parent if spec.submodule_search_locations else origin


def _files(name: str, root: Path, without: Collection[str]) -> Sequence[tuple[str, Path]]:
    """(relative path, file) of everything measured below a package's folder, or of one module's
    file."""
    if not root.is_dir():
        return [(root.name, root)]
    prefix = name.replace(".", "/")
    found = []
    for folder, subfolders, names in os.walk(root):
        below = f"{prefix}/{Path(folder).relative_to(root).as_posix()}/".replace("/./", "/")
        subfolders[:] = [
            one for one in subfolders if one != "__pycache__" and below + one not in without
        ]
        for file in (Path(folder, one) for one in names if one.endswith(SUFFIXES)):
            found.append((f"{prefix}/{file.relative_to(root).as_posix()}", file))
    return found


def measured_file(path: str, file: Path) -> MeasuredFile:
    """A file of today, under its relative path."""
    return measured_bytes(path, file.read_bytes())


def measured_bytes(path: str, content: bytes) -> MeasuredFile:
    """Bytes that count as the file of this relative path."""
    return MeasuredFile(path, sha256(content).digest(), len(content))
