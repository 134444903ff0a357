"""What a worker takes from its bench, which has seen rows: outputs in order, or a failure without a
word (T63)."""

import socket
from typing import Any

import pytest

from strongroom.enclave.room.door import Door
from strongroom.enclave.room.turns import Turns
from strongroom.enclave.room.worker.link import BenchLink, TooLate, ToWorker

ENDLESS = 1e9


def told(*frames: tuple[Any, ...], until: float = ENDLESS, gone: bool = True) -> Any:
    """What the worker makes of frames that its bench says, before it ends."""
    ours, theirs = socket.socketpair()
    bench = Door(theirs)
    for frame in frames:
        bench.send(*frame)
    turns = Turns()
    with ours, theirs:
        link = BenchLink(ours)
        if gone:
            theirs.shutdown(socket.SHUT_WR)
        return turns.run(turns.spawn(link.outputs(turns, until)), lambda: None)


def out(entry: int, output: str, data: bytes, recipient: bytes = b"") -> tuple[Any, ...]:
    return (ToWorker.OUT, entry, output, recipient, data)


def test_parts_of_an_output_are_one() -> None:
    frames = out(0, "a", b"1"), out(0, "a", b"2"), out(1, "b", b"", b"who"), (ToWorker.DONE,)
    assert told(*frames) == [("a", b"", b"12"), ("b", b"who", b"")]


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [(ToWorker.FAILED,)],
        [out(0, "a", b"1")],
        [out(0, "a", b"1"), (ToWorker.FAILED,)],
        [out(1, "a", b"1"), (ToWorker.DONE,)],
        [(ToWorker.OUT, 0, "a", b""), (ToWorker.DONE,)],
        [(ToWorker.DONE, "and a row")],
        [(99, "a row")],
    ],
)
def test_T63_whatever_else_it_says_is_a_job_that_failed(frames: list[tuple[Any, ...]]) -> None:
    assert told(*frames) is None


def test_a_bench_that_is_not_done_in_time_is_no_failure() -> None:
    with pytest.raises(TooLate):
        told(until=0.0, gone=False)
