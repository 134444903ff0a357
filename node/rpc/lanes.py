"""Turns for reading beside the event loop: one slice at a time, and at most half of the time.

Owns whose turn it is and how many may wait; one payer has so many places and no more. Knows neither
documents nor what they cost.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic, thread_time
from typing import TypeVar
from weakref import WeakValueDictionary

from strongroom.node.faults import Overloaded
from strongroom.node.rpc.meter import Spent

READS_WAITING_MAX = 256
"""Documents that wait for their turn; a further one is refused as overloaded."""
DESKS = 4
"""Documents that are read at a time: each holds its whole block."""
PAYER_PLACES = 16
"""Of those that wait, for one payer: its further ones wait among themselves, so that nobody alone
fills the room."""
PAUSE_SECONDS_MAX = 0.5
LATE_PAUSES = 16
"""Times as long as the loop was late to see the end of a slice: 0.1 ms where a core is free."""
LATE_SHARE = 8
"""Of a slice's own time, the most that it rests because the loop was late: a hundred small blocks
are a hundred slices, and who asks for them on a busy machine is answered all the same."""
SPELL_SECONDS = 0.01
"""So long slices are read without a rest, which then comes for all of them: a receipt is four short
slices, and was late by three rests."""
RETRY_MS = 200
_T = TypeVar("_T")


@dataclass(slots=True)
class _Rest:
    """What a lane owes whoever votes for the slices that it read."""

    read: float = 0.0
    owed: float = 0.0
    ended: float = 0.0

    def due(self, began: float, ended: float, late: float) -> float:
        """Seconds to rest now that one more slice is over.

        Args:
            began: when it did.
            ended: when it was over.
            late: seconds until the event loop saw that.
        """
        took = max(0.0, ended - began)
        self.owed = max(0.0, self.owed - max(0.0, began - self.ended))
        self.read = took + (self.read if self.owed else 0.0)
        self.owed += took + min(LATE_PAUSES * late, LATE_SHARE * took)
        self.ended = ended
        if self.read < SPELL_SECONDS:
            return 0.0
        owed, self.read, self.owed = self.owed, 0.0, 0.0
        return min(PAUSE_SECONDS_MAX, owed)


@dataclass(slots=True)
class Lane:
    """One slice at a time; after a spell of them it rests for as long as they took, and longer
    where the event loop comes to its turns late: then this machine has more to do than it can, and
    whoever votes goes first."""

    _desks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DESKS))
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _rest: _Rest = field(default_factory=_Rest)
    _waiting: int = 0
    _queues: WeakValueDictionary[Hashable, "_Queue"] = field(default_factory=WeakValueDictionary)
    """By payer."""

    async def run(self, prepare: Callable[[], Callable[[], _T]]) -> _T:
        """Run what is one slice, at a desk of its own.

        Raises:
            Overloaded: too many wait.
        """
        async with self.desk():
            return await self.slice(prepare)

    @asynccontextmanager
    async def desk(self, payer: Hashable | None = None) -> AsyncIterator[None]:
        """A place for reading one document, whose slices take turns with those of others.

        Args:
            payer: who reads, who has `PAYER_PLACES` at a time; None: the node itself.

        Raises:
            Overloaded: too many wait.
        """
        if payer is None:
            async with self._place():
                yield
            return
        queue = self._queues.get(payer)
        if queue is None:
            queue = self._queues[payer] = _Queue()
        async with queue.place(), self._place():
            yield

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        _refuse_beyond(self._waiting)
        self._waiting += 1
        try:
            async with self._desks:
                yield
        finally:
            self._waiting -= 1

    async def slice(
        self, prepare: Callable[[], Callable[[], _T]], spent: Spent | None = None
    ) -> _T:
        """Run one slice in a thread; `prepare` is called here, when its turn has come, and gives
        the work. No thread can be stopped: whoever is cancelled meanwhile, the turn lasts to its
        end, and `spent` is told what it took."""
        await self._turn.acquire()
        try:
            work = prepare()
        except BaseException:
            self._turn.release()
            raise
        return await asyncio.shield(asyncio.create_task(self._work(work, spent)))

    async def _work(self, work: Callable[[], _T], spent: Spent | None) -> _T:
        began = ended = monotonic()
        seconds = 0.0

        def timed() -> _T:
            nonlocal ended, seconds
            before = thread_time()
            try:
                return work()
            finally:
                ended, seconds = monotonic(), thread_time() - before

        try:
            return await asyncio.to_thread(timed)
        finally:
            late = max(0.0, monotonic() - ended)
            if spent is not None:
                spent(seconds)
            try:
                if due := self._rest.due(began, ended, late):
                    await asyncio.sleep(due)
            finally:
                self._turn.release()


@dataclass(slots=True, weakref_slot=True)
class _Queue:
    """What one payer reads in one lane."""

    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PAYER_PLACES))
    waiting: int = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One of its places, when it is free."""
        _refuse_beyond(self.waiting)
        self.waiting += 1
        try:
            async with self.places:
                yield
        finally:
            self.waiting -= 1


def _refuse_beyond(waiting: int) -> None:
    if waiting >= READS_WAITING_MAX:
        raise Overloaded("too many read blocks now: ask again in a moment", retry_after_ms=RETRY_MS)
