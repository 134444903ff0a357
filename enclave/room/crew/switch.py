"""Channels between members of a crew, over the one way that each bench has: to its own room, which
seals and carries (ROOMS §8).

Owns channels, messages in parts and the window: a sender waits until the other end has taken what
is under way, so that no queue between them grows. Knows no key and no scheduler.

    a part:  channel (4 bytes), kind (1), of whoever opened it (1), then its bytes
"""

import asyncio
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from enum import IntEnum

from strongroom.consensus.errors import PeerFault
from strongroom.enclave.room.crew.link import RECORD_BYTES_MAX

_HEAD = struct.Struct(">IBB")
_COUNT = struct.Struct(">Q")
PART_BYTES = RECORD_BYTES_MAX - _HEAD.size
WINDOW_BYTES = 8 << 20
"""Of one channel and way, sent and not taken yet."""
CHANNELS_MAX = 1024
"""Of one member, with one other."""
FRAMES_MAX = 1 << 20
Send = Callable[[int, bytes], None]
Accept = Callable[["Channel"], Awaitable[None]]


class Part(IntEnum):
    """Kinds of parts."""

    OPEN = 1
    MORE = 2
    LAST = 3
    CLOSE = 4
    TAKEN = 5


class ChannelClosed(PeerFault):
    """The other end of a channel is gone."""


class Channel:
    """One stream of messages between two members, both ways."""

    def __init__(self, switch: "Switch", peer: int, number: int, opened_here: bool) -> None:
        self.peer = peer
        self._switch, self._number, self._opened_here = switch, number, opened_here
        self._message = bytearray()
        self._messages: deque[bytearray] = deque()
        self._under_way = 0
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self.closed = False

    @property
    def key(self) -> tuple[int, int, bool]:
        """By which its switch knows it."""
        return self.peer, self._number, self._opened_here

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send a message, as fast as it is taken.

        Raises:
            ChannelClosed: the other end is gone.
        """
        view = memoryview(data)
        async with self._writing:
            for at in range(0, max(len(view), 1), PART_BYTES):
                part = view[at : at + PART_BYTES]
                while self._under_way >= WINDOW_BYTES and not self.closed:
                    await self._wait()
                if self.closed:
                    raise ChannelClosed("the other member is gone")
                last = at + PART_BYTES >= len(view)
                self._under_way += len(part)
                self._say(Part.LAST if last else Part.MORE, part)

    async def read(self) -> bytearray:
        """The next message.

        Raises:
            ChannelClosed: there is none any more.
        """
        while not self._messages:
            if self.closed:
                raise ChannelClosed("the other member is gone")
            await self._wait()
        return self._messages.popleft()

    def close(self) -> None:
        """Say that nothing more comes; what the other end has sent is still read."""
        if not self.closed:
            self._say(Part.CLOSE)
            self._switch.forget(self)
            self.end()

    def end(self) -> None:
        """The other end is gone."""
        self.closed = True
        self._changed.set()

    def take(self, kind: Part, data: bytes) -> None:
        """A part that came."""
        if kind is Part.TAKEN:
            self._under_way -= _COUNT.unpack(data)[0]
        else:
            self._message += data
            if data:
                self._say(Part.TAKEN, _COUNT.pack(len(data)))
            if kind is Part.LAST:
                self._messages.append(self._message)
                self._message = bytearray()
        self._changed.set()

    def _say(self, kind: Part, data: bytes | memoryview = b"") -> None:
        head = _HEAD.pack(self._number, kind, self._opened_here)
        self._switch.send(self.peer, b"".join((head, data)))

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class Switch:
    """All channels of one member."""

    def __init__(self, own: int, send: Send) -> None:
        """No channels yet.

        Args:
            own: number of this member.
            send: hand bytes to this member's room, for another one.
        """
        self.own = own
        self._send_out = send
        self._channels: dict[tuple[int, int, bool], Channel] = {}
        self._numbers: dict[int, int] = {}
        self._gone: set[int] = set()
        self._accepting: set[asyncio.Future[None]] = set()
        self.accept: Accept | None = None
        """What to do with a channel that another member opens."""

    def open(self, peer: int) -> Channel:
        """A channel to a member.

        Raises:
            ChannelClosed: it is gone.
        """
        if peer in self._gone:
            raise ChannelClosed("that member is gone")
        number = self._numbers.get(peer, 0)
        self._numbers[peer] = number + 1
        channel = self._made(peer, number, True)
        channel._say(Part.OPEN)
        return channel

    def send(self, peer: int, data: bytes) -> None:
        """A part on its way; to this member itself it goes through the loop alone."""
        if peer == self.own:
            asyncio.get_running_loop().call_soon(self.take, peer, data)
        elif peer not in self._gone:
            self._send_out(peer, data)

    def take(self, peer: int, data: bytes) -> None:
        """A part that came from a member.

        Raises:
            ChannelClosed: no member of ours says this.
        """
        try:
            number, kind, theirs = _HEAD.unpack_from(data)
            kind = Part(kind)
        except (struct.error, ValueError):
            raise ChannelClosed("not a part") from None
        if kind is Part.OPEN:
            self._accept(self._made(peer, number, False))
            return
        channel = self._channels.get((peer, number, not theirs))
        if channel is None:
            return  # it was closed here while this was under way
        if kind is Part.CLOSE:
            self.forget(channel)
            channel.end()
        else:
            channel.take(kind, data[_HEAD.size :])

    def gone(self, peer: int) -> None:
        """A member is gone, and every channel to it."""
        self._gone.add(peer)
        for channel in [one for one in self._channels.values() if one.peer == peer]:
            self.forget(channel)
            channel.end()

    def forget(self, channel: Channel) -> None:
        """It is closed."""
        self._channels.pop(channel.key, None)

    def _made(self, peer: int, number: int, opened_here: bool) -> Channel:
        if sum(one[0] == peer for one in self._channels) >= CHANNELS_MAX:
            raise ChannelClosed(f"{CHANNELS_MAX} channels to one member")
        channel = Channel(self, peer, number, opened_here)
        if channel.key in self._channels:
            raise ChannelClosed("a channel that is open already")
        self._channels[channel.key] = channel
        return channel

    def _accept(self, channel: Channel) -> None:
        if self.accept is None:
            channel.close()
            return
        task = asyncio.ensure_future(self.accept(channel))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)


def joined(frames: Sequence[bytes | bytearray | memoryview]) -> bytes:
    """Frames as one message: how many, how long each is, then they."""
    views = [memoryview(frame).cast("B") for frame in frames]
    sizes = struct.pack(f">{len(views) + 1}Q", len(views), *map(len, views))
    return b"".join((sizes, *views))


def split(message: bytearray) -> list[memoryview]:
    """Frames of a message.

    Raises:
        ChannelClosed: it is none.
    """
    try:
        (count,) = _COUNT.unpack_from(message)
        if count > FRAMES_MAX:
            raise ChannelClosed("too many frames")
        sizes = struct.unpack_from(f">{count}Q", message, _COUNT.size)
    except struct.error:
        raise ChannelClosed("not a message") from None
    at = _COUNT.size * (count + 1)
    if at + sum(sizes) != len(message):
        raise ChannelClosed("not a message")
    view, frames = memoryview(message), []
    for size in sizes:
        frames.append(view[at : at + size])
        at += size
    return frames
