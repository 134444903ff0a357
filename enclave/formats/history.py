"""The history tree as a host keeps it: one leaf per executed height, from genesis on (DESIGN §4,
Receipt).

Owns its first leaf and its proofs; what stands in a leaf is consensus/history.py's.
"""

from collections.abc import Iterable
from typing import Self

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import invariant
from strongroom.consensus.history import HistoryLeaf as HistoryLeaf
from strongroom.consensus.types import NO_DIGEST, Digest, Height
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.merkle import Tree


def genesis_leaf(header: Header) -> HistoryLeaf:
    """Height 0: nothing was executed."""
    invariant(header.height == 0, "the history begins at genesis")
    return HistoryLeaf(Height(0), header.digest, merkle.EMPTY_ROOT, NO_DIGEST, NO_DIGEST)


class HistoryTree:
    """The history as a host keeps it, to build receipts and consistency proofs: 64 bytes per
    height."""

    def __init__(self, genesis: Header, leaves: Iterable[Digest] = ()) -> None:
        """From genesis on.

        Args:
            genesis: the header of height 0.
            leaves: leaf hashes of heights 1, 2, 3 …, which the caller has from its own record.
        """
        self._tree = Tree([genesis_leaf(genesis).hash, *leaves])

    @classmethod
    def over(cls, tree: Tree) -> Self:
        """A history whose tree is kept by somebody else, genesis in it."""
        history = cls.__new__(cls)
        history._tree = tree
        return history

    @property
    def size(self) -> int:
        """Heights in it: the newest, and one for genesis."""
        return self._tree.size

    def append(self, leaf: HistoryLeaf) -> None:
        """Add the next height."""
        invariant(
            leaf.height == self._tree.size, f"height {leaf.height} after {self._tree.size - 1}"
        )
        self._tree.append(leaf.hash)

    def append_hash(self, leaf: Digest) -> None:
        """Add the next height by its leaf hash, which the caller has from its own record."""
        self._tree.append(leaf)

    def root(self, size: int | None = None) -> Digest:
        """Over heights 0..size−1; over all by default."""
        return self._tree.root(size)

    def frontier(self, size: int) -> merkle.Frontier:
        """The history over heights 0..size−1, for one that only appends; a copy."""
        return self._tree.frontier(size)

    def path(self, height: Height, size: int) -> tuple[Digest, ...]:
        """Inclusion proof of a height in the root over heights 0..size−1."""
        return self._tree.path(height, size)

    def consistency(self, old_size: int, new_size: int) -> tuple[Digest, ...]:
        """Proof that the root over `new_size` heights extends the one over `old_size` ≥ 1."""
        return self._tree.consistency(old_size, new_size)
