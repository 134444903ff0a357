"""Frames of calls on one connection, in order, also when a node does not take them.

Each frame names the last envelope of the one before it (`after`). A node that refuses one as
overloaded refuses all that follow it on this connection; once they are all back they go again, in
order. So a session keeps its order.
"""

from dataclasses import dataclass

from strongroom.consensus.types import TransactionId
from strongroom.node.client.calls.calls import Entry

FRAMES_IN_FLIGHT_MAX = 32


@dataclass(slots=True)
class Frame:
    """Calls that travel together."""

    number: int
    entries: list[Entry]
    after: TransactionId | None
    """The last envelope of the frame before it; None for the first of a connection."""
    left: float
    """When it left, in seconds of the loop's clock."""


class Frames:
    """The frames of one connection."""

    def __init__(self) -> None:
        self._under_way: dict[int, Frame] = {}
        self._refused: dict[int, Frame] = {}
        self._number = 0
        self._after: TransactionId | None = None

    @property
    def open(self) -> bool:
        """May another frame leave now?"""
        return not self._refused and len(self._under_way) < FRAMES_IN_FLIGHT_MAX

    @property
    def under_way(self) -> int:
        """Frames without an answer."""
        return len(self._under_way)

    @property
    def all_back(self) -> bool:
        """A frame was refused, and everything behind it is back as well."""
        return bool(self._refused) and max(self._under_way, default=0) < min(self._refused)

    def leave(self, entries: list[Entry], now: float) -> Frame:
        """The next frame."""
        self._number += 1
        frame = Frame(self._number, entries, self._after, now)
        self._under_way[frame.number] = frame
        self._after = entries[-1].id
        return frame

    def answered(self, frame: Frame) -> None:
        """This one has its answer."""
        del self._under_way[frame.number]

    def refused(self, frame: Frame) -> None:
        """This one was not taken."""
        self._refused[frame.number] = self._under_way.pop(frame.number)

    def take_back(self) -> list[Entry]:
        """The calls of all refused frames, in order, to go again."""
        frames = [self._refused[number] for number in sorted(self._refused)]
        self._refused.clear()
        self._after = frames[0].after
        return [entry for frame in frames for entry in frame.entries]
