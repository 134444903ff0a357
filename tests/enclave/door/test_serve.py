"""The door's stream: whole requests, in order, however the bytes come, until it ends."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.hang import HANG_SECONDS

from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import Digest, Epoch, Signature, SignerIndex, View
from strongroom.enclave.door.refusals import Refusal, RefusalKind
from strongroom.enclave.door.requests import (
    FRAME_BYTES_MAX,
    LENGTH_BYTES,
    NUMBER_BYTES,
    Op,
    decode_answer,
    encode_request,
)
from strongroom.enclave.door.serve import serve
from strongroom.enclave.execution.executor import go_on
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

    def __init__(self, core: StandInCore | None = None) -> None:
        self.host, self.inner = socket.socketpair()
        self.host.settimeout(HANG_SECONDS)
        self.core = StandInCore() if core is None else core
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


class SlowCore(StandInCore):
    """Executes in slices, between which the door may answer; it waits for the test before each."""

    stage = Stage.FRESH

    def __init__(self) -> None:
        super().__init__()
        self.on_slice: Callable[[], None] = go_on
        self.begun, self.may = threading.Semaphore(0), threading.Semaphore(0)
        self.steps: list[str] = []
        self.active: Any = self

    def sign_batch(self, digest: bytes) -> bytes:
        self.steps.append("sign")
        return bytes(64)

    def execute(self, _blocks: object, _certificate: object) -> tuple[object, ...]:
        self.steps.append("begin")
        for _ in range(3):
            self.begun.release()
            assert self.may.acquire(timeout=HANG_SECONDS)
            self.steps.append("slice")
            self.on_slice()
        self.steps.append("end")
        return ()

    def slice(self) -> None:
        """Let one slice pass, and the door look."""
        self.may.release()


SIGN = encode_request(Op.SIGN_BATCH, bytes(32))


@pytest.fixture
def slow(execution: bytes) -> Iterator[tuple[Door, SlowCore]]:
    core = SlowCore()
    door = Door(core)
    door.host.sendall(framed(execution, 1))
    assert core.begun.acquire(timeout=HANG_SECONDS)
    yield door, core
    for _ in range(3):
        core.slice()
    assert door.ended()


@pytest.fixture
def execution() -> bytes:
    """A request to execute."""
    statement = Statement(Kind.FINALIZE, Epoch(0), View(1), Digest(bytes([1]) * 32))
    certificate = Certificate(statement, (SignerIndex(0),), (Signature(bytes(64)),))
    return encode_request(Op.EXECUTE, *Op.EXECUTE.arguments.encode(((), certificate)))


def test_a_batch_is_signed_between_two_slices_of_an_execution(
    slow: tuple[Door, SlowCore],
) -> None:
    door, core = slow
    door.host.sendall(framed(SIGN, 2) + framed(SIGN, 3))
    core.slice()
    assert [door.numbered()[0] for _ in range(2)] == [2, 3]
    assert core.steps == ["begin", "slice", "sign", "sign"]
    core.slice()
    core.slice()
    assert door.numbered() == (1, ())
    assert core.steps[-1] == "end"


def test_what_is_not_prompt_waits_for_the_end_and_so_does_all_behind_it(
    slow: tuple[Door, SlowCore],
) -> None:
    door, core = slow
    door.host.sendall(framed(encode_request(Op.DESCRIBE), 2) + framed(SIGN, 3))
    for _ in range(3):
        core.slice()
    assert [door.numbered()[0] for _ in range(3)] == [1, 2, 3]
    assert core.steps == ["begin", "slice", "slice", "slice", "end", "sign"]


@pytest.mark.parametrize("cut", [1, LENGTH_BYTES, LENGTH_BYTES + NUMBER_BYTES, -1])
def test_half_a_request_is_waited_for_by_nobody(slow: tuple[Door, SlowCore], cut: int) -> None:
    door, core = slow
    request = framed(SIGN, 2)
    door.host.sendall(request[:cut])
    for _ in range(3):
        core.slice()
    assert door.numbered()[0] == 1
    door.host.sendall(request[cut:])
    assert door.numbered()[0] == 2


def test_a_prompt_request_that_is_refused_is_told_so_and_the_execution_goes_on(
    slow: tuple[Door, SlowCore],
) -> None:
    door, core = slow
    door.host.sendall(framed(encode_request(Op.SIGN_BATCH, bytes(31)), 2) + framed(b"\xff", 3))
    for _ in range(3):
        core.slice()
    with pytest.raises(Refusal) as refused:
        door.answer()
    assert refused.value.kind is RefusalKind.NOT_CANONICAL
    assert door.numbered() == (1, ())
    with pytest.raises(Refusal):
        door.answer()


def test_a_host_that_goes_away_during_an_execution_ends_the_enclave(execution: bytes) -> None:
    core = SlowCore()
    door = Door(core)
    door.host.sendall(framed(execution, 1))
    assert core.begun.acquire(timeout=HANG_SECONDS)
    door.host.shutdown(socket.SHUT_WR)
    core.slice()
    door.thread.join(HANG_SECONDS)
    assert not door.thread.is_alive()
    assert "end" not in core.steps
    assert door.ended()


def test_only_what_no_block_changes_is_prompt() -> None:
    """A vote and a batch's signature: whatever reads or changes what blocks change would see half
    of one."""
    assert {op for op in Op if op.prompt} == {Op.CAST, Op.SIGN_BATCH}


@pytest.mark.parametrize("size", [0, NUMBER_BYTES - 1, FRAME_BYTES_MAX + 1])
def test_T31_a_frame_of_a_size_that_none_has_ends_the_enclave(size: int) -> None:
    door = Door()
    door.host.sendall(size.to_bytes(LENGTH_BYTES, "big") + bytes(8))
    door.thread.join(HANG_SECONDS)
    ended = not door.thread.is_alive()
    door.ended()
    assert ended
