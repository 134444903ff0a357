"""The few system calls that Python has no words for, with the numbers of the processors that we
know.

Owns the processor's name and numbers. What is asked of the kernel, and what a refusal means, is the
callers' concern.
"""

import ctypes
import os
import platform
from dataclasses import dataclass

from strongroom.consensus.errors import OperatorFault

PR_SET_PDEATHSIG = 1
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
"""prctl(2)."""

CAP_SETGID, CAP_SETUID, CAP_SYS_CHROOT = 6, 7, 18
"""capabilities(7)."""
_CAPABILITY_VERSION = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3: two words of each set."""

# The same number on every processor (since Linux 5.0 new calls get one number for all).
LANDLOCK_CREATE_RULESET = 444
LANDLOCK_RESTRICT_SELF = 446
MEMFD_SECRET = 447

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_MAP_FAILED = ctypes.c_void_p(-1).value


@dataclass(frozen=True, slots=True)
class Processor:
    """What a filter of system calls must know of a processor."""

    audit: int
    """AUDIT_ARCH_… of <linux/audit.h>: which table a call's number belongs to."""
    numbers: dict[str, int]
    """System calls by name, of <asm/unistd.h>."""


PROCESSORS = {
    "x86_64": Processor(
        audit=0xC000003E,
        numbers={
            "recvfrom": 45,
            "sendto": 44,
            "close": 3,
            "mmap": 9,
            "mprotect": 10,
            "munmap": 11,
            "brk": 12,
            "mremap": 25,
            "madvise": 28,
            "futex": 202,
            "sched_yield": 24,
            "getrandom": 318,
            "getpid": 39,
            "clock_gettime": 228,
            "restart_syscall": 219,
            "exit": 60,
            "exit_group": 231,
            "seccomp": 317,
        },
    ),
    "aarch64": Processor(
        audit=0xC00000B7,
        numbers={
            "recvfrom": 207,
            "sendto": 206,
            "close": 57,
            "mmap": 222,
            "mprotect": 226,
            "munmap": 215,
            "brk": 214,
            "mremap": 216,
            "madvise": 233,
            "futex": 98,
            "sched_yield": 124,
            "getrandom": 278,
            "getpid": 172,
            "clock_gettime": 113,
            "restart_syscall": 128,
            "exit": 93,
            "exit_group": 94,
            "seccomp": 277,
        },
    ),
}


def this_processor() -> Processor:
    """The one that this process runs on.

    Raises:
        OperatorFault: one whose system calls we do not know; there is no filter for it, hence no
            enclave.
    """
    name = platform.machine()
    found = PROCESSORS.get(name)
    if found is None or ctypes.sizeof(ctypes.c_void_p) != 8:
        known = " and ".join(PROCESSORS)
        raise OperatorFault(
            f"no enclave runs on a {name or 'nameless'} processor: its walls are known for {known}"
        )
    return found


def system_call(number: int, *arguments: object) -> int:
    """Ask the kernel.

    Raises:
        OSError: it refuses.
    """
    outcome: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if outcome < 0:
        raise _refusal()
    return outcome


def prctl(option: int, value: int = 0) -> int:
    """prctl(2) with one argument.

    Raises:
        OSError: the kernel refuses.
    """
    outcome: int = _libc.prctl(
        option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)
    )
    if outcome < 0:
        raise _refusal()
    return outcome


class _Capabilities(ctypes.Structure):
    """Twice: the lower 32 capabilities, then the others."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def holds(*capabilities: int) -> bool:
    """May this process use all of these (capget(2))? None of them is beyond the first 32.

    Raises:
        OSError: the kernel refuses.
    """
    sets = (_Capabilities * 2)()
    if _libc.capget(_capability_header(), sets) < 0:
        raise _refusal()
    return all(sets[0].effective >> capability & 1 for capability in capabilities)


def drop_capabilities() -> None:
    """Give up every capability for good (capset(2)); ambient ones go with the inheritable.

    Raises:
        OSError: the kernel refuses.
    """
    if _libc.capset(_capability_header(), (_Capabilities * 2)()) < 0:
        raise _refusal()


def _capability_header() -> ctypes.Array[ctypes.c_uint32]:
    return (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)


def map_shared(descriptor: int, size: int) -> int:
    """The address at which `size` bytes of a file are mapped, to be read and written; no descriptor
    is kept.

    Raises:
        OSError: the kernel refuses.
    """
    read_write, shared = 0x1 | 0x2, 0x1
    address: int | None = _libc.mmap(None, size, read_write, shared, descriptor, 0)
    if address is None or address == _MAP_FAILED:
        raise _refusal()
    return address


def _refusal() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
