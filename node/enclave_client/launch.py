"""Starting the enclave's process, with one end of a socket pair and no other descriptor.

Owns the command alone, and imports next to nothing: a host launches its enclave first and loads its
own code meanwhile, for the two take about as long.
"""

import asyncio
import os
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.errors import OperatorFault

SEND_BUFFER_BYTES = 1 << 20


class EnclaveEnded(OperatorFault):
    """The enclave's process is gone; a start may go on where it ended."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A process that nobody has spoken to yet; it ends when the socket is closed."""

    process: asyncio.subprocess.Process
    socket: socket.socket
    """This side's end, not blocking."""


async def launch(chip: Path, log: Path | None = None) -> Launched:
    """Start `python -m strongroom.enclave`.

    Args:
        chip: folder of the simulated chip.
        log: where it may complain until its sandbox stands; by default this process' own standard
            error.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ExitStack() as stack:
        stack.enter_context(theirs)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        # Isolated, and from measured source: no bytecode is read that the measurement does not
        # cover.
        python = [sys.executable, "-I", "-B", "-X", f"pycache_prefix={chip / 'no-bytecode'}"]
        place = ["--socket", str(theirs.fileno()), "--chip", str(chip), "--host", str(os.getpid())]
        complaints = None if log is None else stack.enter_context(log.open("ab"))
        process = await asyncio.create_subprocess_exec(
            *python,
            "-m",
            "strongroom.enclave",
            *place,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=complaints,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,  # a terminal's Ctrl-C is for whoever manages it
            env={},
        )
    ours.setblocking(False)
    return Launched(process, ours)
