"""What a node keeps of a segment that it archived: where each record stands, its digest, and what
the index holds of it.

Owns these values. It is why a node needs no archive to start: an index that was lost is made of
contents and of the segments that are left. It is why a wrong archive gives no wrong answer: a
record that comes from there is compared with its digest. Refuses to know how they are written
(contents_file.py), and where the archive is.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from strongroom.node.ledger.archive.ids import Ids
from strongroom.node.ledger.segments import Heights, Kind, Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One archived segment."""

    first: int
    """Height of its first block; names its file."""
    last: int
    """Height of its last block."""
    outcome_first: int
    """Height of its first outcome; above `outcome_last` when it has none."""
    outcome_last: int
    """Newest outcome in it and in all before it."""
    size: int
    """Bytes of the file."""
    digest: bytes
    """SHA-256 of the file (32 bytes)."""
    marker: bytes
    """Of its framing (frames.py)."""
    epochs: tuple[bytes, ...] = ()
    """How epochs were opened by blocks in it, encoded and opaque here: each is proven by the one
    before (consensus/epochs.py)."""

    @property
    def file(self) -> str:
        """Its name, in the node's folder as in the archive."""
        return f"blocks-{self.first:012d}.log"

    @property
    def reached(self) -> Heights:
        """What is stored up to its end."""
        return Heights(self.last, self.outcome_last)


@dataclass(frozen=True, slots=True)
class Row:
    """One record of an archived segment."""

    offset: int
    size: int
    digest: bytes
    """SHA-256 of its type and payload (32 bytes)."""
    hash: bytes
    """What the index finds it by: a header's digest, an outcome's leaf; may be empty."""
    ids: Ids = field(default_factory=Ids)
    """(id, code) of an outcome's transactions, by position; of a block whose outcome stands in a
    later segment, its ids, with code 0."""

    def place(self, first: int) -> Location:
        """As the index has it."""
        return Location(first, self.offset, self.size)


@dataclass(frozen=True, slots=True)
class Contents:
    """All of one segment."""

    summary: Summary
    rows: dict[Kind, list[Row]] = field(default_factory=lambda: {kind: [] for kind in Kind})
    """By kind, in order of height."""


def digest_of(kind: int, payload: bytes) -> bytes:
    """Of a record as it is framed."""
    return sha256(bytes((kind,)) + payload).digest()
