"""What code takes, and what it says: memory, time, bytes, words. Beyond a bound there is no result,
and the bench goes on (T63)."""

import signal
import socket
import struct
from collections.abc import Callable
from time import monotonic
from typing import Any, cast

import pytest

pytest.importorskip("nanoarrow")

from tests.enclave.room.cell.cells import (
    CANARY,
    MEBIBYTE,
    OUT,
    PATIENCE,
    TABLE,
    cell,
    forger,
    stream,
)
from tests.enclave.room.cell.escapes import REACH

from strongroom.enclave.room.cell.columns import OVERHEAD_BYTES
from strongroom.enclave.room.cell.frames import CellGone, Frames, ToBench
from strongroom.enclave.room.cell.link import CodeFailed
from strongroom.enclave.room.cell.program import Asked

GREEDY = {
    "one great block": "kept = bytearray(200 << 20)",
    "many small ones": "kept = [[] for _ in range(10**7)]",
    "a great array": "import numpy as np\n    kept = np.ones(10**8)",
    "a long text": "kept = 'x' * (200 << 20)",
    "a great number": "kept = 1 << (10**10)",
    "memory that is shared": (
        "types = sys.modules['ctypes']\n"
        "    take = types.CDLL(None).mmap\n"
        "    take.restype = types.c_void_p\n"
        "    kept = take(None, 200 << 20, 3, 0x21, -1, 0)\n"
        "    assert kept != types.c_void_p(-1).value"
    ),
}
ENDLESS = {
    "a loop": "while True: pass",
    "a number": "10 ** 10 ** 8 % 7",
    "a pattern": "import re\n    re.fullmatch('(a+)+b', 'a' * 64)",
    "a catch of everything": (
        "while True:\n        try:\n            while True: pass\n"
        "        except BaseException: pass"
    ),
}
OVER = {
    "recursion": "run(room)",
    "recursion without the interpreter's bound": ("sys.setrecursionlimit(10**9)\n    run(room)"),
    "deep data": "x = []\n    for _ in range(10**6): x = [x]\n    repr(x)",
    "the end": "sys.modules['os']._exit(0)",
    "an exit": "raise SystemExit(0)",
    "an abort": "sys.modules['os'].abort()",
}


def run(body: str) -> str:
    return (
        f"import enum\nsys = enum.sys\ndef run(room):\n    {body}\n    room.give_bytes('out', b'x')"
    )


@pytest.mark.parametrize("name", GREEDY)
def test_T63_memory_ends_at_the_contracts_bound(name: str) -> None:
    with cell() as bound, pytest.raises(CodeFailed):
        bound.run(run(GREEDY[name]))


def test_what_the_contract_has_may_be_taken() -> None:
    with cell() as bound:
        assert bound.run(run("kept = bytearray(40 << 20)")).bytes_
    for name in ("memory that is shared", "one great block"):
        with cell(memory=300 * MEBIBYTE) as more:
            assert more.run(run(GREEDY[name])).bytes_


@pytest.mark.parametrize("name", ENDLESS)
def test_T63_code_that_does_not_end_is_killed_at_the_deadline(name: str) -> None:
    with cell() as endless:
        with pytest.raises(CodeFailed):
            endless.run(run(ENDLESS[name]), patience=0.5)
        assert endless.status() == -signal.SIGKILL


def test_T63_the_kernel_ends_code_whose_bench_forgets_it() -> None:
    with cell(limits=False) as endless:
        endless.limit(seconds=1)
        with pytest.raises(CodeFailed, match="the walls ended it"):
            endless.run(run(ENDLESS["a loop"]), words=True)
        assert endless.status() == -signal.SIGKILL


@pytest.mark.parametrize("name", OVER)
def test_T63_code_that_ends_itself_has_no_result(name: str) -> None:
    with cell() as over, pytest.raises(CodeFailed):
        over.run(run(OVER[name]))


def test_T63_a_cell_ends_with_its_bench() -> None:
    with cell() as orphan:
        orphan.started.end.close()
        orphan.started.held.close()
        assert orphan.status() == -signal.SIGKILL


