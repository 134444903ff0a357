"""Reading blocks for the public, beside the event loop: one slice at a time, and at most half of
the time.

Owns that bulk reading slows down whoever reads in bulk, and nobody else (T31): slices of all
callers take turns, and an address that has read much waits. What is read is the backend's.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from strongroom.node.faults import Overloaded, TooLarge
from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.forms import Encoded
from strongroom.node.rpc.room import FRAME_BYTES, REPLY_BYTES_MAX, Room

READS_WAITING_MAX = 256
"""Slices that wait for their turn; a further one is refused as overloaded."""
PAUSE_SECONDS_MAX = 0.5
RATE = 4 * 1024 * 1024
"""Bytes of blocks that an address is given per second, on average."""
BURST = 32 * 1024 * 1024
"""Bytes that it may have saved up."""
SLICE_BYTES_MIN = 16 * 1024
"""What a slice counts at least: also a small answer is read out of a whole block."""
ADDRESSES_MAX = 4096
RETRY_MS = 200
_T = TypeVar("_T")
Describe = Callable[[], Document]
"""Reads and describes one block; runs in a thread."""
Prepare = Callable[[], Describe]
"""Looks, on the event loop, whether there is such a block."""


@dataclass(slots=True)
class Allowances:
    """What each address may still read. Forgets those that have not read for longest."""

    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    """(bytes left, at what time) by address."""

    def check(self, address: str, now: float) -> None:
        """Raises Overloaded when an address has read more than it may."""
        level = self._level(address, now)
        if level < 0:
            wait = int(-level / RATE * 1000) + 1
            raise Overloaded(
                "much was read from this address: ask again later", retry_after_ms=wait
            )

    def charge(self, address: str, size: int, now: float) -> None:
        """It has read so many bytes."""
        self._levels[address] = (self._level(address, now) - size, now)
        self._levels.move_to_end(address)
        if len(self._levels) > ADDRESSES_MAX:
            self._levels.popitem(last=False)

    def _level(self, address: str, now: float) -> float:
        level, since = self._levels.get(address, (float(BURST), now))
        return min(float(BURST), level + (now - since) * RATE)


@dataclass(slots=True)
class Lane:
    """One reading at a time; between two of them it rests for as long as the last one took."""

    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0

    async def run(self, prepare: Callable[[], Callable[[], _T]]) -> _T:
        """Run one slice in a thread; `prepare` is called here, when its turn has come, and gives
        the work.

        Raises:
            Overloaded: too many wait.
        """
        if self._waiting >= READS_WAITING_MAX:
            raise Overloaded(
                "too many read blocks now: ask again in a moment", retry_after_ms=RETRY_MS
            )
        clock = asyncio.get_running_loop().time
        self._waiting += 1
        try:
            async with self._turn:
                work = prepare()
                began = clock()
                try:
                    return await asyncio.to_thread(work)
                finally:
                    await asyncio.sleep(min(PAUSE_SECONDS_MAX, clock() - began))
        finally:
            self._waiting -= 1


@dataclass(slots=True)
class Library:
    """The reading room of one front door."""

    lane: Lane = field(default_factory=Lane)
    allowances: Allowances = field(default_factory=Allowances)

    async def one(self, room: Room, address: str, prepare: Prepare) -> Encoded:
        """One document, encoded.

        Raises:
            TooLarge: it does not fit into the reply.
            Overloaded: too many read, or this address has read too much.
        """
        encoded = await self._slice(room, address, prepare)
        room.fits(len(encoded))
        return encoded

    async def many(self, room: Room, address: str, prepares: Sequence[Prepare]) -> Encoded:
        """A list of documents, as many from the first on as one reply holds.

        Args:
            room: of the answer; what is read counts there at once, for other calls of a batch read
                meanwhile.
            address: who reads.
            prepares: one document each.

        Raises:
            TooLarge: not even the first one fits.
            Overloaded: as above.
        """
        parts: list[bytes] = []
        size = 0
        try:
            for prepare in prepares:
                part = await self._slice(room, address, prepare)
                room.fits(len(part))
                if size + len(part) > REPLY_BYTES_MAX - FRAME_BYTES:
                    break
                parts.append(part)
                size += len(part) + 1
                room.left -= len(part) + 1
        except (TooLarge, Overloaded):
            if not parts:
                raise
        finally:
            room.left += size  # the whole reply is counted when it is made
        return Encoded(room.form.array(parts))

    async def _slice(self, room: Room, address: str, prepare: Prepare) -> Encoded:
        clock = asyncio.get_running_loop().time

        def begin() -> Callable[[], Encoded]:
            room.check()
            self.allowances.check(address, clock())
            describe = prepare()
            return lambda: Encoded(room.form.encode(describe()))

        encoded = await self.lane.run(begin)
        self.allowances.charge(address, max(SLICE_BYTES_MIN, len(encoded)), clock())
        return encoded
