"""The walls of the enclave process, as far as a simulation has them; called before the first secret exists.

Owns what the operating system lets this process do. Real TEEs add memory encryption; a root user of this machine can
defeat everything here, and the README says so.
"""

import ctypes
import os
import resource
import signal

from strongroom.consensus.errors import OperatorFault

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_GET_DUMPABLE = 3
DESCRIPTORS_MAX = 65536


def raise_walls(socket_fd: int, *, host_pid: int) -> None:
    """Keep one socket, die with the host, write no core, be traced by nobody without privilege.

    Raises:
        OperatorFault: the kernel refused one of them, or the host is gone already; fails closed.
    """
    _close_all_but(socket_fd)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_PR_SET_DUMPABLE, 0)
    if _prctl(_PR_GET_DUMPABLE, 0) != 0:
        raise OperatorFault("the kernel keeps this process dumpable")
    if os.getppid() != host_pid:
        raise OperatorFault("the host ended while its enclave started")
    # Ctrl-C in a terminal reaches the whole group; the host decides when its enclave ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _close_all_but(socket_fd: int) -> None:
    """Close every other descriptor, standard streams included: nothing leaves but through the door."""
    os.closerange(0, socket_fd)
    os.closerange(socket_fd + 1, DESCRIPTORS_MAX)


def _prctl(option: int, value: int) -> int:
    outcome: int = ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
    if outcome < 0:
        raise OperatorFault(f"prctl({option}) refused: {os.strerror(ctypes.get_errno())}")
    return outcome
