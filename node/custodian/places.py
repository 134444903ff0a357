"""How many requests are judged at once: those that prove nothing yet apart from those that do.

Owns the counting. Whoever sends many requests without the receipt of a lease takes places of his
own address alone, and none of those whose lease is proven. A host that carried its room's requests
can show their lease again with any challenge, also when it is over: it takes no other address's.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from strongroom.node.custodian.errors import HalfRefused

UNPROVEN_MAX = 64
"""Requests at once whose lease is not proven yet; the next gets `busy`."""
UNPROVEN_OF_ADDRESS_MAX = 8
"""Of them from one address."""
PROVEN_MAX = 32
"""Requests at once with a proven lease."""
PROVEN_OF_ADDRESS_MAX = 8
"""Of them from one address."""


class Places:
    """A bound, and one for each holder."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._held: Counter[str] = Counter()

    @contextmanager
    def one(self, holder: str) -> Iterator[None]:
        """A place for as long as this lasts.

        Raises:
            HalfRefused: ``busy``: all are taken, or all of this holder.
        """
        if self._held.total() >= self._most or self._held[holder] >= self._most_of_one:
            raise HalfRefused("busy", "too many requests at once: ask again later")
        self._held[holder] += 1
        try:
            yield
        finally:
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]
