"""One process per data directory: two with one key would contradict each other (PROTOCOL §10, fault
26).

Owns the lock file. The kernel drops the lock when its holder dies, however it dies: a file left
over locks nobody out.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.errors import OperatorFault

PID_BYTES_MAX = 32


class AlreadyRunning(OperatorFault):
    """Another process holds the lock.

    Attributes:
        pid: its process id, or None when it has not written it yet.
    """

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{path} is locked by {holder}: stop it first, or use another directory")
        self.pid = pid


@dataclass(frozen=True, slots=True)
class DirectoryLock:
    """A held lock; it lasts until `release` or the end of the process, and is not inherited by
    programs it starts."""

    descriptor: int

    def release(self) -> None:
        """Let another process have it. The file stays: were it removed, two processes could lock
        two files."""
        os.close(self.descriptor)


def acquire_lock(path: Path) -> DirectoryLock:
    """Take the exclusive lock of a directory, and write our process id into its lock file.

    Raises:
        AlreadyRunning: another process, or this one, holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(descriptor, PID_BYTES_MAX, 0).strip()
        os.close(descriptor)
        raise AlreadyRunning(path, int(holder) if holder.isdigit() else None) from None
    except OSError:
        os.close(descriptor)
        raise
    return DirectoryLock(descriptor)
