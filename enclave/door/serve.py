"""The one small door: a frame in, a method of the enclave, a frame out (DESIGN §2).

Owns framing and refusals. The arguments of a request are read in life.py and ledger.py.
"""

import socket

from strongroom.consensus.errors import InvariantBroken, StrongroomError
from strongroom.enclave.door import ledger, life
from strongroom.enclave.door.requests import (
    FRAME_BYTES_MAX,
    LENGTH_BYTES,
    Op,
    decode_request,
    encode_answer,
    encode_refusal,
)
from strongroom.enclave.member.lifecycle import Lifecycle

HANDLERS = life.HANDLERS | ledger.HANDLERS
"""What each request does; every Op stands in one of the two."""
JUDGES_OTHERS = frozenset(
    {
        Op.EPOCHS,
        Op.CHECK_LINK,
        Op.FRESHEN,
        Op.KEYS_GIVE,
        Op.KEYS_TAKE,
        Op.DUTIES,
        Op.QUERY,
        Op.GOVERNANCE,
    }
)
"""Requests that carry what other nodes and clients made, and change nothing until all of it was
checked: a bug of ours in one is told to the host as a refusal. In any other it ends the process,
which may have done half of something."""


class Unforeseen(StrongroomError):
    """A bug of ours, met while a peer's or a client's bytes were judged: an alarm for the host,
    nothing was changed."""


def serve(door: socket.socket, core: Lifecycle) -> None:
    """Answer requests in order until the host closes its end; then return, which ends the process.

    Raises:
        InvariantBroken: our own bug: the process ends rather than go on.
    """
    while True:
        request = _receive(door)
        if request is None:
            return
        answer = answer_to(core, request)
        door.sendall(len(answer).to_bytes(LENGTH_BYTES, "big") + answer)


def answer_to(core: Lifecycle, request: bytes) -> bytes:
    """One request's answer or refusal; what is refused has changed nothing.

    Of an APPLY of several outcomes those before the one that is refused stand: provisional like all
    that is applied.
    """
    op: Op | None = None
    try:
        op, arguments = decode_request(request)
        return encode_answer(HANDLERS[op](core, arguments))
    except InvariantBroken:
        raise
    except StrongroomError as error:
        return encode_refusal(error)
    except (MemoryError, RecursionError, OSError):
        raise
    except Exception as error:
        if op not in JUDGES_OTHERS:
            raise
        return encode_refusal(
            Unforeseen(f"{op.name}: {type(error).__name__}, which nothing had foreseen")
        )


def _receive(door: socket.socket) -> bytes | None:
    head = _exactly(door, LENGTH_BYTES)
    if head is None:
        return None
    size = int.from_bytes(head, "big")
    return None if size > FRAME_BYTES_MAX else _exactly(door, size)


def _exactly(door: socket.socket, size: int) -> bytes | None:
    """This many bytes, or None when the stream ends first."""
    data = bytearray(size)
    view, held = memoryview(data), 0
    while held < size:
        count = door.recv_into(view[held:])
        if count == 0:
            return None
        held += count
    return bytes(data)
