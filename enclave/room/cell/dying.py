"""How a process ends when the one that it works for has ended (fcntl(2), F_SETSIG).

Owns one way of it: the kernel kills at the hangup of a socket that nothing is ever said on.
PR_SET_PDEATHSIG is not enough for whoever is forked from a process behind Landlock.
"""

import fcntl
import os
import signal
import socket


def die_with(watched: socket.socket) -> None:
    """Have the kernel kill this process once the other end is closed, whatever it computes.

    PR_SET_PDEATHSIG does not: a worker behind Landlock may signal nobody outside of its own domain,
    also not by dying.
    """
    fcntl.fcntl(watched, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(watched, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(watched, fcntl.F_SETFL, os.O_ASYNC)
