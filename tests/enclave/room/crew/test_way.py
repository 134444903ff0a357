"""A bench's way out when the other end is gone: its last words are not lost (ROOMS §8; T65)."""

from socket import AF_UNIX, SOCK_STREAM, socketpair

import pytest

from strongroom.enclave.room.crew.way import ToCrew, ToRoom, Way
from strongroom.enclave.room.door import DoorClosed

SIZE = 50_000
"""The socket takes so much though nobody reads."""


def test_last_words_are_heard_though_something_was_still_to_be_said() -> None:
    """A foreman says that it is done and ends, while parts for it lie unread and others wait: the
    room that is slow to look must see a job that is done, not a bench that was stopped."""
    ours, theirs = socketpair(AF_UNIX, SOCK_STREAM)
    room, bench = Way(ours, patience_ms=1), Way(theirs, patience_ms=1)
    with ours:
        with theirs:
            room.put(ToCrew.CARRIED, 1, b"unread")
            assert room.flush()
            bench.send(ToRoom.OUT, 0, b"o" * SIZE)
            bench.send(ToRoom.DONE)
        room.put(ToCrew.CARRIED, 1, b"too late")
        assert room.flush()
        assert room.unsent == 0
        assert room.receive() == (ToRoom.OUT, 0, b"o" * SIZE)
        assert room.receive() == (ToRoom.DONE, 0, b"")
        with pytest.raises(DoorClosed):
            room.receive()


def test_a_bench_whose_room_is_gone_says_nothing_for_ever_to_nobody() -> None:
    ours, theirs = socketpair(AF_UNIX, SOCK_STREAM)
    bench = Way(theirs, patience_ms=1)
    ours.close()
    with theirs:
        bench.send(ToRoom.CARRY, 1, b"o" * SIZE)
        with pytest.raises(DoorClosed):
            bench.receive()
