"""What a node keeps of a segment that it archived: where each record stands, its digest, and what
the index holds of it.

Owns the file `blocks-<first height>.contents`: framed records like a segment's (frames.py), a
summary and then portions. It is why a node needs no archive to start: an index that was lost is
made of contents and of the segments that are left. It is why a wrong archive gives no wrong answer:
a record that comes from there is compared with its digest. Refuses to know where the archive is.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
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
from strongroom.node.ledger.segments import HEIGHT_SIZE, Heights, Kind, Location

VERSION = "strongroom-contents-1"
PORTION_RECORDS = 64
"""Heights in one record of the file: their transactions' ids fit into it."""
_SUMMARY, _PORTION = 1, 2
_SHAPE = (str, int, int, int, int, int, bytes, bytes, tuple)
_NAME = re.compile(r"blocks-(\d{12,})\.contents")


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
    ids: tuple[tuple[bytes, int], ...] = ()
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

    def row(self, kind: Kind, height: int) -> Row:
        """Of a record that the summary holds."""
        first = self.summary.first if kind == Kind.BLOCK else self.summary.outcome_first
        return self.rows[kind][height - first]

    def encode(self) -> bytes:
        """The file's bytes."""
        made = self.summary
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
        pieces += encode_frame(
            made.marker, _SUMMARY, (codec.encode(summary),), durable_before=False
        )
        for kind, rows in self.rows.items():
            for start in range(0, len(rows), PORTION_RECORDS):
                portion = rows[start : start + PORTION_RECORDS]
                payload = codec.encode((int(kind), tuple(map(_row_wire, portion))))
                pieces += encode_frame(made.marker, _PORTION, (payload,), durable_before=False)
        return b"".join(pieces)


def contents_file(first: int) -> str:
    """The name of the file for a segment."""
    return f"blocks-{first:012d}.contents"


def first_of(name: str) -> int | None:
    """The segment that a file of this name is of; None: it is none."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def digest_of(kind: int, payload: bytes) -> bytes:
    """Of a record as it is framed."""
    return sha256(bytes((kind,)) + payload).digest()


def survey(
    path: Path,
    first: int,
    before: Heights,
    *,
    size: int,
    digest: bytes,
    whole: Callable[[int, bytes, bytes | None], bytes],
    ids_of: Callable[[bytes], Sequence[bytes]],
    transactions_of: Callable[[bytes], Iterable[tuple[bytes, int]]],
    hash_of: dict[Kind, Callable[[bytes], bytes]],
    epochs: tuple[bytes, ...],
) -> Contents:
    """Read a closed segment, every record of it.

    Args:
        path: the file.
        first: height of its first block.
        before: what is stored before it.
        size: of the file, as it was copied.
        digest: SHA-256 of what was copied.
        whole: an outcome's payload, of its height, of what is stored of it, and of its block's
            payload (None: it stands in an earlier segment).
        ids_of: the ids that a block's payload tells, by position.
        transactions_of: (id, code) of every transaction in an outcome's payload.
        hash_of: what the index finds a record by.
        epochs: how epochs were opened by blocks in it.

    Raises:
        CorruptRecord: it is damaged, or its records do not follow each other.
    """
    rows: dict[Kind, list[Row]] = {kind: [] for kind in Kind}
    reached, end, marker = before, HEADER_SIZE, b""
    waiting: dict[int, bytes] = {}
    for frame in read_frames(path, Purpose.BLOCKS, first):
        kind, height = frame.kind, int.from_bytes(frame.payload[:HEIGHT_SIZE], "big")
        following = reached.following(kind, height)
        if following is None:
            raise CorruptRecord(path, frame.offset, f"height {height} after {reached}", height)
        reached, end = following, frame.offset + frame.size
        payload = frame.payload[HEIGHT_SIZE:]
        ids: tuple[tuple[bytes, int], ...] = ()
        if kind == Kind.BLOCK:
            waiting[height] = payload
        else:
            payload = whole(height, payload, waiting.pop(height, None))
            ids = tuple(transactions_of(payload))
        rows[Kind(kind)].append(_row(frame, hash_of[Kind(kind)](payload), ids))
        time.sleep(0)  # the event loop goes first: nobody waits for an archive
    for height, block in waiting.items():
        at = height - first
        rows[Kind.BLOCK][at] = replace(
            rows[Kind.BLOCK][at], ids=tuple((id, 0) for id in ids_of(block))
        )
    with path.open("rb") as file:
        marker = file.read(HEADER_SIZE)[-8:-4]
    if end != size:
        raise CorruptRecord(path, end, f"{size} bytes were copied", reached.block)
    summary = Summary(
        first=first,
        last=reached.block,
        outcome_first=before.outcome + 1,
        outcome_last=reached.outcome,
        size=size,
        digest=digest,
        marker=marker,
        epochs=epochs,
    )
    return Contents(summary, rows)


def _row(frame: Frame, hash: bytes, ids: tuple[tuple[bytes, int], ...]) -> Row:
    return Row(frame.offset, frame.size, digest_of(frame.kind, frame.payload), hash, ids)


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
            contents.rows[Kind(kind)].extend(map(_read_row, rows))
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


def records_of(contents: Contents) -> Iterator[tuple[Kind, int, Row]]:
    """Kind, height and row of every record, blocks first."""
    made = contents.summary
    for kind, first in ((Kind.BLOCK, made.first), (Kind.OUTCOME, made.outcome_first)):
        for height, row in enumerate(contents.rows[kind], first):
            yield kind, height, row


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


def _row_wire(row: Row) -> tuple[object, ...]:
    ids = b"".join(id for id, _ in row.ids)
    refused = tuple((position, code) for position, (_, code) in enumerate(row.ids) if code)
    return (row.offset, row.size, row.digest, row.hash, len(row.ids), ids, refused)


def _read_row(wire: object) -> Row:
    offset, size, digest, hash, count, joined, refused = codec.fields(
        wire, int, int, bytes, bytes, int, bytes, tuple, name="row"
    )
    return Row(offset, size, digest, hash, _read_ids(count, joined, refused))


def _read_ids(
    count: int, joined: bytes, refused: Sequence[tuple[int, int]]
) -> tuple[tuple[bytes, int], ...]:
    width = len(joined) // count if count else 0
    codes = dict(refused)
    return tuple(
        (joined[position * width : (position + 1) * width], codes.get(position, 0))
        for position in range(count)
    )
