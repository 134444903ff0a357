"""An event loop whose one source of events is a socket that is already open: what asyncio needs of
a selector, without one (no epoll, no threads, no pipe to itself behind the walls).

Owns how long a bench waits. Timers are seen to as late as the socket's patience.
"""

import asyncio
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable
from typing import Any

Look = Callable[[bool], None]
"""Take what the socket has, and hand it to whoever it is for; waits for its patience if asked to,
else not at all."""


class _Looking:
    """Where a loop would have its selector."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def select(self, timeout: float | None = None) -> list[Any]:
        """Look once; None and any time wait for the socket's patience at most."""
        self._look(timeout is None or timeout > 0)
        return []

    def close(self) -> None:
        """Nothing is open."""


class DoorLoop(BaseEventLoop):
    """Runs coroutines, timers and callbacks of one thread."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._selector = _Looking(look)

    def _process_events(self, event_list: list[Any]) -> None:
        """All was handed over while looking."""

    def _write_to_self(self) -> None:
        """There is no other thread that would have to wake this one."""


def run(loop: DoorLoop, main: Any) -> Any:
    """Run a coroutine to its end as the loop of this thread."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        asyncio.set_event_loop(None)
