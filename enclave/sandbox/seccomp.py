"""The filter of system calls: what is not on this page ends the process (seccomp(2),
SECCOMP_RET_KILL_PROCESS).

Owns the list, and the small program that the kernel runs before every system call (classic BPF,
<linux/filter.h>). No library makes it: a page of numbers is easier to check than a dependency.
Nothing on the list opens a file, makes a socket or a process, looks at another process, or changes
the filter; no memory becomes executable.
"""

import ctypes
import struct
from dataclasses import dataclass
from errno import ENOSYS

from strongroom.enclave.sandbox.kernel import Processor, system_call, this_processor

DOOR = ("recvfrom", "sendto", "close")
"""The socket that is already open; `close` shuts what is left of the standard streams."""
MEMORY = ("munmap", "brk", "mremap", "madvise")
MEMORY_WITHOUT_CODE = ("mmap", "mprotect")
"""Only without PROT_EXEC."""
WAITING = ("futex", "sched_yield", "restart_syscall")
"""Locks of the interpreter and of libraries; the kernel's own way to go on after SIGCONT."""
CHANCE = ("getrandom", "getpid", "clock_gettime")
"""Randomness; OpenSSL asks for pid and time before it draws. Most kernels tell the time without a
system call."""
END = ("exit", "exit_group")
ALLOWED = (*DOOR, *MEMORY, *WAITING, *CHANCE, *END)
"""Whatever the arguments."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What passes; what is answered as if this kernel had no such call."""

    allowed: tuple[str, ...]
    absent: tuple[str, ...] = ()


ENCLAVE = Calls(ALLOWED)
CELL = Calls(("recvfrom", "sendto", *MEMORY, *WAITING, *END), absent=("getrandom",))
"""Of a process that runs code from elsewhere: no chance, no pid; nor can it close the
descriptor on whose hangup it dies."""

PROT_EXEC = 0x4
_PROTECTION_ARGUMENT = 2
"""Of mmap(2) and mprotect(2), counted from 0."""

RET_ALLOW = 0x7FFF0000
RET_ABSENT = 0x00050000 | ENOSYS
"""SECCOMP_RET_ERRNO."""
RET_KILL_PROCESS = 0x80000000
_SET_MODE_FILTER = 1
_GET_ACTION_AVAIL = 2
_ALL_THREADS = 1
"""SECCOMP_FILTER_FLAG_TSYNC: also for threads that a library may have begun."""

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_NUMBER_AT, _AUDIT_AT, _ARGUMENTS_AT = 0, 4, 16
"""Offsets into struct seccomp_data; each argument takes 8 bytes, its low half first."""
_INSTRUCTION = struct.Struct("=HBBI")
"""struct sock_filter: operation, instructions to skip if true and if false, operand."""


def assemble(processor: Processor, calls: Calls = ENCLAVE) -> bytes:
    """The filter for a processor, as an array of struct sock_filter.

    Each test falls through to the next one, or to a verdict right behind it. A number is compared
    as a whole: those of x32 on x86_64 have a high bit of their own, and are none of the list.
    """
    kill, allow = (_RETURN, 0, 0, RET_KILL_PROCESS), (_RETURN, 0, 0, RET_ALLOW)
    program = [
        (_LOAD, 0, 0, _AUDIT_AT),
        (_IF_EQUAL, 1, 0, processor.audit),
        kill,
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    for name in calls.allowed:
        program += [(_IF_EQUAL, 0, 1, processor.numbers[name]), allow]
    for name in calls.absent:
        program += [
            (_IF_EQUAL, 0, 1, processor.numbers[name]),
            (_RETURN, 0, 0, RET_ABSENT),
        ]
    for name in MEMORY_WITHOUT_CODE:
        program += [
            (_IF_EQUAL, 0, 4, processor.numbers[name]),
            (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * _PROTECTION_ARGUMENT),
            (_IF_ANY_BIT, 0, 1, PROT_EXEC),
            kill,
            allow,
        ]
    program.append(kill)
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)


def check_available() -> None:
    """Does this kernel end a process that breaks its filter (Linux 4.14)?

    Raises:
        OSError: it does not.
        OperatorFault: the processor is not known.
    """
    action = ctypes.c_uint32(RET_KILL_PROCESS)
    system_call(this_processor().numbers["seccomp"], _GET_ACTION_AVAIL, 0, ctypes.byref(action))


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(calls: Calls = ENCLAVE) -> None:
    """From now on, in all threads and for good. The process must have given up new privileges
    before.

    Raises:
        OSError: the kernel refuses.
        OperatorFault: the processor is not known.
    """
    processor = this_processor()
    code = assemble(processor, calls)
    program = _Program(len(code) // _INSTRUCTION.size, code)
    system_call(processor.numbers["seccomp"], _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(program))
