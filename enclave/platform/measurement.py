"""The measurement of a validator's enclave: which code is it? SHA-384 over every source and library
file that it may load (DESIGN §6).

Owns the list of what is measured, and the check that what is loaded comes from there (T24); the
looking is measuring.py's.
"""

from collections.abc import Iterable
from functools import partial

from strongroom.enclave.platform.measuring import (
    OWN,
    Measurement,
    check_loaded,
    interpreter,
    located,
    measured_file,
)

PACKAGES = ("strongroom.consensus", "strongroom.enclave")
"""Our own code: every .py below, but for what no enclave loads."""
UNMEASURED = (
    "strongroom.consensus.replica",
    "strongroom.enclave.outside",
    "strongroom.enclave.room",
)
"""Folders of these packages that an enclave never loads: the replica, which runs in the host, what
clients, operators and auditors use, and rooms, which are measured apart. A new timer in the
pacemaker is no new enclave. An enclave that loads one of these does not start."""
LIBRARIES = ("_cffi_backend", "cffi", "cryptography", "msgpack", "sortedcontainers")
"""Top-level modules of the installed distributions that our code imports: every .py and .so
below."""
_UNCACHED = "start the enclave with -B and -X pycache_prefix set to a folder that does not exist"


def measure(programs: Iterable[str], *, from_source: bool = False) -> Measurement:
    """Measure the code of this process.

    Args:
        programs: names of the programs that the enclave can run.
        from_source: this process is an enclave: refuse every module of ours that is not measured,
            and modules that may have come from cached bytecode, whose content is not measured; it
            is started with ``python -B -X pycache_prefix=`` and a folder that does not exist.

    Raises:
        OperatorFault: a package is missing, or a loaded module comes from a file that is not
            measured.
    """
    found = {
        path: file
        for name in (*PACKAGES, *LIBRARIES)
        for path, file in located(name, without=UNMEASURED)
    }
    check_loaded(
        found.values(),
        # A host may load modules of ours beside the measured ones; an enclave may not.
        partial(_is_measured_name, strict=from_source),
        uncached=_UNCACHED if from_source else None,
    )
    return Measurement(
        files=tuple(measured_file(path, found[path]) for path in sorted(found)),
        python=interpreter(),
        programs=tuple(sorted(programs)),
    )


def _is_measured_name(name: str, *, strict: bool) -> bool:
    if name.split(".")[0] in LIBRARIES:
        return True
    if strict:
        return _is_below(name, (OWN,))
    return _is_below(name, PACKAGES) and not _is_below(name, UNMEASURED)


def _is_below(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)
