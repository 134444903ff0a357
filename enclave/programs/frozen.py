"""A map as it stood at one height, while blocks go on changing it: what a snapshot is made of,
piece by piece (DESIGN §8).

Nothing is copied: whoever changes a key first sets aside what it had. So to begin a snapshot of a
million accounts takes no longer than of ten. Owns that reading; who sets aside: state.py.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenMap(Generic[K, V]):
    """One map at one height; nothing changes it any more."""

    __slots__ = ("_arrived", "_before", "_data", "count", "release", "walk")

    def __init__(
        self,
        data: dict[K, V],
        arrived: list[K],
        before: dict[K, V | None],
        release: Callable[[], None],
    ) -> None:
        self._data, self._arrived, self._before = data, arrived, before
        self.count, self.walk = len(data), len(arrived)
        """Items; keys to walk through for them."""
        self.release = release
        """To be called when nothing is read any more: then nothing is set aside either."""

    def keys(self) -> Iterator[K]:
        """Every key, some twice, and keys that have nothing; it may go on while the map
        changes."""
        return islice(self._arrived, self.walk)

    def values_of(self, keys: Sequence[K]) -> list[V | None]:
        """What these keys had; None: nothing. To be asked between transactions."""
        before, now = self._before, self._data.get
        return [before[key] if key in before else now(key) for key in keys]
