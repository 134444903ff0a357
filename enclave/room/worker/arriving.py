"""Rows on their way from the worker to its bench: read while they arrive, and again afterwards.

Owns the memory that they fill, once, and how far each segment is here. What is asked for first may
come last: whoever reads waits, and everything that comes before is kept. Believes its worker; what
the bytes say is for whoever reads them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from strongroom.enclave.outside.chunks import CONTENT_BYTES_MAX
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.door import Door, DoorClosed
from strongroom.enclave.room.worker.link import PART_BYTES, ToBench


class Segment:
    """Bytes of one segment, in memory that is made when the first of them is here."""

    def __init__(self, place: tuple[int, int], chunks: int) -> None:
        self.place = place
        """(input, segment)."""
        self._bytes_max = chunks * CONTENT_BYTES_MAX
        self._memory: memoryview | None = None
        self.filled, self.whole = 0, False

    def room(self, size: int) -> memoryview:
        """Where the next bytes are put.

        Raises:
            DoorClosed: they are more than was announced.
        """
        if self.whole or not 0 <= size <= self._bytes_max - self.filled:
            raise DoorClosed
        if self._memory is None:
            self._memory = np.empty(self._bytes_max, np.uint8).data
        return self._memory[self.filled : self.filled + size]

    def read(self, start: int, buffer: memoryview) -> int:
        """Copy what is here from there on."""
        if self._memory is None:
            return 0
        size = min(len(buffer), self.filled - start)
        buffer[:size] = self._memory[start : start + size]
        return size


class Reader:
    """One segment, from its beginning: as a file that is read."""

    def __init__(self, segment: Segment, more: Callable[[], None]) -> None:
        self._segment, self._more, self._at = segment, more, 0

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, waiting for what is on its way; less only at the end."""
        view = memoryview(buffer).cast("B")
        while self._segment.filled - self._at < len(view) and not self._segment.whole:
            self._more()
        size = self._segment.read(self._at, view)
        self._at += size
        return size


class Arriving:
    """All inputs of a job."""

    def __init__(self, door: Door, announced: Sequence[Sequence[int]]) -> None:
        """`announced`: chunks of each segment, of each input."""
        self._door = door
        self._order = [
            Segment((index, at), chunks)
            for index, segments in enumerate(announced)
            for at, chunks in enumerate(segments)
        ]
        self._now = 0
        self._unread: memoryview | None = None
        """Where bytes go that nobody reads any more."""

    def rows(self, index: int) -> Stream:
        """Of one input."""
        mine = [one for one in self._order if one.place[0] == index]
        return Stream([partial(Reader, one, self._more) for one in mine])

    def end(self) -> None:
        """Wait for all that is on its way, and keep none of it.

        Raises:
            DoorClosed: the worker has gone, or says what none says.
        """
        self._unread = memoryview(bytearray(PART_BYTES))
        while self._now < len(self._order):
            self._more()

    def _more(self) -> None:
        """The next part, or word that there is none."""
        while (frame := self._door.receive()) is None:
            pass
        match frame:
            case (ToBench.PART, int(index), int(at), int(size)) if 0 < size <= PART_BYTES:
                segment = self._arrives(index, at)
                if self._unread is not None:
                    self._door.receive_into(self._unread[:size])
                    return
                self._door.receive_into(segment.room(size))
                segment.filled += size
            case (ToBench.RUN,):
                self._pass(len(self._order))
            case _:
                raise DoorClosed

    def _arrives(self, index: int, at: int) -> Segment:
        """The segment whose next bytes come: inputs and their segments come in order."""
        for place in range(self._now, len(self._order)):
            if self._order[place].place == (index, at):
                self._pass(place)
                return self._order[place]
        raise DoorClosed

    def _pass(self, place: int) -> None:
        for segment in self._order[self._now : place]:
            segment.whole = True
        self._now = place
