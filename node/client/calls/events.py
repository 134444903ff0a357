"""Notifications of one subscription, as they wait for their reader.

Owns the bound: what a slow reader does not take in time is told as missed, never silently.
"""

import asyncio
from collections import deque
from typing import Any

from strongroom.node.client.calls.replies import number_in
from strongroom.node.client.errors import Disconnected

EVENTS_MAX = 256
"""Notifications that wait for a slow reader; what is dropped beyond that is told as missed."""


class Events:
    """Notifications of one subscription, in order, at most EVENTS_MAX of them."""

    def __init__(self) -> None:
        self.id = 0
        self._waiting: deque[dict[str, Any]] = deque()
        self._lost: tuple[int, int] | None = None
        self._ended = False
        self._wake = asyncio.Event()

    def put(self, event: dict[str, Any]) -> None:
        """One more; beyond the bound only its height is kept.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: nothing that a node would send.
        """
        if self._lost is None and len(self._waiting) < EVENTS_MAX:
            self._waiting.append(event)
        else:
            missed = event.get("missed") or {"from": event["height"], "to": event["height"]}
            first, last = number_in(missed, "from"), number_in(missed, "to")
            self._lost = (self._lost[0] if self._lost else first, last)
        self._wake.set()

    def end(self) -> None:
        """The connection is gone."""
        self._ended = True
        self._wake.set()

    async def next(self) -> dict[str, Any]:
        """The next one; `missed: {from, to}` stands for what was dropped.

        Raises:
            Disconnected: the connection ended and everything before was taken.
        """
        while True:
            if self._waiting:
                return self._waiting.popleft()
            if self._lost is not None:
                (first, last), self._lost = self._lost, None
                return {"missed": {"from": first, "to": last}}
            if self._ended:
                raise Disconnected("the connection ended")
            self._wake.clear()
            await self._wake.wait()
