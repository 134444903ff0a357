"""Counting and timing on the hot path: plain numbers, read when somebody scrapes.

Owns two shapes, a counter by label and a histogram. They take no lock: a host records and scrapes
in one thread. One observation costs a third of what prometheus-client's own histogram takes
(docs/metrics.md, Cost); what leaves the node is still written by that library.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence

Count = Counter[str]
"""How often, by label."""


class Histogram:
    """How many values were at most each bound, and their sum; of one label."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        """Ascending; what is above the last one is counted too."""
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Note a value, in the metric's unit, so many times."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    @property
    def count(self) -> int:
        """Values noted."""
        return sum(self.counts)

    def cumulated(self) -> list[tuple[str, float]]:
        """(le, how many were at most that), as Prometheus has it."""
        shown, reached = [], 0
        for bound, here in zip([*map(repr, self.bounds), "+Inf"], self.counts, strict=True):
            reached += here
            shown.append((bound, float(reached)))
        return shown


class Histograms(defaultdict[str, Histogram]):
    """Histograms of the same bounds, by label; one is made when its label is first seen."""

    def __init__(self, bounds: Sequence[float]) -> None:
        super().__init__(lambda: Histogram(bounds))
