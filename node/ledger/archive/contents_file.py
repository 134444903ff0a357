"""The file of an archived segment's contents: `blocks-<first height>.contents`, framed records like
a segment's (frames.py), a summary and then portions of rows.

Owns that form, both ways. Refuses to know what rows are for (contents.py), and where files lie
(archived.py).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.node.ledger.archive.contents import Contents, Row, Summary
from strongroom.node.ledger.archive.ids import Ids
from strongroom.node.ledger.frames import (
    HEADER_SIZE,
    RECORD_BYTES_MAX,
    CorruptRecord,
    Frame,
    Purpose,
    encode_frame,
    encode_header,
    read_frames,
)
from strongroom.node.ledger.segments import Kind

VERSION = "strongroom-contents-2"
PORTION_BYTES = 16 * 1024 * 1024
"""Of rows in one record of the file; a row with more ids goes on in further pieces. A segment of
short envelopes has as many bytes of ids as of everything else."""
_SUMMARY, _PORTION = 1, 2
_PIECE_BYTES = 256
"""What a piece of a row takes at most beside its ids and codes."""
_SHAPE = (str, int, int, int, int, int, bytes, bytes, tuple)
_NAME = re.compile(r"blocks-(\d{12,})\.contents")


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
    pieces += encode_frame(made.marker, _SUMMARY, (codec.encode(summary),), durable_before=False)
    for kind, rows in contents.rows.items():
        for portion in _portions(rows):
            payload = codec.encode((int(kind), portion))
            pieces += encode_frame(made.marker, _PORTION, (payload,), durable_before=False)
    return b"".join(pieces)


def read_summary(path: Path, first: int) -> Summary:
    """Of a file of contents, without the rest of it.

    Raises:
        CorruptRecord: damaged, or of another segment.
    """
    frames = read_frames(path, Purpose.CONTENTS, first)
    return _summary(path, first, next(frames, None))


def read_contents(path: Path, first: int) -> Contents:
    """A file of contents.

    Raises:
        CorruptRecord: damaged, or of another segment.
    """
    frames = read_frames(path, Purpose.CONTENTS, first)
    contents = Contents(_summary(path, first, next(frames, None)))
    for frame in frames:
        try:
            kind, rows = codec.fields(_decoded(frame), int, tuple, name="portion")
            for wire in rows:
                _read_piece(wire, contents.rows[Kind(kind)])
        except (NotCanonical, ValueError) as error:
            raise CorruptRecord(path, frame.offset, f"no portion: {error}") from None
    made = contents.summary
    wanted = {
        Kind.BLOCK: made.last - made.first + 1,
        Kind.OUTCOME: made.outcome_last - made.outcome_first + 1,
    }
    if {kind: len(rows) for kind, rows in contents.rows.items()} != wanted:
        raise CorruptRecord(path, HEADER_SIZE, "records are missing")
    return contents


def _summary(path: Path, first: int, frame: Frame | None) -> Summary:
    try:
        if frame is None or frame.kind != _SUMMARY:
            raise NotCanonical("no summary")
        version, own, last, outcome_first, outcome_last, size, digest, marker, epochs = (
            codec.fields(_decoded(frame), *_SHAPE, name="summary")
        )
        if (version, own) != (VERSION, first):
            raise NotCanonical(f"{version} of segment {own}")
    except NotCanonical as error:
        raise CorruptRecord(path, HEADER_SIZE, f"no contents of {first}: {error}") from None
    return Summary(
        first=first,
        last=last,
        outcome_first=outcome_first,
        outcome_last=outcome_last,
        size=size,
        digest=digest,
        marker=marker,
        epochs=epochs,
    )


def _decoded(frame: Frame) -> codec.Wire:
    return codec.decode(frame.payload, size_max=RECORD_BYTES_MAX)


def _portions(rows: Iterable[Row]) -> Iterator[tuple[codec.Wire, ...]]:
    """Pieces of rows, in lots that fit into one record each."""
    portion: list[codec.Wire] = []
    size = 0
    for row in rows:
        for wire, grows in _pieces(row):
            if portion and size + grows > PORTION_BYTES:
                yield tuple(portion)
                portion, size = [], 0
            portion.append(wire)
            size += grows
    if portion:
        yield tuple(portion)


def _pieces(row: Row) -> Iterator[tuple[codec.Wire, int]]:
    """A row as it is written, and at most how many bytes that takes; what goes on with the ids of
    the row before has no size."""
    most = max(1, PORTION_BYTES // (DIGEST_SIZE + 1))
    for start in range(0, max(1, len(row.ids)), most):
        ids = row.ids.piece(start, start + most)
        what = (0, 0, b"", b"") if start else (row.offset, row.size, row.digest, row.hash)
        wire = (*what, ids.joined, ids.codes)
        yield wire, _PIECE_BYTES + len(ids.joined) + len(ids.codes)


def _read_piece(wire: object, rows: list[Row]) -> None:
    """Take one more piece into the rows that were read before."""
    offset, size, digest, hash, joined, codes = codec.fields(
        wire, int, int, bytes, bytes, bytes, bytes, name="row"
    )
    ids = Ids(joined, codes)
    if len(joined) % DIGEST_SIZE or (codes and len(codes) != len(ids)):
        raise NotCanonical("row: not as many codes as ids")
    if size:
        rows.append(Row(offset, size, digest, hash, ids))
    elif rows:
        rows[-1] = replace(rows[-1], ids=rows[-1].ids + ids)
    else:
        raise NotCanonical("row: nothing stands before it")
