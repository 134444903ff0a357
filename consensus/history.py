"""What a height came to, and how it is shown to stand in the history that a header anchors (DESIGN
§4, Receipt).

Owns the history leaf, and inclusion in a tree of RFC 6962 §2.1: SHA-256, 0x00 before a leaf's data
and 0x01 before two children. A header's anchor names the root over heights 0..anchor height. The
trees themselves: enclave/formats/merkle.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical, ReceiptInvalid
from strongroom.consensus.types import DIGEST_SIZE, Digest, Height

PATH_MAX = 68
"""Hashes in a proof, roots included; a tree has at most 2^64 leaves."""
_PREFIX = labels.HISTORY + b"\x00"


def leaf_hash(data: bytes) -> Digest:
    """SHA-256(0x00 ‖ data)."""
    return Digest(sha256(b"\x00" + data).digest())


def node_hash(left: bytes, right: bytes) -> Digest:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return Digest(sha256(b"\x01" + left + right).digest())


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> Digest:
    """The root that an inclusion proof leads to (RFC 9162 §2.1.3.2); the caller compares it with
    one it trusts.

    Raises:
        ReceiptInvalid: no such leaf in a tree of this size, or the proof has another length than it
            must.
    """
    if not 0 <= index < size:
        raise ReceiptInvalid(f"inclusion proof: no leaf {index} in a tree of {size}")
    check_sizes(leaf, *path)
    node, last, position = leaf, size - 1, index
    for sibling in path:
        if last == 0:
            raise ReceiptInvalid("inclusion proof: too long")
        if position % 2 or position == last:
            node = node_hash(sibling, node)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ReceiptInvalid("inclusion proof: too short")
    return Digest(node)


def check_sizes(*hashes: bytes) -> None:
    """Check the hashes of a proof.

    Raises:
        ReceiptInvalid: too many, or of another size.
    """
    if len(hashes) > PATH_MAX or any(len(item) != DIGEST_SIZE for item in hashes):
        raise ReceiptInvalid(f"proof: expected at most {PATH_MAX} hashes of {DIGEST_SIZE} bytes")


@dataclass(frozen=True, slots=True)
class HistoryLeaf:
    """What a height came to."""

    height: Height
    block: Digest
    """Of the block's header."""
    outcome_root: Digest
    write_set_digest: Digest
    """Of the sealed write set, of the wish where there is one, and of the recovery rules where they
    stand: enclave/formats/outcome.py, `record_digest`."""
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
        return leaf_hash(self.encode())


def with_rules(record: Digest, rules: Digest) -> Digest:
    """A leaf's record digest where recovery rules stand: labelled SHA-256 over what it would be
    without them, and their digest (recovery.py).

    So a quorum that anchors the height vouches for the rules at it, and whoever serves outcomes can
    neither leave them out, nor add or change them.
    """
    return labels.labelled_digest(labels.RECOVERY_RULES_AT, record + rules)