def test_T63_an_error_says_nothing_of_rows() -> None:
    source = "def run(room):\n    raise ValueError(room.table('rows')['who'][0])"
    given = {"rows": stream({"who": [CANARY]})}
    with cell() as quiet:
        with pytest.raises(CodeFailed) as failed:
            quiet.run(source, streams=given)
        assert (str(failed.value), failed.value.__cause__) == ("", None)
        assert failed.value.__suppress_context__
    with (
        cell() as told,
        pytest.raises(CodeFailed, match=f"line 2, in run: .*\nValueError: {CANARY}"),
    ):
        told.run(source, streams=given, words=True)


# --- a cell that says what it likes ---------------------------------------------------------------


def head(kind: int, size: int) -> bytes:
    return struct.pack("!BQ", kind, size)


def endless(write: Callable[[socket.socket], Any]) -> Callable[[Frames, socket.socket], None]:
    def act(_frames: Frames, door: socket.socket) -> None:
        while True:
            write(door)

    return act


def once(data: bytes) -> Callable[[Frames, socket.socket], None]:
    return lambda _frames, door: door.sendall(data)


def frames(*given: tuple[int, bytes]) -> Callable[[Frames, socket.socket], None]:
    return once(b"".join(head(kind, len(data)) + data for kind, data in given))


def ended(data: bytes) -> Callable[[Frames, socket.socket], None]:
    def act(_frames: Frames, door: socket.socket) -> None:
        door.sendall(data)
        door.shutdown(socket.SHUT_RDWR)

    return act


def slowly(_frames: Frames, door: socket.socket) -> None:
    door.sendall(head(ToBench.BYTES, OVERHEAD_BYTES))
    for _ in range(OVERHEAD_BYTES):
        door.sendall(b"x")
        signal.sigtimedwait([], 0.005)


X = b"\x03out" + b"x"
DONE = (ToBench.DONE, b"")
FORGED: dict[str, Callable[[Frames, socket.socket], None]] = {
    "a length beyond what is asked": once(head(ToBench.BYTES, 1000 + OVERHEAD_BYTES + 1)),
    "a length beyond everything": once(head(ToBench.BYTES, (1 << 64) - 1)),
    "too many bytes": frames((ToBench.BYTES, b"\x03out" + bytes(1000 + OVERHEAD_BYTES)), DONE),
    "a kind that is none": frames((99, X), DONE),
    "a kind of a bench": frames((0, X), DONE),
    "another kind than asked": frames((ToBench.MODEL, b"\x03out{}"), DONE),
    "a name that nobody asked for": frames((ToBench.BYTES, b"\x03end" + b"x"), DONE),
    "a name that is none": frames((ToBench.BYTES, b"\x03\xff\xff\xff"), DONE),
    "a name that is longer than all": frames((ToBench.BYTES, b"\xff"), DONE),
    "the same output twice": frames((ToBench.BYTES, X), (ToBench.BYTES, X), DONE),
    "an end with words": frames((ToBench.BYTES, X), (ToBench.DONE, CANARY.encode())),
    "a failure with words": frames((ToBench.BYTES, X), (ToBench.FAILED, CANARY.encode())),
    "walls again": frames((ToBench.WALLED, b""), DONE),
    "an end in the middle": ended(head(ToBench.DONE, 0)[:3]),
    "no word at all": ended(b""),
}
ENDLESSLY: dict[str, Callable[[Frames, socket.socket], None]] = {
    "bytes": endless(lambda door: door.sendall(bytes(1 << 16))),
    "outputs": endless(lambda door: door.sendall(head(ToBench.BYTES, len(X)) + X)),
    "nothing": once(b""),
    "a frame that never ends": once(head(ToBench.BYTES, 1000) + b"x"),
    "a byte at a time": slowly,
}


def test_a_forger_that_says_what_is_asked_is_taken() -> None:
    with forger(frames((ToBench.BYTES, X), DONE)) as honest:
        assert honest.run("").bytes_ == {"out": b"x"}


@pytest.mark.parametrize("name", FORGED)
def test_T63_frames_that_a_cell_forges_are_no_result(name: str) -> None:
    with forger(FORGED[name]) as liar:
        begun = monotonic()
        with pytest.raises(CodeFailed) as failed:
            liar.run("")
        assert str(failed.value) == ""
        assert monotonic() - begun < PATIENCE / 2, "what is no frame is not waited for"
        assert liar.status() == -signal.SIGKILL


