"""Reading blocks for the public: what documents come to, and who pays.

Owns that bulk reading slows down whoever reads in bulk, and nobody else (T31): slices of all
callers take turns (lanes.py), and an address that has read much waits (meter.py). What is read is
the backend's.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from strongroom.node.faults import Overloaded, TooLarge
from strongroom.node.rpc import slices
from strongroom.node.rpc.backend import Step
from strongroom.node.rpc.forms import Encoded, Form
from strongroom.node.rpc.lanes import Lane
from strongroom.node.rpc.meter import Meter, Metered
from strongroom.node.rpc.outgoing import Unread
from strongroom.node.rpc.room import FRAME_BYTES, REPLY_BYTES_MAX, Room
from strongroom.node.rpc.slices import Describe, Prepare
from strongroom.node.rpc.weights import Allowances, Payer

SHORT_BYTES_MIN = 4 * 1024
SLICE_BYTES_MIN = 16 * 1024
"""What a document weighs at least, a short and a long one: it is read out of a whole block."""
_T = TypeVar("_T")


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
        with refused_late(room):
            return await self._document(lane, room, payer, prepare)

    async def found(self, form: Form, payer: Payer, steps: Iterator[Step]) -> Encoded:
        """One short document, at the end of some steps: each is a slice. Where the way begins with
        a long step, it stays with those who read in bulk.

        Raises:
            Overloaded: too many read, or this address has read too much.
            RpcFault: where the steps end, or do not begin.
        """
        meter = Meter(self.allowances, payer)
        meter.begin(SHORT_BYTES_MIN)
        step: Step | None = next(steps)
        lane = Metered(self.lane if step is not None and step.long else self.counter, meter)
        encoded: Encoded | None = None

        def begin() -> Callable[[], Encoded | None]:
            nonlocal step
            meter.begin(SHORT_BYTES_MIN)
            now, step = step or next(steps), None
            return partial(_encoded, form, now)

        async with lane.desk():
            while encoded is None:
                encoded = await lane.slice(begin)
        return encoded

    async def told(self, room: Room, payer: Payer, prepare: Callable[[], Callable[[], _T]]) -> _T:
        """What one short look gives, which is no document yet.

        Raises:
            Overloaded: too many read, or this address has read too much.
        """
        meter = Meter(self.allowances, payer)
        lane = Metered(self.counter, meter)

        def begin() -> Callable[[], _T]:
            meter.begin(SHORT_BYTES_MIN)
            return prepare()

        with refused_late(room):
            async with lane.desk():
                return await lane.slice(begin)

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
                with refused_late(room):
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
        least = SHORT_BYTES_MIN if lane is self.counter else SLICE_BYTES_MIN
        meter = Meter(self.allowances, payer)

        def begin() -> Describe:
            room.check()
            meter.begin(least)
            return prepare()

        def fits(size: int) -> None:
            meter.described(size)
            room.fits(size)

        members, _ = await slices.read(Metered(lane, meter), room.form, begin, fits)
        encoded = Encoded(room.form.map(tuple(members.items())))
        room.fits(len(encoded))
        return encoded


@contextmanager
def refused_late(room: Room) -> Iterator[None]:
    """Whoever is turned away from a full room learns it late, or it would ask again at once, and
    the node did nothing but refuse."""
    try:
        yield
    except Overloaded:
        room.late = True
        raise


def _encoded(form: Form, step: Step) -> Encoded | None:
    document = step.run()
    return None if document is None else Encoded(form.encode(document))
