"""TCP ports of the loopback interface: picking free ones, and saying who holds a taken one.

Owns looking at sockets through bind(2) and /proc/net. Of nodes it knows how their command line
looks, for whoever has forgotten a cluster.
"""

import errno
import os
import random
import shlex
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.node.machine.processes import arguments_of

NODE_COMMAND = ("strongroom.node", "run", "--config")
"""A node's command line after ``-m`` and before its file."""
_LISTEN = "0A"
"""State of a listening socket in /proc/net/tcp (proc_net_tcp(5))."""
RELEASE_SECONDS_MAX = 3.0
_RELEASE_POLL_SECONDS = 0.02
_PICK = range(10_000, 30_000)
"""Below the kernel's range for outgoing connections, so that a stopped node's port is not taken by
some client."""
_PICK_ATTEMPTS_MAX = 10_000


class PortTaken(OperatorFault):
    """A port that a node needs is in use.

    Attributes:
        port: Which.
        pid: By whom, None when that cannot be seen.
    """

    def __init__(self, port: int, pid: int | None) -> None:
        super().__init__(
            f"port {port} {_held_by(pid)}, or choose another --base-port (0 picks free ones)"
        )
        self.port, self.pid = port, pid


def _held_by(pid: int | None) -> str:
    """Who holds it, and how it is stopped."""
    if pid is None:
        return "is in use by a process that is not ours to see: stop it"
    arguments = arguments_of(pid)
    if tuple(arguments[-4:-1]) == NODE_COMMAND:
        node = Path(arguments[-1]).parent
        return (
            f"belongs to {node.name} of the cluster in {node.parent} (pid {pid}): stop that one "
            f"with `strongroom cluster down --dir {shlex.quote(str(node.parent))}`"
        )
    return f"is in use by pid {pid} ({' '.join(arguments)[:80]}): stop it"


@dataclass(frozen=True, slots=True)
class Reservation:
    """Ports that were free, bound until `release`, so that nobody else is given them meanwhile."""

    sockets: tuple[socket.socket, ...]

    @property
    def ports(self) -> list[int]:
        """In the order asked for."""
        return [entry.getsockname()[1] for entry in self.sockets]

    def release(self) -> None:
        """Let go of them, just before their owners bind them; a second call does nothing."""
        for entry in self.sockets:
            entry.close()


def reserve(ports: Iterable[int], host: str = "127.0.0.1") -> Reservation:
    """Bind exactly these ports.

    Raises:
        PortTaken: one of them is in use.
    """
    held: list[socket.socket] = []
    try:
        for port in ports:
            held.append(_bind(host, port, reuse=True))
    except BaseException:
        Reservation(tuple(held)).release()
        raise
    return Reservation(tuple(held))


def reserve_free(count: int, host: str = "127.0.0.1") -> Reservation:
    """Bind that many free ports.

    Raises:
        OperatorFault: there are not so many.
    """
    held: list[socket.socket] = []
    for _ in range(_PICK_ATTEMPTS_MAX):
        if len(held) == count:
            return Reservation(tuple(held))
        try:
            held.append(_bind(host, random.choice(_PICK), reuse=False))
        except PortTaken:
            continue
    Reservation(tuple(held)).release()
    raise OperatorFault(f"found no {count} free ports between {_PICK.start} and {_PICK.stop}")


def check_free(port: int, host: str = "127.0.0.1", *, seconds: float = RELEASE_SECONDS_MAX) -> None:
    """Raises PortTaken if somebody listens on it.

    A socket that no process holds is one that the kernel is about to close, of a node that was
    killed just now: it is waited for, `seconds` at most.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            reserve([port], host).release()
        except PortTaken as taken:
            if taken.pid is not None or time.monotonic() > deadline:
                raise
            time.sleep(_RELEASE_POLL_SECONDS)
        else:
            return


def holder_of(port: int) -> int | None:
    """Pid of the process that listens on a port (or has bound it); None if that cannot be seen."""
    inodes = {
        inode for table in ("tcp", "tcp6") for inode in _sockets_on(port, Path("/proc/net") / table)
    }
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        if not wanted.isdisjoint(_open_files(process)):
            return int(process.name)
    return None


def _bind(host: str, port: int, *, reuse: bool) -> socket.socket:
    """Bind; with `reuse`, connections that a former owner left in TIME_WAIT do not count as use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    entry = socket.socket(family, socket.SOCK_STREAM)
    try:
        entry.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        entry.bind((host, port))
    except OSError as fault:
        entry.close()
        if fault.errno == errno.EADDRINUSE:
            raise PortTaken(port, holder_of(port)) from None
        raise OperatorFault(f"cannot bind {host}:{port}: {fault.strerror}") from None
    return entry


def _sockets_on(port: int, table: Path) -> list[str]:
    """Inodes of sockets that listen on a port."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [
        row[9] for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port
    ]


def _open_files(process: Path) -> set[str]:
    """What its descriptors stand for; as far as they can be seen and do not close meanwhile."""
    names = set()
    with suppress(OSError):
        for entry in os.listdir(process / "fd"):
            with suppress(OSError):
                names.add(os.readlink(process / "fd" / entry))
    return names
