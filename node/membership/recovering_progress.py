"""A long walk over a ledger, and how far it is.

Owns that the next portion is read from the disk while the enclave works on the one before, and what
whoever waits is told: heights and bytes, and from them the rate and the time that is left.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple, Protocol, TypeVar

from strongroom.consensus.types import Height


class Reached(NamedTuple):
    """How far a long walk is."""

    what: str
    height: int
    """The newest one that is done."""
    of: int
    """The last one."""
    bytes: int
    """Of the ledger, done."""
    seconds: float
    """Since it began."""
    seconds_left: float
    """At this rate, by bytes: blocks are of unequal size."""

    @property
    def rate(self) -> float:
        """Blocks a second."""
        return self.height / max(self.seconds, 1e-3)


Progress = Callable[[Reached], None]


class Sized(Protocol):
    """A portion of the ledger."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...


_Part = TypeVar("_Part", bound=Sized)


class Walk:
    """One walk from height 1 to the last, told step by step."""

    def __init__(self, what: str, last: Height, size: int, progress: Progress) -> None:
        self._what, self._last, self._size, self._progress = what, last, size, progress
        self._begun, self._done = time.monotonic(), 0

    async def through(
        self, parts: Iterator[_Part], work: Callable[[_Part], Awaitable[Height]]
    ) -> None:
        """Have every portion worked on, in order; one at a time, and at most one is read ahead."""
        running: asyncio.Task[Height] | None = None
        size = 0
        try:
            for part in parts:
                if running is not None:
                    self._tell(await running, size)
                running, size = asyncio.ensure_future(_awaited(work(part))), part.size
                await asyncio.sleep(0)  # the enclave has it before the next one is read
            if running is not None:
                self._tell(await running, size)
        finally:
            if running is not None:
                running.cancel()

    def _tell(self, height: Height, size: int) -> None:
        self._done += size
        seconds = time.monotonic() - self._begun
        left = max(0, self._size - self._done) * seconds / max(1, self._done)
        left = 0.0 if height >= self._last else left
        self._progress(Reached(self._what, height, self._last, self._done, seconds, left))


async def _awaited(work: Awaitable[Height]) -> Height:
    return await work
