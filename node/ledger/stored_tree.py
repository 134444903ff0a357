"""The history tree of a node whose subtrees lie on disk: what it holds in memory is bounded,
however long the ledger is.

Roots of the complete subtrees along the right edge are held, and those that begin with genesis; a
start reads these alone, and compares the root over them with an anchor. Every other subtree is read
when a path needs it, and shown to belong below one that is held already: one hash a level. So a
path is right or the disk is damaged; it is never wrong. Owns that proof and the bound.
"""

import threading
from collections.abc import Callable, Iterable

from strongroom.consensus.errors import invariant
from strongroom.consensus.history import node_hash
from strongroom.enclave.formats.merkle import Tree
from strongroom.node.ledger.history_columns import peaks_of

NODES_KEPT_MAX = 16_384
"""Roots in memory beside the edge, some 200 bytes each: all of the newest 8,000 heights."""

Kept = Callable[[int, int], bytes | None]
"""(level, index): the root over 2^level leaves, as the index has it; None if it has none."""
Edge = tuple[int, dict[tuple[int, int], bytes]]
"""Number of leaves, and the complete subtrees that they consist of."""


class StoredTree(Tree):
    """A tree over leaves whose subtrees are kept elsewhere. One thread appends, any may read."""

    def __init__(
        self, first: bytes, size: int, kept: Kept, damage: Callable[[str], Exception]
    ) -> None:
        """Over `size` leaves, the first of which is given; compare its root with an anchor.

        Args:
            first: leaf hash of genesis, 32 bytes.
            size: at least 1.
            kept: gives every other subtree; what is appended must come to stand there too.
            damage: makes what is raised when something there is missing or wrong.

        Raises:
            Exception: what `damage` makes.
        """
        invariant(size >= 1, "a history begins with genesis")
        self._kept, self._damage, self._lock = kept, damage, threading.Lock()
        self._known: dict[tuple[int, int], bytes] = {}
        """Shown to be right, or made here; the oldest go."""
        self._spine = [first]
        """By level: the subtrees that begin with genesis."""
        while 2 << len(self._spine) - 1 <= size:
            level = len(self._spine) - 1
            self._spine.append(node_hash(self._spine[-1], self._read(level, 1)))
        edge = {(level, index): self._read(level, index) for level, index in peaks_of(size)}
        self._edge: Edge = size, edge

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._edge[0]

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        (size, edge), level, node = self._edge, 0, leaf
        edge, made = dict(edge), [((0, size), leaf)]
        while size >> level & 1:
            left = edge.pop((level, (size >> level) - 1))
            level, node = level + 1, node_hash(left, node)
            made.append(((level, size >> level), node))
        edge[level, size >> level] = node
        if size >> level == 0:
            self._spine.append(node)
        self._remember(made)
        self._edge = size + 1, edge

    def subtree(self, level: int, index: int) -> bytes:
        """Root over a complete subtree; what is not at hand is read, and proven on the way down
        from one that is.

        Raises:
            Exception: what `damage` makes.
        """
        found = self._held(level, index)
        if found is not None:
            return found
        above = level
        while (root := self._held(above, index >> above - level)) is None:
            above += 1
            invariant(above < 64, "a complete subtree lies below one of the edge")
        proven = list[tuple[tuple[int, int], bytes]]()
        for below in range(above - 1, level - 1, -1):
            at = index >> below - level
            left, right = (self._read(below, at & ~1), self._read(below, at | 1))
            if node_hash(left, right) != root:
                raise self._damage(f"subtree {at >> 1} of level {below + 1} has other parts")
            proven += [((below, at & ~1), left), ((below, at | 1), right)]
            root = right if at & 1 else left
        self._remember(proven)
        return root

    def _held(self, level: int, index: int) -> bytes | None:
        if index == 0:
            return self._spine[level] if level < len(self._spine) else None
        found = self._edge[1].get((level, index))
        return self._known.get((level, index)) if found is None else found

    def _read(self, level: int, index: int) -> bytes:
        root = self._spine[level] if index == 0 else self._kept(level, index)
        if root is None:
            raise self._damage(f"subtree {index} of level {level} is missing")
        return root

    def _remember(self, roots: Iterable[tuple[tuple[int, int], bytes]]) -> None:
        with self._lock:
            self._known.update(roots)
            while len(self._known) > NODES_KEPT_MAX:
                del self._known[next(iter(self._known))]
