"""What waits for the participant: events in the order in which they came.

Owns the queue and its bound. Links, pipeline and duties put events in; the driver takes them out.
"""

import asyncio
from collections import deque

from strongroom.node.ordering.events import ParticipantEvent

QUEUE_EVENTS_MAX = 8192
"""Above this, peers are not read from until the queue is short again."""
QUEUE_EVENTS_RESUME = 1024


class EventQueue:
    """Events for one participant."""

    def __init__(self) -> None:
        self._events: deque[ParticipantEvent] = deque()
        self.came = asyncio.Event()
        """Set when there may be something to do."""

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: ParticipantEvent) -> None:
        """Add an event."""
        self._events.append(event)
        self.came.set()

    def pop(self, count: int) -> list[ParticipantEvent]:
        """At most so many, oldest first."""
        events = self._events
        return [events.popleft() for _ in range(min(len(events), count))]

    @property
    def is_full(self) -> bool:
        """Whoever came last is not read from until it is short again."""
        return len(self._events) > QUEUE_EVENTS_MAX

    @property
    def is_short(self) -> bool:
        """Everybody may be read from."""
        return len(self._events) < QUEUE_EVENTS_RESUME
