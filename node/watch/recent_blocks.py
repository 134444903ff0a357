"""The newest blocks that were told of, within a bound, and the numbers that follow from them.

Owns which are kept. Whether a head is believed is model.py's.
"""

from collections import deque

from strongroom.node.watch.numbers import RATES_KEPT, intervals, nullified, rates, share
from strongroom.node.watch.view import BlockRow

BLOCKS_KEPT = 512
RATE_SECONDS = 5
INTERVALS = 64
"""Between the newest blocks: their median, their 95th percentile."""


class RecentBlocks:
    """Blocks by height, oldest first."""

    def __init__(self) -> None:
        self._blocks: deque[BlockRow] = deque(maxlen=BLOCKS_KEPT)
        self._arrived: deque[tuple[float, int]] = deque(maxlen=BLOCKS_KEPT)
        """(moment, transactions) of blocks that came while this looked on."""

    @property
    def newest(self) -> BlockRow | None:
        """None: no block was told of."""
        return self._blocks[-1] if self._blocks else None

    @property
    def newest_first(self) -> tuple[BlockRow, ...]:
        """All that are kept."""
        return tuple(reversed(self._blocks))

    @property
    def nullified(self) -> int:
        """Views without a block, among those that are kept."""
        return nullified(list(self._blocks))

    def add(self, block: BlockRow, now: float) -> None:
        """One more, above all others."""
        self._blocks.append(block)
        if now - block.time < RATES_KEPT:
            self._arrived.append((now, block.count))

    def forget_beyond(self, bound: int | None) -> None:
        """Those that were told when nothing was known to compare them with."""
        while bound is not None and self._blocks and self._blocks[-1].height > bound:
            self._blocks.pop()

    def rates(self, now: float) -> tuple[float, tuple[float, ...]]:
        """Transactions a second: over the last seconds; by second, oldest first."""
        by_second = rates(self._arrived, now)
        return sum(by_second[-RATE_SECONDS:]) / RATE_SECONDS, by_second

    def intervals(self) -> tuple[float | None, float | None]:
        """Seconds between blocks: their median, their 95th percentile."""
        between = intervals(list(self._blocks)[-INTERVALS:])
        return share(between, 0.5), share(between, 0.95)
