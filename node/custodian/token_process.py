"""The child process that holds the device: one thread, one request at a time, one pipe.

    python -B -m strongroom.node.custodian.token_process DESCRIPTOR PARENT

PKCS#11 is loaded here and nowhere else: `python-pkcs11` initialises a module without asking it to
lock and lets other threads run meanwhile, so a second thread could corrupt it; and a module may
hang or crash, which then costs this process alone. What goes wrong is answered by a code and words
of our own, never by a traceback, for the PIN could stand in one.
"""

import os
import signal
import socket
import sys

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.node.custodian.pin import keep_from_others
from strongroom.node.custodian.token_objects import TokenProblem
from strongroom.node.custodian.token_session import TokenSession
from strongroom.node.custodian.token_words import LENGTH_BYTES, Ask, frame, length_of


def main() -> None:
    """Serve until the other end closes."""
    keep_from_others()
    _end_with(int(sys.argv[2]))
    with socket.socket(fileno=int(sys.argv[1])) as pipe:
        session = TokenSession()
        while (request := _receive(pipe)) is not None:
            pipe.sendall(frame(_answer(session, request)))


def _end_with(parent: int) -> None:
    """Die with the custodian, also while a module hangs (Linux; elsewhere at the next request)."""
    if sys.platform == "linux":
        from strongroom.enclave.sandbox import kernel

        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)


def _answer(session: TokenSession, request: bytes) -> codec.Wire:
    """(True, result), or (False, code, words)."""
    try:
        ask, arguments = codec.fields(codec.decode(request), str, tuple, name="request")
        return (True, session.do(Ask(ask), arguments))
    except TokenProblem as problem:
        return (False, problem.code, problem.words)
    except Exception as error:  # its text may show what it was given
        return (False, "device", f"an unforeseen {type(error).__name__} of the device's module")


def _receive(pipe: socket.socket) -> bytes | None:
    """One frame; None when the other end has closed."""
    prefix = _exactly(pipe, LENGTH_BYTES)
    return None if prefix is None else _exactly(pipe, length_of(prefix))


def _exactly(pipe: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        some = pipe.recv(size - len(data))
        if not some:
            return None
        data += some
    return data


if __name__ == "__main__":
    try:
        main()
    except (OSError, NotCanonical):
        sys.exit(1)
