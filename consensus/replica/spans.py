"""How long something takes of late, and how long at least.

Owns one kind of span, in seconds that arrive with each call: its mean, which follows what is new,
and the shortest of the last ones, which is what it takes when nothing is in its way.
"""

from collections import deque
from math import inf

SPANS_MAX = 1024
"""Spans of which the shortest counts: when they become longer for good, what they take now is the
measure after so many."""
WEIGHT = 0.2
"""Of the newest span in the mean."""
TELLING_SPANS_MAX = 4.0
"""A span counts in the mean as so many of the shortest at most: one hour in which the process
stood still, or one round that a liar held up, is forgotten after a few."""


class Spans:
    """Spans of one kind."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=SPANS_MAX)
        self.shortest = inf
        """Of the last ones; infinite before the first."""
        self.mean = 0.0
        """0 before the first."""

    def __bool__(self) -> bool:
        return bool(self._last)

    def note(self, took: float) -> None:
        """One more. Nothing takes no time: what seems to, or a clock that went back, says
        nothing."""
        if took <= 0.0:
            return
        first = not self._last
        forgotten = self._last[0] if len(self._last) == SPANS_MAX else inf
        self._last.append(took)
        if forgotten <= self.shortest:
            self.shortest = min(self._last)
        else:
            self.shortest = min(self.shortest, took)
        most = TELLING_SPANS_MAX * self.shortest
        told = min(took, most)
        self.mean = told if first else min(most, self.mean + WEIGHT * (told - self.mean))
