"""The door's stream: whole requests, in order, however the bytes come, until it ends."""

import socket
import threading
from typing import Any

import pytest
from tests.hang import HANG_SECONDS

from strongroom.enclave.door.requests import (
    FRAME_BYTES_MAX,
    LENGTH_BYTES,
    NUMBER_BYTES,
    Op,
    decode_answer,
    encode_request,
)
from strongroom.enclave.door.serve import serve
from strongroom.enclave.member.stage import Stage


class StandInCore:
    """Describes itself, and counts how often."""

    stage = Stage.EMPTY

    def __init__(self) -> None:
        self.asked = 0

    def describe(self) -> tuple[bytes, bytes]:
        self.asked += 1
        return b"measurement", bytes([self.asked])


class Door:
    """A host's end of a door that is served in a thread."""

    def __init__(self) -> None:
        self.host, self.inner = socket.socketpair()
        self.host.settimeout(HANG_SECONDS)
        self.core = StandInCore()
        loose: Any = self.core
        self.thread = threading.Thread(target=serve, args=(self.inner, loose), daemon=True)
        self.thread.start()

    def answer(self) -> object:
        """The next one."""
        return self.numbered()[1]

    def numbered(self) -> tuple[int, object]:
        """The next one, with its request's number."""
        size = int.from_bytes(self._exactly(LENGTH_BYTES), "big")
        number = int.from_bytes(self._exactly(NUMBER_BYTES), "big")
        return number, decode_answer(self._exactly(size - NUMBER_BYTES))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self.host.recv(size - len(data))
        return data

    def ended(self) -> bool:
        """Does the enclave stop serving? Both ends are closed then."""
        self.host.shutdown(socket.SHUT_WR)
        self.thread.join(HANG_SECONDS)
        self.host.close()
        self.inner.close()
        return not self.thread.is_alive()


def framed(request: bytes, number: int = 0) -> bytes:
    data = number.to_bytes(NUMBER_BYTES, "big") + request
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


REQUEST = framed(encode_request(Op.DESCRIBE))


@pytest.mark.parametrize("begun", [0, 1, LENGTH_BYTES, LENGTH_BYTES + 1])
def test_requests_are_answered_in_order_however_their_bytes_come(begun: int) -> None:
    door = Door()
    door.host.sendall(2 * REQUEST + REQUEST[:begun])
    answers = [door.answer(), door.answer()]
    door.host.sendall(REQUEST[begun:])
    answers.append(door.answer())
    assert answers == [(b"measurement", bytes([number])) for number in (1, 2, 3)]
    assert door.ended()


@pytest.mark.parametrize("rest", [b"", b"\x00", REQUEST[:-1]])
def test_a_stream_that_ends_within_a_request_ends_the_enclave_without_an_answer(
    rest: bytes,
) -> None:
    door = Door()
    door.host.sendall(REQUEST + rest)
    door.answer()
    door.host.shutdown(socket.SHUT_WR)
    door.thread.join(HANG_SECONDS)
    door.inner.close()
    assert door.host.recv(1) == b""
    assert door.ended()


def test_T31_a_request_beyond_the_bound_ends_the_enclave_before_its_bytes_come() -> None:
    door = Door()
    door.host.sendall((FRAME_BYTES_MAX + 1).to_bytes(LENGTH_BYTES, "big"))
    door.thread.join(HANG_SECONDS)
    ended = not door.thread.is_alive()
    door.ended()
    assert ended
