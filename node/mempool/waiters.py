"""Who waits for which transaction, and the places that they get.

Owns only waiting: a transaction that nobody waits for leaves no trace here. One future serves a
whole frame of envelopes, so that an answer costs a dictionary entry, not a task. What took effect
before is read beside the event loop, one at a time, however many send theirs again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from strongroom.consensus.errors import InvariantBroken
from strongroom.consensus.types import Height, TransactionId
from strongroom.node.ledger.place import Place

Read = Callable[[], Place]
Resolve = Callable[[Place], Place | Read | None]
"""Where the id of a transaction that was just refused took effect, or was refused first: the place,
where no block is read to know it; or what reads it out of the store, in any thread."""

Spawn = Callable[[Coroutine[Any, Any, None]], None]
"""Runs something beside everything else, as long as the node lives."""


class _Frame:
    """Envelopes that were submitted together and are answered together."""

    __slots__ = ("future", "left", "places")

    def __init__(self, size: int) -> None:
        self.future: asyncio.Future[list[Place]] = asyncio.get_running_loop().create_future()
        self.places: list[Place | None] = [None] * size
        self.left = size

    def fill(self, position: int, place: Place) -> None:
        if self.places[position] is None:
            self.places[position] = place
            self.left -= 1
            if self.left == 0 and not self.future.done():
                self.future.set_result([place for place in self.places if place is not None])

    def fail(self, fault: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(fault)


_Entries = list[tuple[_Frame, int]]


class Waiters:
    """Waiting frames, by transaction id."""

    def __init__(self, resolve: Resolve, spawn: Spawn | None = None) -> None:
        """`spawn` runs what reads: a bug there ends the node, whoever waited for it; None: a task
        of its own, which nobody looks at."""
        self._resolve, self._spawn = resolve, spawn or self._begin
        self._task: asyncio.Task[None] | None = None
        self._waiting: dict[bytes, _Entries] = {}
        self._to_read: deque[tuple[_Entries, Read]] = deque()
        self._is_reading = False

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, ids: Sequence[TransactionId]) -> asyncio.Future[list[Place]]:
        """A future of these transactions' places, in this order."""
        frame = _Frame(len(ids))
        waiting = self._waiting
        for position, id in enumerate(ids):
            entry = (frame, position)
            held = waiting.get(id)
            if held is None:
                waiting[id] = [entry]
            else:
                held.append(entry)
        frame.future.add_done_callback(
            lambda future: self._forget(ids) if future.cancelled() else None
        )
        return frame.future

    def settle(
        self,
        height: int,
        leaves: Sequence[tuple[bytes, int]],
        result_at: Callable[[int], bytes | None],
    ) -> None:
        """Answer everyone who waits for one of a block's (id, code) leaves.

        A refused id may have taken effect before (a client that retried): then that place is the
        answer.
        """
        waiting = self._waiting
        if not waiting:
            return
        for index, (id, code) in enumerate(leaves):
            if id not in waiting:
                continue
            entries = waiting.pop(id)
            place = Place(TransactionId(id), Height(height), index, code, result_at(index) or b"")
            if code:
                found = self._resolve(place) or place
                if not isinstance(found, Place):
                    self._read(entries, found)
                    continue
                place = found
            for frame, position in entries:
                frame.fill(position, place)

    def _read(self, entries: _Entries, read: Read) -> None:
        self._to_read.append((entries, read))
        if not self._is_reading:
            self._is_reading = True
            self._spawn(self._read_all())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)

    async def _read_all(self) -> None:
        try:
            await self._read_each()
        finally:
            self._is_reading = False

    async def _read_each(self) -> None:
        while self._to_read:
            entries, read = self._to_read.popleft()
            if all(frame.future.done() for frame, _ in entries):
                continue  # whoever waited went away
            try:
                place = await asyncio.to_thread(read)
            except Exception as fault:  # of this machine's disk: told to whoever waits
                for frame, _ in entries:
                    frame.fail(fault)
                if isinstance(fault, InvariantBroken):
                    raise
            else:
                _fill(entries, place)

    def _forget(self, ids: Sequence[TransactionId]) -> None:
        """Drop what nobody waits for any more: the caller went away."""
        for id in ids:
            entries = self._waiting.get(id)
            if entries is None:
                continue
            entries[:] = [entry for entry in entries if not entry[0].future.cancelled()]
            if not entries:
                del self._waiting[id]


def _fill(entries: _Entries, place: Place) -> None:
    for frame, position in entries:
        frame.fill(position, place)
