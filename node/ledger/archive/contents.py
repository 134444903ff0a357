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
from strongroom.consensus.types import DIGEST_SIZE
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
from strongroom.node.ledger.segments import HEIGHT_SIZE, Heights, Kind, Location

VERSION = "strongroom-contents-2"
PORTION_BYTES = 16 * 1024 * 1024
"""Of rows in one record of the file; a row with more ids goes on in further pieces. A segment of
short envelopes has as many bytes of ids as of everything else."""
_SUMMARY, _PORTION = 1, 2
_PIECE_BYTES = 256
"""What a piece of a row takes at most beside its ids and codes."""
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
            for portion in _portions(rows):
                payload = codec.encode((int(kind), portion))
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
        ids = Ids()
        if kind == Kind.BLOCK:
            waiting[height] = payload
        else:
            payload = whole(height, payload, waiting.pop(height, None))
            ids = Ids.of(transactions_of(payload))
        rows[Kind(kind)].append(_row(frame, hash_of[Kind(kind)](payload), ids))
        time.sleep(0)  # the event loop goes first: nobody waits for an archive
    for height, block in waiting.items():
        at = height - first
        rows[Kind.BLOCK][at] = replace(rows[Kind.BLOCK][at], ids=Ids(b"".join(ids_of(block))))
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


def _row(frame: Frame, hash: bytes, ids: Ids) -> Row:
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
