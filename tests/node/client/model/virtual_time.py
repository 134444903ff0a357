"""An event loop whose clock goes on by itself: hours of patience in no time, the same each time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Waits for nothing: whatever would be waited for is over at once."""

    now = 0.0
    wakes = 0
    """How often it waited."""

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "everybody waits, and nothing will ever happen"
        self.now += max(0.0, timeout)
        self.wakes += timeout > 0
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only while all wait."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    @property
    def wakes(self) -> int:
        """How often something happened after everybody had waited."""
        return self._clock.wakes


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
