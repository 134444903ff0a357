"""The walls of a cell: those of an enclave's process, and tighter ones.

Owns what is added for code from elsewhere: no chance, no pid, memory and processor time of the job
alone, and no way to outlive its bench. A clock it has: the interpreter itself looks at it (taking
it away by PR_SET_TSC ends CPython at its next lock), and a result is told when the job's duration
is over.
"""

import resource
import socket
from pathlib import Path

from strongroom.enclave.sandbox import seccomp
from strongroom.enclave.sandbox.entering import Raised, enter_sandbox

KIBIBYTE = 1024


def raise_cell_walls(
    end: socket.socket, watched: socket.socket, *, parent: int, memory_bytes: int, seconds: int
) -> Raised:
    """Enter the sandbox for good.

    Args:
        end: of the socket to the bench.
        watched: that this process dies with (`die_with`).
        parent: pid of the process that started it.
        memory_bytes: what the code may take beyond what this process has now.
        seconds: of a processor that the code may use.

    Raises:
        OperatorFault: a wall does not rise.
        OSError, ValueError: a limit is not taken.
    """
    has = _memory()
    for limit, now in ((resource.RLIMIT_AS, has["VmSize"]), (resource.RLIMIT_DATA, has["VmData"])):
        resource.setrlimit(limit, (now + memory_bytes,) * 2)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    most = seconds + int(spent.ru_utime + spent.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    return enter_sandbox(end.fileno(), watched.fileno(), host_pid=parent, calls=seccomp.CELL)


def _memory() -> dict[str, int]:
    """Sizes of this process's memory, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) * KIBIBYTE for name in ("VmSize", "VmData")}
