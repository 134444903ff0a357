"""Merkle trees of RFC 6962 §2.1: roots, inclusion and consistency proofs, and their verification.

Owns the trees. How a leaf and two children are hashed, and how an inclusion is shown, is
consensus/history.py's; what the leaves mean is said in outcome.py and there.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from strongroom.consensus.errors import ReceiptInvalid, invariant
from strongroom.consensus.history import PATH_MAX as PATH_MAX
from strongroom.consensus.history import check_sizes
from strongroom.consensus.history import leaf_hash as leaf_hash
from strongroom.consensus.history import node_hash as node_hash
from strongroom.consensus.history import root_from_path as root_from_path
from strongroom.consensus.types import DIGEST_SIZE, Digest

EMPTY_ROOT = Digest(sha256(b"").digest())


def root_of(leaves: Sequence[bytes]) -> Digest:
    """The root over leaf hashes, level by level; an odd last node moves up as it is. 0.3 µs per
    leaf."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        pairs = iter(level)
        above = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(pairs, pairs, strict=False)
        ]
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return Digest(level[0])


class Tree:
    """An append-only tree that gives proofs in O(log n): the hashes of all complete subtrees, 64
    bytes per leaf."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        """Over these leaf hashes, level by level: 0.4 µs each."""
        level = list(leaves)
        self._levels = [bytearray(b"".join(level))]
        """Hashes of the subtrees of 2^level leaves, one after the other."""
        while len(level) > 1:
            pairs = iter(level)
            level = [
                sha256(b"\x01" + left + right).digest()
                for left, right in zip(pairs, pairs, strict=False)
            ]
            self._levels.append(bytearray(b"".join(level)))

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._levels[0]) // DIGEST_SIZE

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        level, node = 0, leaf
        self._levels[0] += leaf
        while len(self._levels[level]) % (2 * DIGEST_SIZE) == 0:
            node = node_hash(bytes(self._levels[level][-2 * DIGEST_SIZE : -DIGEST_SIZE]), node)
            level += 1
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += node

    def subtree(self, level: int, index: int) -> bytes:
        """Root over the leaves index·2^level … (index+1)·2^level − 1, all of which are here."""
        at = index * DIGEST_SIZE
        return bytes(self._levels[level][at : at + DIGEST_SIZE])

    def root(self, size: int | None = None) -> Digest:
        """The root over the first `size` leaves; over all by default."""
        size = self.size if size is None else size
        return self._subtree(0, size) if size else EMPTY_ROOT

    def frontier(self, size: int) -> "Frontier":
        """What it takes to go on from the first `size` leaves."""
        invariant(0 <= size <= self.size, f"no frontier of {size} leaves among {self.size}")
        return Frontier(size, self._complete_subtrees(0, size))

    def path(self, index: int, size: int | None = None) -> tuple[Digest, ...]:
        """Inclusion proof of a leaf among the first `size` (RFC 6962 §2.1.1): siblings, from the
        leaf up."""
        size = self.size if size is None else size
        invariant(
            0 <= index < size <= self.size, f"no path of leaf {index} among {size} of {self.size}"
        )
        start, end, proof = 0, size, list[Digest]()
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                proof.append(self._subtree(middle, end))
                end = middle
            else:
                proof.append(self._subtree(start, middle))
                start = middle
        return tuple(reversed(proof))

    def consistency(self, old: int, new: int | None = None) -> tuple[Digest, ...]:
        """Proof that the first `new` leaves extend the first `old` (RFC 6962 §2.1.2); `old` is at
        least 1."""
        new = self.size if new is None else new
        invariant(
            0 < old <= new <= self.size, f"no consistency proof from {old} to {new} of {self.size}"
        )
        start, end, known, proof = 0, new, True, list[Digest]()
        while end != old:
            middle = start + _split(end - start)
            if old <= middle:
                proof.append(self._subtree(middle, end))
                end = middle
            else:
                proof.append(self._subtree(start, middle))
                start, known = middle, False
        if not known:
            proof.append(self._subtree(start, end))
        return tuple(reversed(proof))

    def _complete_subtrees(self, start: int, end: int) -> list[bytes]:
        parts = []
        while start < end:
            level = (end - start).bit_length() - 1
            parts.append(self.subtree(level, start >> level))
            start += 1 << level
        return parts

    def _subtree(self, start: int, end: int) -> Digest:
        parts = self._complete_subtrees(start, end)
        root = parts.pop()
        while parts:
            root = node_hash(parts.pop(), root)
        return Digest(root)


class Frontier:
    """The same tree for one that only appends and asks for the root: the complete subtrees along
    its right edge."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """Roots of the complete subtrees, largest first: with the size all that is needed to go
        on."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        node, size = leaf, self.size
        while size % 2:
            node = node_hash(self._peaks.pop(), node)
            size >>= 1
        self._peaks.append(node)
        self.size += 1

    @property
    def root(self) -> Digest:
        """The root over all leaves."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return Digest(root)


def check_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a tree of `new` leaves extends one of `old` (RFC 9162 §2.1.4.2).

    Raises:
        ReceiptInvalid: it does not.
    """
    if not 0 < old <= new:
        raise ReceiptInvalid(f"consistency proof: from {old} to {new} leaves")
    if old == new:
        if proof or old_root != new_root:
            raise ReceiptInvalid("consistency proof: equal sizes need equal roots and no proof")
        return
    check_sizes(old_root, new_root, *proof)
    nodes = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not nodes or _roots_from_consistency(old, new, nodes) != (old_root, new_root):
        raise ReceiptInvalid("consistency proof: does not connect the two roots")


def _roots_from_consistency(old: int, new: int, nodes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees that a proof leads to; its first node is in both."""
    position, last = old - 1, new - 1
    while position % 2:
        position, last = position >> 1, last >> 1
    old_node = new_node = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise ReceiptInvalid("consistency proof: too long")
        if position % 2 or position == last:
            old_node, new_node = node_hash(node, old_node), node_hash(node, new_node)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            new_node = node_hash(new_node, node)
        position, last = position >> 1, last >> 1
    if last:
        raise ReceiptInvalid("consistency proof: too short")
    return old_node, new_node


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
