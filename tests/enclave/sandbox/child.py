"""Doing something in a child of this process, behind the real walls: what it says, and how it
ends."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from strongroom.enclave.sandbox.entering import enter_sandbox, load_what_is_loaded_late

UNCAUGHT = 99
SAID_BYTES_MAX = 65536


@dataclass(frozen=True)
class Ended:
    """A child that is gone."""

    said: str
    status: int
    """Exit status, or a signal's number made negative."""


def behind_walls(
    act: Callable[[], object], *, before: Callable[[], object] = lambda: None
) -> Ended:
    """Fork, call `before`, raise the walls, call `act`; the child says what `act` returned, or what
    it raised."""
    load_what_is_loaded_late()
    ours, theirs = socket.socketpair()
    host = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            before()
            enter_sandbox(theirs.fileno(), host_pid=host)
            theirs.sendall(f"{act()}".encode())
            os._exit(0)
        except BaseException as error:
            theirs.sendall(_told(error)[:SAID_BYTES_MAX])
            os._exit(UNCAUGHT)
    theirs.close()
    said = b""
    with ours:
        while chunk := ours.recv(SAID_BYTES_MAX):
            said += chunk
    return Ended(said.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _told(error: BaseException) -> bytes:
    """Class, text and places; the traceback module would read source files."""
    places, trace = [], error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}\n{chr(10).join(places)}".encode()
