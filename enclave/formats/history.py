"""The history tree: one leaf per executed height, from genesis on (DESIGN §4, Receipt).

Owns what stands in a leaf. A header's anchor names the root over heights 0..anchor height.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical, invariant
from strongroom.consensus.types import DIGEST_SIZE, NO_DIGEST, Digest, Height
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.merkle import Tree

_PREFIX = labels.HISTORY + b"\x00"


@dataclass(frozen=True, slots=True)
class HistoryLeaf:
    """What a height came to."""

    height: Height
    block: Digest
    """Of the block's header."""
    outcome_root: Digest
    write_set_digest: Digest
    """Of the sealed write set, and of the wish where there is one: outcome.record_digest."""
    snapshot_root: Digest
    """Of a snapshot's chunks, some heights after it was taken; zeros otherwise."""

    def encode(self) -> bytes:
        """Label ‖ 0 ‖ height[u64] ‖ four digests of 32 bytes."""
        head = _PREFIX + self.height.to_bytes(8, "big")
        return head + self.block + self.outcome_root + self.write_set_digest + self.snapshot_root

    @classmethod
    def decode(cls, data: bytes) -> "HistoryLeaf":
        """Read what `encode` made.

        Raises:
            NotCanonical: of another size or label.
        """
        codec.sized(data, len(_PREFIX) + 8 + 4 * DIGEST_SIZE, name="history leaf")
        if not data.startswith(_PREFIX):
            raise NotCanonical("history leaf: another label")
        height, digests = data[len(_PREFIX) :][:8], data[len(_PREFIX) + 8 :]
        parts = (
            Digest(digests[at : at + DIGEST_SIZE]) for at in range(0, len(digests), DIGEST_SIZE)
        )
        return cls(Height(int.from_bytes(height, "big")), *parts)

    @property
    def hash(self) -> Digest:
        """Its leaf hash in the history tree."""
        return merkle.leaf_hash(self.encode())


def genesis_leaf(header: Header) -> HistoryLeaf:
    """Height 0: nothing was executed."""
    invariant(header.height == 0, "the history begins at genesis")
    return HistoryLeaf(Height(0), header.digest, merkle.EMPTY_ROOT, NO_DIGEST, NO_DIGEST)


class HistoryTree:
    """The history as a host keeps it, to build receipts and consistency proofs: 64 bytes per
    height."""

    def __init__(self, genesis: Header) -> None:
        self._tree = Tree([genesis_leaf(genesis).hash])

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
