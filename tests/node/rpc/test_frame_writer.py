"""Writing to one WebSocket: one write a turn, in order, and nobody holds memory by not reading."""

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from strongroom.node.rpc import frames
from strongroom.node.rpc.forms import JSON, MSGPACK
from strongroom.node.rpc.frame_writer import TURN_BYTES_MAX, FrameWriter

SHORT = b"an answer"
LONG = bytes(3 * frames.PIECE_BYTES)


@dataclass
class Peer:
    """The other end: what it was written, whether it takes more, whether it is cut off."""

    writes: list[bytes] = field(default_factory=list)
    closing: bool = False
    closed: bool = False
    _paused: bool = False
    taken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def transport(self) -> "Peer":
        return self

    @property
    def protocol(self) -> "Peer":
        return self

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True

    def get_extra_info(self, _name: str) -> None:
        return None

    async def _drain_helper(self) -> None:
        await self.taken.wait()


def _writer(peer: Any, seconds: float = 30.0) -> FrameWriter:
    return FrameWriter(peer, peer, seconds)


async def _turns() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


async def test_messages_of_one_turn_leave_in_one_write_in_their_order() -> None:
    peer = Peer()
    writer = _writer(peer)
    await writer.send(MSGPACK, SHORT)
    await writer.send(JSON, b"{}")
    assert writer.put(frames.whole(True, b"[]"))
    assert peer.writes == []
    await _turns()
    assert peer.writes == [
        frames.whole(False, SHORT) + frames.whole(True, b"{}") + frames.whole(True, b"[]")
    ]
    await writer.send(MSGPACK, SHORT)
    await _turns()
    assert peer.writes[1:] == [frames.whole(False, SHORT)]


async def test_T31_a_turn_that_says_much_holds_no_more_than_its_bound() -> None:
    peer = Peer()
    writer = _writer(peer)
    message = bytes(frames.PIECE_BYTES)
    for _ in range(9):
        await writer.send(MSGPACK, message)
        assert writer._pending_bytes <= TURN_BYTES_MAX
    await _turns()
    assert b"".join(peer.writes) == 9 * frames.whole(False, message)


async def test_nothing_comes_between_the_pieces_of_a_long_message() -> None:
    peer = Peer()
    writer = _writer(peer)

    async def short_and_long() -> None:
        await writer.send(MSGPACK, b"before")
        await writer.send(MSGPACK, LONG)

    long = asyncio.create_task(short_and_long())
    await asyncio.sleep(0)
    assert writer.busy
    assert not writer.put(frames.whole(True, b"an event"))
    after = asyncio.create_task(writer.send(MSGPACK, b"after"))
    await asyncio.gather(long, after)
    await _turns()
    assert b"".join(peer.writes) == (
        frames.whole(False, b"before") + frames.whole(False, LONG) + frames.whole(False, b"after")
    )


async def test_T31_a_peer_that_does_not_read_is_written_nothing_and_cut_off() -> None:
    peer = Peer(_paused=True)
    writer = _writer(peer, seconds=0.01)
    assert not writer.put(frames.whole(True, b"an event"))
    await writer.send(MSGPACK, SHORT)
    assert peer.writes == []
    assert peer.closing


async def test_an_answer_waits_for_a_peer_that_reads_on() -> None:
    peer = Peer(_paused=True)
    writer = _writer(peer)
    answer = asyncio.create_task(writer.send(MSGPACK, SHORT))
    await _turns()
    assert peer.writes == []
    peer._paused = False
    peer.taken.set()
    await answer
    assert peer.writes == [frames.whole(False, SHORT)]


async def test_what_was_said_before_a_close_leaves_before_it_and_nothing_after() -> None:
    peer = Peer()
    writer = _writer(peer)
    await writer.send(MSGPACK, SHORT)
    writer.flush()
    assert peer.writes == [frames.whole(False, SHORT)]
    await writer.send(MSGPACK, SHORT)
    peer.closed = True
    await _turns()
    await writer.send(MSGPACK, SHORT)
    await _turns()
    assert peer.writes == [frames.whole(False, SHORT)]


async def test_the_time_to_take_a_message_begins_with_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who reads slowly, but reads, is not cut off for what waits before a message."""
    peer = Peer(_paused=True)
    writer = _writer(peer)
    begun: list[bool] = []

    def timed(_seconds: float) -> nullcontext[None]:
        begun.append(writer.busy)
        return nullcontext()

    monkeypatch.setattr("strongroom.node.rpc.frame_writer.asyncio.timeout", timed)
    sending = [asyncio.create_task(writer.send(MSGPACK, SHORT)) for _ in range(3)]
    await _turns()
    assert begun == [True]
    peer.taken.set()
    await asyncio.gather(*sending)
    assert begun == [True] * 3
    assert len(b"".join(peer.writes)) == 3 * len(frames.whole(False, SHORT))
