"""Reading blocks for the public, beside the event loop: one slice at a time, and at most half of
the time.

Owns that bulk reading slows down whoever reads in bulk, and nobody else (T31): slices of all
callers take turns, and an address that has read much waits. What is read is the backend's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TypeVar

from strongroom.node.faults import Overloaded, TooLarge
from strongroom.node.rpc import slices
from strongroom.node.rpc.backend import Step
from strongroom.node.rpc.forms import Encoded, Form
from strongroom.node.rpc.outgoing import Unread
from strongroom.node.rpc.room import FRAME_BYTES, REPLY_BYTES_MAX, Room
from strongroom.node.rpc.slices import Describe, Prepare
from strongroom.node.rpc.weights import Allowances, Payer

READS_WAITING_MAX = 256
"""Documents that wait for their turn; a further one is refused as overloaded."""
DESKS = 4
"""Documents that are read at a time: each holds its whole block."""
PAUSE_SECONDS_MAX = 0.5
LATE_PAUSES = 16
"""Times as long as the loop was late to see the end of a slice: 0.1 ms where a core is free."""
SHORT_BYTES_MIN = 4 * 1024
SLICE_BYTES_MIN = 16 * 1024
"""What a document weighs at least, a short and a long one: it is read out of a whole block."""
RETRY_MS = 200
_T = TypeVar("_T")


@dataclass(slots=True)
class Lane:
    """One slice at a time; between two of them it rests for as long as the last one took, and
    longer where the event loop comes to its turns late: then this machine has more to do than it
    can, and whoever votes goes first."""

    _desks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DESKS))
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0

    async def run(self, prepare: Callable[[], Callable[[], _T]]) -> _T:
        """Run what is one slice, at a desk of its own.

        Raises:
            Overloaded: too many wait.
        """
        async with self.desk():
            return await self.slice(prepare)

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[None]:
        """A place for reading one document, whose slices take turns with those of others.

        Raises:
            Overloaded: too many wait.
        """
        if self._waiting >= READS_WAITING_MAX:
            raise Overloaded(
                "too many read blocks now: ask again in a moment", retry_after_ms=RETRY_MS
            )
        self._waiting += 1
        try:
            async with self._desks:
                yield
        finally:
            self._waiting -= 1

    async def slice(self, prepare: Callable[[], Callable[[], _T]]) -> _T:
        """Run one slice in a thread; `prepare` is called here, when its turn has come, and gives
        the work. No thread can be stopped: whoever is cancelled meanwhile, the turn lasts to its
        end."""
        await self._turn.acquire()
        try:
            work = prepare()
        except BaseException:
            self._turn.release()
            raise
        return await asyncio.shield(asyncio.create_task(self._work(work)))

    async def _work(self, work: Callable[[], _T]) -> _T:
        began = ended = monotonic()

        def timed() -> _T:
            nonlocal ended
            try:
                return work()
            finally:
                ended = monotonic()

        try:
            return await asyncio.to_thread(timed)
        finally:
            late = max(0.0, monotonic() - ended)
            try:
                pause = max(0.0, ended - began) + LATE_PAUSES * late
                await asyncio.sleep(min(PAUSE_SECONDS_MAX, pause))
            finally:
                self._turn.release()


@dataclass(slots=True)
class Library:
    """The reading room of one front door."""

    lane: Lane = field(default_factory=Lane)
    """Of what is long."""
    counter: Lane = field(default_factory=Lane)
    """Of what is a slice at most: nobody who asks for little waits for those who ask for much."""
    outgoing: Unread = field(default_factory=Unread)
    allowances: Allowances = field(default_factory=Allowances)

    async def one(
        self, room: Room, payer: Payer, prepare: Prepare, *, short: bool = False
    ) -> Encoded:
        """One document, encoded; `short`: it has no long list.

        Raises:
            TooLarge: it does not fit into the reply.
            Overloaded: too many read, or this address has read too much.
        """
        lane = self.counter if short else self.lane
        with _refused_late(room):
            return await self._document(lane, room, payer, prepare)

    async def found(self, form: Form, payer: Payer, steps: Iterator[Step]) -> Encoded:
        """One short document, at the end of some steps: each is a slice.

        Raises:
            Overloaded: too many read.
            RpcFault: where the steps end, or do not begin.
        """
        encoded: Encoded | None = None

        def begin() -> Callable[[], Encoded | None]:
            step = next(steps)
            now = asyncio.get_running_loop().time()
            self.allowances.charge(payer, SHORT_BYTES_MIN, now)
            return partial(_encoded, form, step)

        async with self.counter.desk():
            while encoded is None:
                encoded = await self.counter.slice(begin)
        return encoded

    async def many(self, room: Room, payer: Payer, prepares: Iterable[Prepare]) -> Encoded:
        """A list of documents, as many from the first on as one reply holds.

        Args:
            room: of the answer; what is read counts there at once, for other calls of a batch read
                meanwhile.
            payer: who reads.
            prepares: one document each.

        Raises:
            TooLarge: not even the first one fits.
            Overloaded: as above.
        """
        parts: list[bytes] = []
        size = 0
        try:
            for prepare in prepares:
                with _refused_late(room):
                    part = await self._document(self.lane, room, payer, prepare)
                if size + len(part) > REPLY_BYTES_MAX - FRAME_BYTES:
                    if not parts:
                        room.fits(len(part) + FRAME_BYTES)  # nothing would be given, and not said
                    break
                parts.append(part)
                size += len(part) + 1
                room.take(len(part) + 1)
        except (TooLarge, Overloaded):
            if not parts:
                raise
        finally:
            room.take(-size)  # the whole reply is counted when it is made
        return Encoded(room.form.array(parts))

    async def _document(self, lane: Lane, room: Room, payer: Payer, prepare: Prepare) -> Encoded:
        clock, read = asyncio.get_running_loop().time, 0
        least = SHORT_BYTES_MIN if lane is self.counter else SLICE_BYTES_MIN

        def begin() -> Describe:
            room.check()
            self.allowances.check(payer, clock())
            describe = prepare()
            self.allowances.charge(payer, least, clock())  # also when nobody waits for its end
            return describe

        def fits(size: int) -> None:
            nonlocal read
            read = size
            room.fits(size)

        try:
            members, _ = await slices.read(lane, room.form, begin, fits)
        finally:
            if read > least:
                self.allowances.charge(payer, read - least, clock())
        encoded = Encoded(room.form.map(tuple(members.items())))
        room.fits(len(encoded))
        return encoded


@contextmanager
def _refused_late(room: Room) -> Iterator[None]:
    """Whoever is turned away from a full room learns it late, or it would ask again at once, and
    the node did nothing but refuse."""
    try:
        yield
    except Overloaded:
        room.late = True
        raise


def _encoded(form: Form, step: Step) -> Encoded | None:
    document = step()
    return None if document is None else Encoded(form.encode(document))
