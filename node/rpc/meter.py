"""What reading costs whoever asked for it: bytes of what is described, or time of a core where that
is more.

Owns one document's bill. Time is that of the thread alone, taken where the work ends: an outcome
that is decoded and hashed anew weighs what it takes, and whoever goes away meanwhile pays for it,
too. How turns are given is lanes.py's.
"""

import asyncio
from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from strongroom.node.rpc.weights import Allowances, Payer

SECOND = 16 * 1024 * 1000
"""What a second of a core weighs, in the measure of weights.py: 16 KiB are a millisecond."""
_T = TypeVar("_T")
Spent = Callable[[float], None]
"""Told on the event loop, after each slice, how many seconds of a core it took."""


class Payable(Protocol):
    """Turns that are given to payers."""

    def desk(self, payer: Hashable | None = None) -> AbstractAsyncContextManager[None]: ...
    async def slice(
        self, prepare: Callable[[], Callable[[], _T]], spent: Spent | None = None
    ) -> _T: ...


@dataclass(slots=True)
class Meter:
    """One document's bill."""

    allowances: Allowances
    payer: Payer
    charged: int = 0
    """So far."""
    bytes: int = 0
    seconds: float = 0.0

    def begin(self, least: int) -> None:
        """One more slice begins, if its payer may: it weighs `least` whatever it comes to.

        Raises:
            Overloaded: the payer has asked for more than it may.
        """
        now = _now()
        self.allowances.check(self.payer, now)
        if not self.charged:
            self._charge(least, now)

    def described(self, size: int) -> None:
        """So many bytes of the document are made."""
        self.bytes = size
        self._settle()

    def spent(self, seconds: float) -> None:
        """One more slice took so long."""
        self.seconds += seconds
        self._settle()

    def _settle(self) -> None:
        due = max(self.bytes, int(self.seconds * SECOND))
        if due > self.charged:
            self._charge(due - self.charged, _now())

    def _charge(self, weight: int, now: float) -> None:
        self.allowances.charge(self.payer, weight, now)
        self.charged += weight


@dataclass(frozen=True, slots=True)
class Metered:
    """A lane's turns on one bill (slices.py `Turns`)."""

    lane: Payable
    meter: Meter

    def desk(self) -> AbstractAsyncContextManager[None]:
        """A place among those of this payer."""
        return self.lane.desk(self.meter.payer)

    async def slice(self, prepare: Callable[[], Callable[[], _T]]) -> _T:
        """One slice; the bill knows what it took."""
        return await self.lane.slice(prepare, self.meter.spent)


def _now() -> float:
    return asyncio.get_running_loop().time()