@pytest.mark.parametrize("name", ENDLESSLY)
def test_T63_a_cell_that_does_not_stop_is_killed(name: str) -> None:
    with forger(ENDLESSLY[name]) as liar:
        begun = monotonic()
        with pytest.raises(CodeFailed):
            liar.run("", patience=1.0)
        assert monotonic() - begun < 60
        assert liar.status() == -signal.SIGKILL


class Trickle:
    """A socket that is never silent, and never done."""

    def recv(self, _size: int) -> bytes:
        return b"x"

    def send(self, _data: memoryview) -> int:
        return 1

    def setblocking(self, _on: bool) -> None: ...

    def setsockopt(self, *_: object) -> None: ...


def test_T63_the_deadline_holds_for_who_is_never_silent() -> None:
    busy = Frames(cast(socket.socket, Trickle()))
    with pytest.raises(CellGone):
        busy._exactly(1 << 20, monotonic() - 1)
    with pytest.raises(CellGone):
        busy.send(ToBench.BYTES, bytes(1 << 20), until=monotonic() - 1)


def test_T63_code_reaches_the_frames_and_forges_in_vain() -> None:
    """The same from inside: code finds the socket to its bench, and may say what it likes there."""
    body = """
        link().sendall(bytes((5,)) + (2000 + (1 << 17)).to_bytes(8, "big"))
    """
    with cell() as inside, pytest.raises(CodeFailed):
        inside.run(REACH.replace("BODY", body.strip()))
    early = r'link().sendall(bytes((5, *[0] * 7, 5)) + b"\x03out" + b"y" + bytes((6, *[0] * 8)))'
    with cell() as inside:
        gave = inside.run(REACH.replace("BODY", early))
        assert gave.bytes_ == {"out": b"y"}  # as if it had given it: within the same bounds


def test_T63_what_comes_after_the_end_is_read_by_the_next_stage_as_its_own() -> None:
    """A cell that answers before it is asked answers for itself, and within the next bounds."""
    late = r'link().sendall(bytes((6, *[0] * 8)) + bytes((5, *[0] * 7, 5)) + b"\x03odd" + b"z")'
    with cell() as inside:
        assert inside.run(REACH.replace("BODY", late)).names() == set()
        with pytest.raises(CodeFailed):
            inside.run("def run(room): ...")


def test_an_output_that_is_not_given_is_not_there() -> None:
    with cell() as lazy:
        assert lazy.run("def run(room): ...").names() == set()


def test_T63_bytes_end_at_the_contracts_quota() -> None:
    source = "def run(room):\n    room.give_bytes('out', bytes(room.parameters['n']))"
    with cell() as quota:
        assert len(quota.run(source, parameters={"n": 1000}).bytes_["out"]) == 1000
        with pytest.raises(CodeFailed):
            quota.run(source, parameters={"n": 1001})


def test_T63_a_reply_after_the_kill_counts_for_nothing() -> None:
    """It has said it before, where the bench has not looked yet."""
    with forger(frames((99, b""), (ToBench.BYTES, X), DONE)) as liar:
        with pytest.raises(CodeFailed):
            liar.run("")
        with pytest.raises(CodeFailed, match="was ended before"):
            liar.run("", streams={}, words=True)


def test_T63_each_output_has_a_bound_of_its_own() -> None:
    asked = {"out": Asked("bytes", (), 1000), "big": Asked("bytes", (), 1 << 20)}
    small = frames((ToBench.BYTES, b"\x03out" + bytes(1000)), DONE)
    great = frames((ToBench.BYTES, b"\x03out" + bytes(2 * OVERHEAD_BYTES)), DONE)
    with forger(small) as honest:
        assert honest.run("", asked).names() == {"out"}
    with forger(great) as liar, pytest.raises(CodeFailed):
        liar.run("", asked)


def test_T63_a_table_is_bounded_by_the_same() -> None:
    asked = {"out": Asked("table", (("n", "integer"),), 8000)}
    source = "def run(room):\n    room.give_table('out', {'n': list(range(room.parameters['n']))})"
    with cell() as quota:
        assert quota.run(source, asked, parameters={"n": 1000}).tables["out"][0].rows == 1000
        with pytest.raises(CodeFailed):
            quota.run(source, asked, parameters={"n": 1000 + OVERHEAD_BYTES})
    assert OUT.keys() == TABLE.keys()
