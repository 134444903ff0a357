"""Who waits for which transaction, and the places that they get.

Owns only waiting: a transaction that nobody waits for leaves no trace here. One future serves a
whole frame of envelopes, so that an answer costs a dictionary entry, not a task.
"""

import asyncio
from collections.abc import Callable, Sequence

from strongroom.consensus.types import Height, TransactionId
from strongroom.node.ledger.place import Place

Resolve = Callable[[TransactionId], Place | None]
"""The place where an id took effect, from the index and the store."""


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


class Waiters:
    """Waiting frames, by transaction id."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._waiting: dict[bytes, list[tuple[_Frame, int]]] = {}

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
                place = self._resolve(TransactionId(id)) or place
            for frame, position in entries:
                frame.fill(position, place)

    def _forget(self, ids: Sequence[TransactionId]) -> None:
        """Drop what nobody waits for any more: the caller went away."""
        for id in ids:
            entries = self._waiting.get(id)
            if entries is None:
                continue
            entries[:] = [entry for entry in entries if not entry[0].future.cancelled()]
            if not entries:
                del self._waiting[id]
