"""Rows that a bench reads while they are on their way: in whatever order it asks, again, or not at
all; and a worker that waits for its bench and for nobody alone (ROOMS §4)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

pytest.importorskip("nanoarrow")

from tests.enclave.room.worker.jobs import people

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.room.analytics.streams import NoStream, Stream
from strongroom.enclave.room.door import LENGTH_BYTES, Door, DoorClosed, framed
from strongroom.enclave.room.library.shapes import Kind, Table
from strongroom.enclave.room.turns import Turns
from strongroom.enclave.room.worker import tables
from strongroom.enclave.room.worker.arriving import Arriving
from strongroom.enclave.room.worker.bench import _check_alone
from strongroom.enclave.room.worker.link import PART_BYTES, BenchLink, ToBench, TooLate

RUN = framed(ToBench.RUN)
LATE = 1e9


def part(index: int, segment: int, data: bytes, size: int | None = None) -> bytes:
    return framed(ToBench.PART, index, segment, len(data) if size is None else size) + data


@contextmanager
def told(*said: bytes, announced: list[list[int]]) -> Iterator[Arriving]:
    """Inputs of a bench whose worker has said so much, and is gone."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        ours.sendall(b"".join(said))
        ours.shutdown(socket.SHUT_WR)
        yield Arriving(Door(theirs), announced)


def who(stream: Stream) -> list[int]:
    return list(tables.read(stream).columns["who"])


def taken(arriving: Arriving) -> None:
    """All of it, up to the word that there is no more."""
    while arriving._now < len(arriving._order):
        arriving._more()


def cut(data: bytes, *sizes: int) -> list[bytes]:
    made, at = [], 0
    for size in (*sizes, len(data)):
        made.append(data[at : at + size])
        at += size
    return made


def test_what_is_asked_for_first_may_come_last_and_all_is_read_again() -> None:
    one, two = people(0, 40), people(40, 20)
    said = [part(0, 0, some) for some in cut(one, 1, 7, 100)] + [part(1, 0, two), RUN]
    with told(*said, announced=[[1], [1]]) as arriving:
        first, second = arriving.rows(0), arriving.rows(1)
        assert who(second) == list(range(40, 60))
        assert who(first) == who(first) == list(range(40))
        arriving.end()


def test_segments_follow_each_other_and_have_the_same_columns() -> None:
    said = part(0, 0, people(0, 3)), part(0, 1, people(3, 2)), RUN
    with told(*said, announced=[[1, 1]]) as arriving:
        rows = arriving.rows(0)
        assert who(rows) == who(rows) == [0, 1, 2, 3, 4]
    other = tables.write(Table.of({"who": [1]}), {"who": Kind.INTEGER}, 6)
    with pytest.raises(NoStream):
        tables.read(Stream.of(people(0, 3), other))


def test_a_stream_is_read_before_all_of_it_is_here() -> None:
    with told(part(0, 0, people(0, 40)), announced=[[2]]) as arriving:
        schema = arriving.rows(0).batches().get_schema()
        assert [child.name for child in schema.children] == ["who", "place", "value"]
        with pytest.raises(DoorClosed):  # the worker went before it said that this was all
            arriving.end()


def test_what_nobody_reads_is_taken_and_not_kept() -> None:
    with told(part(0, 0, bytes(1000)), part(0, 0, bytes(10)), RUN, announced=[[1]]) as arriving:
        arriving.end()
        assert all(segment.filled == 0 for segment in arriving._order)


@pytest.mark.parametrize(
    "said",
    [
        [part(1, 0, b"x")],
        [part(0, 1, b"x")],
        [part(-1, 0, b"x")],
        [part(0, 0, b"x"), part(0, 0, b"", PART_BYTES)],
        [part(0, 0, b"", 0)],
        [part(0, 0, b"", -1)],
        [part(0, 0, b"", PART_BYTES + 1)],
        [framed(ToBench.PART, 0, 0)],
        [framed(ToBench.JOB, 0, 0, 1)],
        [part(0, 0, b"ab", 3)],
    ],
)
def test_what_was_not_announced_is_not_taken(said: list[bytes]) -> None:
    with told(*said, RUN, announced=[[1]]) as arriving, pytest.raises(DoorClosed):
        taken(arriving)


