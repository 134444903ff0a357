"""The file of an archived segment's contents, as it is written: `blocks-<first height>.contents`,
framed records like a segment's (frames.py).

    summary | directory: where each portion stands | portions of rows, some 64 KiB each

A row is found by one look at the directory and one at its portion, so whoever asks on the event
loop reads and decodes no more than that (contents_reader.py). Owns this form and the names of
files. Refuses to know what rows are for (contents.py), and where files lie (archived.py).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from strongroom.consensus import codec
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.node.ledger.archive.contents import Contents, Row
from strongroom.node.ledger.frames import Purpose, encode_frame, encode_header
from strongroom.node.ledger.segments import Kind

VERSION = "strongroom-contents-3"
OLDER = ("strongroom-contents-1", "strongroom-contents-2")
"""Not read any more: whoever meets one is told that it is no damage."""
PORTION_BYTES = 64 * 1024
"""Of rows in one record of the file; a row with more ids goes on in further pieces. Reading and
decoding one takes some 0.2 ms."""
SUMMARY, DIRECTORY, PORTION = 1, 2, 3
"""Types of records, in this order; the last one many times."""
PIECE_BYTES = 256
"""What a piece of a row takes at most beside its ids and codes."""
KINDS = (Kind.BLOCK, Kind.OUTCOME)
"""In this order the rows stand."""
_NAME = re.compile(r"blocks-(\d{12,})\.contents")


@dataclass(slots=True)
class _Made:
    """A portion that is being filled."""

    kind: Kind
    height: int
    """Of its first piece."""
    position: int
    """Of the first id in that."""
    pieces: list[codec.Wire] = field(default_factory=list)
    size: int = 0


def contents_file(first: int) -> str:
    """The name of the file for a segment."""
    return f"blocks-{first:012d}.contents"


def first_of(name: str) -> int | None:
    """The segment that a file of this name is of; None: it is none."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def encode_contents(contents: Contents) -> bytes:
    """The file's bytes."""
    made = contents.summary
    directory: list[codec.Wire] = []
    portions: list[bytes] = []
    at = 0
    for portion in _portions(contents):
        payload = codec.encode((int(portion.kind), tuple(portion.pieces)))
        framed = encode_frame(made.marker, PORTION, (payload,), durable_before=False)
        size = sum(map(len, framed))
        directory.append((int(portion.kind), portion.height, portion.position, at, size))
        portions += framed
        at += size
    summary = (
        VERSION,
        made.first,
        made.last,
        made.outcome_first,
        made.outcome_last,
        made.size,
        made.digest,
        made.marker,
        made.epochs,
    )
    pieces = [encode_header(Purpose.CONTENTS, made.first, made.marker)]
    for kind, value in ((SUMMARY, summary), (DIRECTORY, tuple(directory))):
        pieces += encode_frame(made.marker, kind, (codec.encode(value),), durable_before=False)
    return b"".join((*pieces, *portions))


def _portions(contents: Contents) -> Iterator[_Made]:
    """Pieces of rows, in lots that fit into one record each."""
    summary = contents.summary
    firsts = {Kind.BLOCK: summary.first, Kind.OUTCOME: summary.outcome_first}
    for kind in KINDS:
        portion: _Made | None = None
        for height, position, wire, grows in _pieces(contents.rows[kind], firsts[kind]):
            if portion is not None and portion.size + grows > PORTION_BYTES:
                yield portion
                portion = None
            portion = portion or _Made(kind, height, position)
            portion.pieces.append(wire)
            portion.size += grows
        if portion is not None:
            yield portion


def _pieces(rows: Iterable[Row], first: int) -> Iterator[tuple[int, int, codec.Wire, int]]:
    """Height, position of the first id, a piece of a row as it is written, and at most how many
    bytes that takes; what goes on with the ids of the row before has no size."""
    most = max(1, (PORTION_BYTES - PIECE_BYTES) // (DIGEST_SIZE + 1))
    for height, row in enumerate(rows, first):
        for start in range(0, max(1, len(row.ids)), most):
            ids = row.ids.piece(start, start + most)
            what = (0, 0, b"", b"") if start else (row.offset, row.size, row.digest, row.hash)
            grows = PIECE_BYTES + len(ids.joined) + len(ids.codes)
            yield height, start, (*what, ids.joined, ids.codes), grows
