"""Who holds how much of what is scarce: never more than is left free for all others.

Owns that one rule. One who wants all of it gets half, each of two a third, and so on: nobody fills
it alone, and no number has to say how many there are. Counts only; knows neither disk nor network.
"""

from collections import Counter

NOBODY = ""
"""Whose it is that was there before a restart: no one is charged for it."""


class Shares:
    """Of one bounded thing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[str] = Counter()
        self.total = 0

    def fits(self, who: str, size: int) -> bool:
        """May so much more be taken?"""
        free = self._most - self.total - size
        return free >= (0 if who == NOBODY else self._held[who] + size)

    def take(self, who: str, size: int) -> None:
        """It is taken, whether it fits or not."""
        self.total += size
        if who != NOBODY:
            self._held[who] += size

    def give_back(self, who: str, size: int) -> None:
        """It is free again."""
        self.total -= size
        if who != NOBODY:
            self._held[who] -= size
            if not self._held[who]:
                del self._held[who]