def test_segments_do_not_go_back() -> None:
    said = part(1, 0, b"x"), part(0, 0, b"x")
    with told(*said, announced=[[1], [1]]) as arriving:
        arriving._more()
        with pytest.raises(DoorClosed):
            arriving._more()


def test_while_a_bench_takes_nothing_others_have_their_turns() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = BenchLink(ours)
        turns, beats = Turns(), list[int]()

        async def beat() -> None:
            for at in range(5):
                beats.append(at)
                await turns.pause(0.0)

        async def give() -> None:
            turns.spawn(beat())
            while len(beats) < 5:
                await link._say(turns, LATE, bytes(PART_BYTES))

        def look() -> None:
            if len(beats) == 5:
                theirs.close()

        with pytest.raises(DoorClosed):
            turns.run(turns.spawn(give()), look)
        assert beats == [0, 1, 2, 3, 4]


def test_T63_nobody_waits_for_a_bench_that_is_slow_while_rows_arrive() -> None:
    """Its host would see, chunk by chunk, where the computation stalls."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link, parts = BenchLink(ours), 12
        for at in range(parts):
            link.part((0, 0), bytes([at]) * PART_BYTES)
        ours.setblocking(False)
        theirs.setblocking(False)
        came, turns = bytearray(), Turns()

        def look() -> None:
            with suppress(BlockingIOError):
                while some := theirs.recv(1 << 20):
                    came.extend(some)

        turns.run(turns.spawn(link._say(turns, LATE, framed(ToBench.RUN))), look)
        look()
        said = b"".join(part(0, 0, bytes([at]) * PART_BYTES) for at in range(parts))
        assert bytes(came) == said + framed(ToBench.RUN)


def test_a_bench_that_takes_nothing_in_time_is_late() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = BenchLink(ours)
        turns = Turns()

        async def give() -> None:
            while True:
                await link._say(turns, turns.now() + 0.01, bytes(PART_BYTES))

        with pytest.raises(TooLate):
            turns.run(turns.spawn(give()), lambda: None)


def test_T63_a_bench_with_a_thread_of_some_library_does_not_start() -> None:
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    try:
        with pytest.raises(OperatorFault, match="thread"):
            _check_alone()
    finally:
        over.set()
        other.join()


def frames(*said: bytes) -> list[Any]:
    """What a door makes of bytes as they come."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        door = Door(theirs)
        door.limit(receiving_ms=1)
        made = list[Any]()
        for some in said:
            ours.sendall(some)
            while (frame := door.receive()) is not None:
                made.append(frame)
        return made


@pytest.mark.parametrize("size", [1, 65_530, 65_536, 70_000, 3 << 16])
def test_frames_of_any_length_come_in_any_pieces(size: int) -> None:
    one, two = framed(1, bytes(size)), framed(2, b"after")
    both = one + two
    for at in (1, LENGTH_BYTES, LENGTH_BYTES + 1, len(one) - 1, len(one), len(one) + 2):
        assert frames(both[:at], both[at:]) == [(1, bytes(size)), (2, b"after")]


@pytest.mark.parametrize(
    "look", [lambda door: door.receive(), lambda door: door.receive_into(memoryview(bytearray(1)))]
)
def test_who_ends_without_reading_has_gone(look: Any) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"unread")
        ours.close()  # the kernel resets the connection
        with pytest.raises(DoorClosed):
            look(Door(theirs))


def test_T67_a_frame_that_is_too_long_is_none() -> None:
    with pytest.raises(DoorClosed):
        frames((1 << 31).to_bytes(LENGTH_BYTES, "big") + bytes(100_000))
