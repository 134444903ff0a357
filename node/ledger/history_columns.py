"""The history tree as the index keeps it: for each height the roots of the complete subtrees that
end there, its column (DESIGN §4, Receipt).

    column of height h    leaf of h | root over the last 2 | over the last 4 | … , 32 bytes each

As many as h has ones at its end, and the leaf: two on the average. The subtrees that begin with
genesis are left out: the store does not know that leaf, and whoever does has them from the others
in one hash a level (stored_tree.py). Owns this form. Refuses to know whether a column is right:
that shows when it is read, against an anchor.
"""

from collections.abc import Callable

from strongroom.consensus.history import node_hash
from strongroom.consensus.types import DIGEST_SIZE

ColumnAt = Callable[[int], bytes | None]
"""The column of a height; None if there is none."""


def subtree_in(column_at: ColumnAt, level: int, index: int) -> bytes | None:
    """Root over the leaves index·2^level … (index+1)·2^level − 1, for an index above 0; None if it
    is not kept."""
    column = column_at((index + 1 << level) - 1)
    root = (column or b"")[level * DIGEST_SIZE : (level + 1) * DIGEST_SIZE]
    return root if len(root) == DIGEST_SIZE else None


def peaks_of(size: int) -> list[tuple[int, int]]:
    """(level, index) of the complete subtrees that `size` leaves consist of, the largest first."""
    levels = [level for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]
    return [(level, (size >> level) - 1) for level in levels]


class HistoryColumns:
    """Makes the column of each next height: O(1) hashes on the average."""

    def __init__(self, size: int = 1, column_at: ColumnAt = lambda _: None) -> None:
        """Go on behind `size` leaves, genesis among them, whose columns are kept."""
        kept = [subtree_in(column_at, level, index) for level, index in peaks_of(size)[1:]]
        self._size = size
        self._peaks: list[bytes] | None = None if None in kept else [one for one in kept if one]
        """Without the one that begins with genesis; None: something is not known."""

    @property
    def peaks(self) -> tuple[bytes, ...] | None:
        """Roots of the complete subtrees but the first, the largest first; None: not known."""
        return None if self._peaks is None else tuple(self._peaks)

    def append(self, leaf: bytes) -> bytes:
        """The column of the next height; b"" without a leaf, and for all heights after that."""
        size, self._size = self._size, self._size + 1
        if self._peaks is None or not leaf:
            self._peaks = None
            return b""
        column, level = [leaf], 0
        while size >> level & 1 and self._peaks:
            column.append(node_hash(self._peaks.pop(), column[-1]))
            level += 1
        if not size >> level & 1:  # else it becomes part of the subtree that begins with genesis
            self._peaks.append(column[-1])
        return b"".join(column)
