"""The walls of an enclave's or a room's process, as far as a simulation has them; raised before the
first secret exists.

Owns what the operating system lets this process do, and the order in which that is given up. Each
wall stands or the process does not start; what this kernel or this user cannot have is said, never
passed over (Raised; in words: walls.py). Real TEEs add memory encryption; a root user of this
machine can defeat everything here, and the README says so.
"""

import codecs
import os
import resource
import signal
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import NoReturn

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.sandbox import kernel, landlock, seccomp

DESCRIPTORS_MAX = 65536
MEMORY_BYTES_MAX = 16 * 1024**3
"""Data segment and private mappings of the process: state grows with the ledger, a leak or a bomb
ends here."""
ENCLAVE_ID = 65532
"""User and group of an enclave that may change its own; in the range that distributions leave
unused (65520 to 65533, https://systemd.io/UIDS-GIDS/)."""
STANDARD_ERROR = 2
LOADED_LATE = ("cryptography.hazmat.backends.openssl.backend",)
"""Modules that libraries load at their first use, not when they are imported."""
ENCODINGS_LOADED_LATE = ("utf_16_be", "utf_32_be")
"""Of names in certificates (BMPString, UniversalString)."""


@dataclass(frozen=True, slots=True)
class Raised:
    """Which walls stand that not every machine or user can have."""

    own_user: bool
    """Its own user: it was started with the capabilities that this takes, as root is."""
    files_version: int
    """Of Landlock; 0 without."""
    empty_root: bool = False
    """An empty view of files, without Landlock: it takes a capability, which root has."""


def load_what_is_loaded_late() -> None:
    """Import what would else be imported behind the walls; before the measurement, which looks at
    what is loaded."""
    for name in LOADED_LATE:
        import_module(name)
    for encoding in ENCODINGS_LOADED_LATE:
        codecs.lookup(encoding)


def enter_sandbox(
    door: int, *others: int, host_pid: int, calls: seccomp.Calls = seccomp.ENCLAVE
) -> Raised:
    """Keep one socket (and `others`, of a worker that has a bench), die with the host, leave no
    image, and let the kernel refuse all that an enclave (or who else has these `calls`) never does.

    Everything that will ever be imported must be (`load_what_is_loaded_late`); nothing secret may
    exist yet.

    Raises:
        OperatorFault: a wall that this kernel has did not rise, or the host is gone already; fails
            closed.
    """
    try:
        _say_nothing_and_load_nothing()
        _close_all_but(door, *others, STANDARD_ERROR)
        files_version = landlock.version()
        seccomp.check_available()
        empty_root = not files_version and kernel.holds(kernel.CAP_SYS_CHROOT)
        if empty_root:
            _enter_empty_root()
        own_user = may_change_user()
        if own_user:
            _become_nobody()
        kernel.drop_capabilities()
        _limit(max((door, *others)))
        kernel.prctl(
            kernel.PR_SET_PDEATHSIG, signal.SIGKILL
        )  # after the change of user, which clears it
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        if kernel.prctl(kernel.PR_GET_DUMPABLE) != 0:
            raise OperatorFault("the kernel keeps this process dumpable")
        if os.getppid() != host_pid:
            raise OperatorFault("the host ended while its enclave started")
        # Ctrl-C in a terminal reaches the whole group; the host decides when its enclave ends.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if files_version:
            landlock.forbid_everything(files_version)
        if "close" not in calls.allowed:
            os.close(STANDARD_ERROR)
        seccomp.install(calls)
        if "close" in calls.allowed:
            os.close(STANDARD_ERROR)
    except OSError as refusal:
        raise OperatorFault(
            f"a wall of the enclave does not rise on this kernel: {refusal}"
        ) from None
    return Raised(own_user=own_user, files_version=files_version, empty_root=empty_root)


def may_change_user() -> bool:
    """May this process become a user of its own? Root may, and who was given the two
    capabilities."""
    return kernel.holds(kernel.CAP_SETUID, kernel.CAP_SETGID)


# --- one function a wall --------------------------------------------------------------------------


class _NothingMore:
    """The only finder of modules that is left. An import behind the walls is an error, not an
    attempt to open files."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> NoReturn:
        raise ImportError(f"{name} is not loaded, and the walls stand")


def _no_word(*_: object) -> None:
    """Tell nobody of an error that nobody caught."""


def _say_nothing_and_load_nothing() -> None:
    """Warnings and tracebacks read source files and print; behind the walls there are neither files
    nor a terminal."""
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    sys.stdout = sys.stderr = sys.stdin = None
    sys.excepthook = sys.unraisablehook = _no_word
    sys.meta_path[:] = [_NothingMore]


def _close_all_but(*kept: int) -> None:
    """Close every other descriptor: nothing leaves but through the door. Standard error is closed
    last of all."""
    start = 0
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, DESCRIPTORS_MAX)


def _enter_empty_root() -> None:
    """For kernels without Landlock: a folder that is empty, deleted, and all that this process
    sees."""
    folder = f"/tmp/strongroom-{os.urandom(16).hex()}"  # noqa: S108 (nobody guesses it; gone at once)
    os.mkdir(folder, 0)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.rmdir(folder)
    os.fchdir(descriptor)
    os.chroot(".")
    os.close(descriptor)


def _become_nobody() -> None:
    """A user of its own, without groups.

    The saved user of one whose host is not root stays the host's: a host must be able to end an
    enclave that lingers (kill(2)), and can do no more by it, for tracing asks for all three.
    """
    host = os.getuid()
    os.setgroups([])
    os.setresgid(ENCLAVE_ID, ENCLAVE_ID, ENCLAVE_ID)
    os.setresuid(ENCLAVE_ID, ENCLAVE_ID, host or ENCLAVE_ID)


def _limit(door: int) -> None:
    for limit, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, MEMORY_BYTES_MAX),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, door + 1),
    ):
        inherited = resource.getrlimit(limit)[1]
        value = most if inherited == resource.RLIM_INFINITY else min(most, inherited)
        resource.setrlimit(limit, (value, value))
