"""Which process is meant: a pid together with when it began, so that a recycled pid is never
mistaken for it.

Owns identifying, signalling and outliving processes of this machine (Linux: /proc and pidfd). Knows
nothing of nodes. A signal goes through a pidfd that was opened *before* the start time was compared
(pidfd_open(2)), so between check and signal the pid cannot pass to somebody else.
"""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_REAP_SECONDS_MAX = 5.0
"""How long an ended process may wait for its parent to collect it before we call it gone; some
inits are slow."""
_REAP_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process, for as long as this machine is up and after."""

    pid: int
    start_ticks: int
    """Field 22 of /proc/PID/stat: clock ticks from boot to its start."""
    boot: str
    """Kernel's boot id: pids and ticks of an earlier boot mean nothing."""

    @classmethod
    def of(cls, pid: int) -> "ProcessId | None":
        """The process that has this pid now; None if there is none, or only one that ended and was
        not collected."""
        fields = _stat(pid)
        if fields is None or fields[0] in "ZX":
            return None
        return cls(pid, int(fields[19]), _boot_id())

    @classmethod
    def from_document(cls, document: Any) -> "ProcessId | None":
        """Read what `document` wrote; None for anything else, so that a damaged record names no
        process."""
        match document:
            case {"pid": int(pid), "start_ticks": int(ticks), "boot": str(boot)} if pid > 1:
                return cls(pid, ticks, boot)
        return None

    def document(self) -> dict[str, Any]:
        """JSON form."""
        return {"pid": self.pid, "start_ticks": self.start_ticks, "boot": self.boot}

    @property
    def alive(self) -> bool:
        """Is this very process running (or stopped by a signal)?"""
        return ProcessId.of(self.pid) == self

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to this very process; False if it is gone, in which case nobody got
        anything."""
        with self._handle() as handle:
            if handle is None:
                return False
            try:
                signal.pidfd_send_signal(handle, number)
            except ProcessLookupError:
                return False
            return True

    def wait_gone(self, seconds: float) -> bool:
        """Wait until it ended and was collected by its parent (by us, if it is our child); False at
        the deadline."""
        deadline = time.monotonic() + seconds
        with self._handle() as handle:
            if handle is not None and not select.select([handle], [], [], max(0.0, seconds))[0]:
                return False
        self._wait_collected(max(deadline, time.monotonic() + _REAP_SECONDS_MAX))
        return True

    def _wait_collected(self, deadline: float) -> None:
        while True:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
            fields = _stat(self.pid)
            if fields is None or int(fields[19]) != self.start_ticks or time.monotonic() > deadline:
                return
            time.sleep(_REAP_POLL_SECONDS)

    @contextmanager
    def _handle(self) -> Iterator[int | None]:
        """A pidfd of this very process, None if it is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            yield None
            return
        try:
            yield handle if self.alive else None
        finally:
            os.close(handle)


def parent_of(process: ProcessId) -> int | None:
    """Its parent's pid; None if it is gone."""
    fields = _stat(process.pid)
    return int(fields[1]) if fields is not None and process.alive else None


def children_of(process: ProcessId) -> list[ProcessId]:
    """Its running children; none if it is gone."""
    found = []
    for entry in _PROC.glob("[0-9]*"):
        fields = _stat(int(entry.name))
        child = (
            ProcessId.of(int(entry.name))
            if fields is not None and int(fields[1]) == process.pid
            else None
        )
        if child is not None:
            found.append(child)
    return found if process.alive else []


def arguments_of(pid: int) -> list[str]:
    """Its command line, word by word; empty if it cannot be seen."""
    try:
        line = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    return line.decode(errors="replace").rstrip("\0").split("\0")


def collect_ended_children(processes: list[ProcessId]) -> None:
    """Collect those of our own children that ended, so that they do not linger as zombies; never
    waits."""
    for process in processes:
        with suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)


def spawn(arguments: list[str], *, log: Path, environment: dict[str, str]) -> ProcessId:
    """Start a program in a session of its own: nothing to read, outputs appended to a file, no
    other descriptor.

    Raises:
        OSError: it cannot be executed.
    """
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        *((os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _inherited_descriptors()),
    ]
    pid = os.posix_spawn(
        arguments[0],
        arguments,
        environment,
        file_actions=actions,
        setsid=True,
        setsigdef=[signal.SIGINT],
        setsigmask=[],
    )
    process = ProcessId.of(pid)
    if (
        process is None
    ):  # it ended at once, and we are its parent: its pid stays taken until we collect it
        fields = _stat(pid)
        process = ProcessId(pid, int(fields[19]) if fields else 0, _boot_id())
    return process


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third on: state, ppid, … (proc_pid_stat(5)); None if there
    is no process."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def _inherited_descriptors() -> list[int]:
    """Descriptors above 2 that a child would get: what our own parent left open."""
    found = []
    for entry in os.listdir(_PROC / "self/fd"):
        with suppress(OSError):
            if int(entry) > 2 and os.get_inheritable(int(entry)):
                found.append(int(entry))
    return found


def _boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
