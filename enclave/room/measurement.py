"""The measurement of a room: which code is this? SHA-384 over the files that a room loads, and the
one program that it runs (T24, T50).

Owns the list of those files, which no validator's measurement contains, and the check that nothing
else was loaded. Counted as platform/measuring.py counts: relative path, SHA-256, interpreter.
"""

import importlib.util
import sys
import sysconfig
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.enclave.attestation.claims import checked_name
from strongroom.enclave.platform.measuring import (
    OWN,
    MeasuredFile,
    Measurement,
    check_loaded,
    interpreter,
    located,
    measured_bytes,
    measured_file,
)

_CONSENSUS = (
    "",
    "blocks",
    "bounds",
    "codec",
    "epochs",
    "errors",
    "heads",
    "history",
    "labels",
    "leaders",
    "quorum",
    "recovery",
    "recovery_agreement",
    "recovery_head",
    "recovery_rules",
    "statements",
    "types",
    "validators",
)
_ENCLAVE = (
    "",
    "attestation",
    "attestation.certificates",
    "attestation.claims",
    "attestation.deployment",
    "attestation.evidence",
    "attestation.policy",
    "attestation.reasons",
    "attestation.report",
    "attestation.room_claims",
    "attestation.silicon",
    "attestation.verifier",
    "formats",
    "formats.envelope",
    "formats.piece_keys",
    "formats.session_keys",
    "formats.size_classes",
    "formats.vault_claims",
    "outside",
    "outside.client_sessions",
    "outside.distrust",
    "outside.epochs_shown",
    "outside.half_request",
    "outside.pieces",
    "outside.split_key",
    "outside.token_key",
    "outside.trust",
    "platform",
    "platform.chip",
    "platform.chip_key",
    "platform.files",
    "platform.measuring",
    "platform.sealed_files",
    "primitives",
    "proofs",
    "proofs.constitution",
    "proofs.genesis",
    "proofs.heads",
    "room",
    "room.asking",
    "room.boots",
    "room.door",
    "room.halves",
    "room.handed_over",
    "room.host",
    "room.leases",
    "room.ledger",
    "room.loading",
    "room.measurement",
    "room.opening",
    "room.sdk",
    "room.turns",
    "sandbox",
    "sandbox.entering",
    "sandbox.kernel",
    "sandbox.landlock",
    "sandbox.seccomp",
    "text",
)
MODULES = (
    *(f"{OWN}.consensus.{name}".rstrip(".") for name in _CONSENSUS),
    *(f"{OWN}.enclave.{name}".rstrip(".") for name in _ENCLAVE),
    f"{OWN}.enclave.room.__main__",
)
"""All of ours that a room loads, and nothing that it does not."""
LIBRARIES = ("_cffi_backend", "cffi", "cryptography", "msgpack")
PROGRAM = "program"
"""Folder of the program's file, as it is measured."""
PROGRAM_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProgramSource:
    """A program's file, read once: what is measured is what runs."""

    name: str
    """Of the file, without its ending: the room claims it as `swname`."""
    source: bytes

    @classmethod
    def read(cls, path: Path) -> "ProgramSource":
        """Read it.

        Raises:
            OperatorFault: it cannot be read, is too long, or its name cannot be claimed.
        """
        try:
            with path.open("rb") as file:
                source = file.read(PROGRAM_BYTES_MAX + 1)
        except OSError as error:
            raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
        try:
            name = checked_name(path.stem, name="program")
        except NotCanonical as error:
            raise OperatorFault(f"rename {path}: {error}") from None
        if path.suffix != ".py" or len(source) > PROGRAM_BYTES_MAX:
            raise OperatorFault(
                f"{path} is no room's program: one .py file of at most {PROGRAM_BYTES_MAX} bytes"
            )
        return cls(name, source)


def measure_room(program: ProgramSource, *, from_source: bool = False) -> Measurement:
    """Measure a room that runs this program.

    Args:
        program: its file.
        from_source: this process is a room: refuse every module of ours that is not on the list,
            and modules that may have come from cached bytecode.

    Raises:
        OperatorFault: a file is missing, or a loaded module comes from elsewhere.
    """
    own = measured_bytes(f"{PROGRAM}/{program.name}.py", program.source)
    return measure(MODULES, LIBRARIES, program.name, own, from_source=from_source)


def measure(
    modules: Iterable[str],
    libraries: Collection[str],
    name: str,
    *more: MeasuredFile,
    from_source: bool,
) -> Measurement:
    """Measure a room of these modules of ours and these libraries, under the name that it claims.

    Raises:
        OperatorFault: as `measure_room`.
    """
    files = located_files(modules, libraries)
    if from_source:
        check_measured(files, libraries)
    measured = [*(measured_file(path, file) for path, file in files.items()), *more]
    return Measurement(
        files=tuple(sorted(measured, key=lambda one: one.path)),
        python=interpreter(),
        programs=(f"room:{name}",),
    )


def located_files(modules: Iterable[str], libraries: Iterable[str]) -> dict[str, Path]:
    """Files of modules of ours and of whole libraries, by relative path.

    Raises:
        OperatorFault: one is not installed.
    """
    files = {path: file for name in modules for path, file in (_module(name),)}
    return files | {path: file for name in libraries for path, file in located(name)}


def check_measured(files: Mapping[str, Path], libraries: Collection[str]) -> None:
    """Check that this process, a room, has loaded nothing of ours or of these libraries that is not
    among these files, and nothing from cached bytecode.

    Raises:
        OperatorFault: it has.
    """
    check_loaded(
        files.values(),
        lambda name: name.split(".")[0] in (OWN, *libraries),
        uncached="start the room with `strongroom room run`",
        where=" in a room",
    )


def check_brought(names: Iterable[str]) -> None:
    """Check the modules that a program's file brought with it: the standard library's, and what is
    measured anyway.

    Raises:
        OperatorFault: one is neither.
    """
    libraries = {str(file) for name in LIBRARIES for _, file in located(name)}
    paths = sysconfig.get_paths()
    standard = tuple(f"{Path(paths[name])}/" for name in ("stdlib", "platstdlib"))
    elsewhere = tuple(f"{Path(paths[name])}/" for name in ("purelib", "platlib"))
    for name in sorted(names):
        spec = getattr(sys.modules.get(name), "__spec__", None)
        origin = getattr(spec, "origin", None)
        if origin in (None, "built-in", "frozen") or name in MODULES or origin in libraries:
            continue
        if origin.startswith(standard) and not origin.startswith(elsewhere):
            continue
        raise OperatorFault(
            f"the program loads {name} from {origin}, which is not measured: a room's program "
            "imports strongroom.enclave.room.sdk and the standard library"
        )


def _module(name: str) -> tuple[str, Path]:
    """(relative path, file) of one module of ours, found without loading it."""
    try:
        spec = importlib.util.find_spec(name)
    except ImportError:
        spec = None
    if spec is None or spec.origin is None:
        raise OperatorFault(f"{name} is not installed: install strongroom again")
    inner = name.replace(".", "/") + ("/__init__" if spec.submodule_search_locations else "")
    return f"{inner}.py", Path(spec.origin)
