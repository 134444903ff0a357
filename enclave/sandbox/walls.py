"""The walls of a validator's enclave in words: what stands, what does not, and why.

Owns these words and the home of its seeds, which is mapped before the walls stand; raising them is
entering.py's.
"""

from dataclasses import dataclass

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.sandbox import kernel, landlock, seccomp, secret_memory
from strongroom.enclave.sandbox.entering import (
    MEMORY_BYTES_MAX,
    Raised,
    enter_sandbox,
    may_change_user,
)


@dataclass(frozen=True, slots=True)
class Wall:
    """One wall: does it stand here, and how."""

    name: str
    stands: bool
    summary: str


def raise_walls(door: int, *, host_pid: int) -> tuple[Wall, ...]:
    """Give the seeds a home, enter the sandbox for good, and say what stands.

    Raises:
        OperatorFault: as of `enter_sandbox`.
    """
    seeds = _home_of_seeds(settle=True)
    return (*_described(enter_sandbox(door, host_pid=host_pid)), seeds)


def survey() -> tuple[Wall, ...]:
    """The walls that an enclave started by this user on this machine would have; raises none."""
    try:
        seccomp.check_available()
    except (OSError, OperatorFault) as refusal:
        return (Wall("system calls", False, f"no enclave starts here: {refusal}"),)
    version = landlock.version()
    empty_root = not version and kernel.holds(kernel.CAP_SYS_CHROOT)
    raised = Raised(own_user=may_change_user(), files_version=version, empty_root=empty_root)
    described = _described(raised)
    return (*described, _home_of_seeds(settle=False))


def _described(raised: Raised) -> tuple[Wall, ...]:
    allowed = ", ".join((*seccomp.ALLOWED, *seccomp.MEMORY_WITHOUT_CODE))
    if raised.files_version:
        files = Wall(
            "files", True, f"none: Landlock version {raised.files_version} refuses every access"
        )
    elif raised.empty_root:
        files = Wall("files", True, "none: an empty root; this kernel has no Landlock")
    else:
        files = Wall(
            "files",
            False,
            "this kernel has no Landlock: the filter of system calls alone keeps files away",
        )
    user = (
        "its own (65532), without any capability"
        if raised.own_user
        else "the host's: it was started without CAP_SETUID and CAP_SETGID"
    )
    return (
        Wall(
            "system calls",
            True,
            f"{allowed}; any other one ends the process; no memory becomes executable",
        ),
        files,
        Wall("user", raised.own_user, user),
        Wall("descriptors", True, "one: the socket to its host; it says nothing anywhere else"),
        Wall(
            "image",
            True,
            "not dumpable, no core, no tracer without privilege; nothing is loaded any more",
        ),
        Wall(
            "limits",
            True,
            f"{MEMORY_BYTES_MAX >> 30} GiB of memory, no process, no file, no further descriptor",
        ),
        Wall("life", True, "ends with its host; gains no privilege"),
    )


def _home_of_seeds(*, settle: bool) -> Wall:
    """Secret memory for seeds, where the kernel has it and lets this user lock that much."""
    try:
        memory = secret_memory.SecretMemory.map()
    except OSError as refusal:
        return Wall(
            "seeds",
            False,
            f"on the heap like everything else: no secret memory here ({refusal.strerror})",
        )
    if settle:
        secret_memory.settle(memory)
    return Wall(
        "seeds",
        True,
        "rest in secret memory, which no process and not the kernel's own map reaches",
    )
