"""The file of an archived segment's contents, as it is read: a portion at a time.

Owns that nothing of it is believed for its checksums (its form: contents_file.py): whoever writes a
disk writes these too, so each number is compared with what stands beside it before anything rests
on it (T40). What is kept in memory is where the portions stand: some 200 bytes for 64 KiB.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.formats.outcome import Code
from strongroom.node.ledger.archive.contents import Contents, Row, Summary
from strongroom.node.ledger.archive.contents_file import (
    DIRECTORY,
    KINDS,
    PORTION,
    SUMMARY,
    VERSION,
)
from strongroom.node.ledger.archive.faults import ContentsDamaged
from strongroom.node.ledger.archive.ids import Ids
from strongroom.node.ledger.frames import (
    FRAME_SIZE,
    HEADER_SIZE,
    MARKER_SIZE,
    OFFSET_MAX,
    RECORD_BYTES_MAX,
    CorruptRecord,
    Frame,
    Purpose,
    read_frame,
    read_frames,
)
from strongroom.node.ledger.segments import Kind

_CODES = bytes(map(int, Code))
_SHAPE = (str, int, int, int, int, int, bytes, bytes, tuple)


@dataclass(frozen=True, slots=True, order=True)
class Portion:
    """Where some rows stand, by what stands first in it."""

    kind: int
    """Index in KINDS."""
    height: int
    position: int
    """Of the first id of its first piece, in its row."""
    offset: int
    """From the end of the directory."""
    size: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A row, or what goes on with one."""

    height: int
    position: int
    """Of its first id, in the row."""
    row: Row


class ContentsReader:
    """One file. Any thread may read."""

    def __init__(self, path: Path, first: int) -> None:
        """Read summary and directory, and the ends of the rows.

        Raises:
            ContentsDamaged: damaged, of another segment, or it contradicts itself.
        """
        self.path = path
        with _named(path):
            frames = read_frames(path, Purpose.CONTENTS, first)
            self.summary = _summary(next(frames, None), first)
            self._start, self._portions = _directory(next(frames, None))
            self._check_form()
        for index, kind in enumerate(KINDS):
            self._check_end(index, kind)

    def row(self, kind: Kind, height: int) -> Row:
        """Of a record that the summary holds.

        Raises:
            ContentsDamaged: it is not where the directory says.
        """
        parts: list[Piece] = []
        for piece in self._pieces_from(kind, height):
            if piece.height > height:
                break
            if piece.height == height:
                parts.append(piece)
        return self._joined(kind, height, parts)

    def id_at(self, kind: Kind, height: int, position: int) -> bytes:
        """The id at a position of a row; b"" if there is none. No more than one portion is read,
        however many ids the row has.

        Raises:
            ContentsDamaged: that portion is not where the directory says.
        """
        at = self._find(kind, height, position)
        for piece in self._pieces_in(at) if at >= 0 else ():
            start = position - piece.position
            if piece.height == height and 0 <= start < len(piece.row.ids):
                return bytes(piece.row.ids.alone[start])
        return b""

    def records(self) -> Iterator[tuple[Kind, int, Row]]:
        """Kind, height and row of every record, blocks first; one portion in memory at a time.

        Raises:
            ContentsDamaged: a portion is damaged, or rows are missing.
        """
        for kind, first, last in self._ranges():
            height, parts = first, list[Piece]()
            for piece in self._pieces_from(kind, first) if first <= last else ():
                if not piece.position and parts:
                    yield kind, height, self._joined(kind, height, parts)
                    height, parts = height + 1, []
                parts.append(piece)
            if first <= last:
                yield kind, height, self._joined(kind, height, parts)
                if height != last:
                    raise ContentsDamaged(self.path, self._start, f"rows end at {height}")

    def whole(self) -> Contents:
        """All of it."""
        contents = Contents(self.summary)
        for kind, _, row in self.records():
            contents.rows[kind].append(row)
        return contents

    # --- portions ---

    def _find(self, kind: Kind, height: int, position: int) -> int:
        """The portion in which a piece stands, if any does; -1: before all of them."""
        key = Portion(KINDS.index(kind), height, position, 1 << 64, 0)
        return bisect_right(self._portions, key) - 1

    def _pieces_from(self, kind: Kind, height: int) -> Iterator[Piece]:
        """All of a kind from the portion on in which a row begins."""
        index = KINDS.index(kind)
        for at in range(max(0, self._find(kind, height, 0)), len(self._portions)):
            if self._portions[at].kind == index:
                yield from self._pieces_in(at)

    def _joined(self, kind: Kind, height: int, parts: list[Piece]) -> Row:
        """A row of all its pieces."""
        position = 0
        for piece in parts:
            if (piece.height, piece.position) != (height, position):
                break
            position += len(piece.row.ids)
        else:
            if parts:
                ids = Ids.joining([piece.row.ids for piece in parts])
                return replace(parts[0].row, ids=ids)
        raise ContentsDamaged(self.path, self._start, f"no {kind.name.lower()} {height}")

    def _pieces_in(self, at: int) -> list[Piece]:
        portion, made = self._portions[at], list[Piece]()
        offset = self._start + portion.offset
        with _named(self.path, offset):
            frame = read_frame(self.path, self.summary.marker, offset, portion.size)
            if frame.kind != PORTION:
                raise NotCanonical("no portion")
            kind, wires = codec.fields(_decoded(frame), int, tuple, name="portion")
            if kind != KINDS[portion.kind]:
                raise NotCanonical("portion: of another kind than the directory says")
            height, position = portion.height, portion.position
            for wire in wires:
                row = _row(wire)
                if row.size and (made or position):
                    height, position = height + bool(made or position), 0
                elif not row.size and not position:
                    raise NotCanonical("row: nothing stands before it")
                made.append(Piece(height, position, row))
                position += len(row.ids)
        return made

    # --- what may be believed ---

    def _ranges(self) -> Iterator[tuple[Kind, int, int]]:
        made = self.summary
        yield Kind.BLOCK, made.first, made.last
        yield Kind.OUTCOME, made.outcome_first, made.outcome_last

    def _check_form(self) -> None:
        """The directory is of this file: portions in order, one behind the other, to its end."""
        end = self._start
        for before, after in zip((None, *self._portions), self._portions, strict=False):
            if after.offset + self._start != end or (before is not None and not before < after):
                raise NotCanonical("directory: portions out of order")
            end += after.size
        if end != os.stat(self.path).st_size:
            raise NotCanonical("directory: of a file of another size")

    def _check_end(self, index: int, kind: Kind) -> None:
        """The summary names the rows that are here: all that is archived rests on it."""
        first, last = next((low, high) for one, low, high in self._ranges() if one == kind)
        portions = [at for at, one in enumerate(self._portions) if one.kind == index]
        begins = self._portions[portions[0]] if portions else None
        ends = self._pieces_in(portions[-1]) if portions else []
        found = ends[-1].height if ends else first - 1
        starts = begins is None or (begins.height, begins.position) == (first, 0)
        if found != last or not starts:
            text = f"its {kind.name.lower()} rows end at {found}, not at {last}"
            raise ContentsDamaged(self.path, HEADER_SIZE, text)


def read_contents(path: Path, first: int) -> Contents:
    """A file of contents, whole.

    Raises:
        ContentsDamaged: damaged, or of another segment.
    """
    return ContentsReader(path, first).whole()


@contextmanager
def _named(path: Path, offset: int = HEADER_SIZE) -> Iterator[None]:
    try:
        yield
    except NotCanonical as error:
        raise ContentsDamaged(path, offset, str(error)) from None
    except CorruptRecord as damage:
        raise ContentsDamaged(path, damage.offset, damage.detail) from None
    except OSError as error:
        raise ContentsDamaged(path, offset, f"cannot be read: {error.strerror}") from None


def _summary(frame: Frame | None, first: int) -> Summary:
    if frame is None or frame.kind != SUMMARY:
        raise NotCanonical("no summary")
    version, own, last, outcome_first, outcome_last, size, digest, marker, epochs = codec.fields(
        _decoded(frame), *_SHAPE, name="summary"
    )
    if (version, own) != (VERSION, first):
        raise NotCanonical(f"{version} of segment {own}")
    numbers = {"last": last, "outcome_first": outcome_first, "outcome_last": outcome_last}
    for name, number in (*numbers.items(), ("size", size)):
        codec.unsigned(number, name=name)
    if not (first <= last and 1 <= outcome_first <= outcome_last + 1 <= last + 1):
        raise NotCanonical(f"heights {first} to {last}, {outcome_first} to {outcome_last}")
    if not set(map(type, epochs)) <= {bytes}:
        raise NotCanonical("epochs: not encoded")
    return Summary(
        first=first,
        last=last,
        outcome_first=outcome_first,
        outcome_last=outcome_last,
        size=size,
        digest=codec.sized(digest, DIGEST_SIZE, name="digest"),
        marker=codec.sized(marker, MARKER_SIZE, name="marker"),
        epochs=epochs,
    )


def _directory(frame: Frame | None) -> tuple[int, list[Portion]]:
    """Where the portions begin, and the list of them."""
    if frame is None or frame.kind != DIRECTORY:
        raise NotCanonical("no directory")
    listed = _decoded(frame)
    if type(listed) is not tuple:
        raise NotCanonical("directory: expected a list")
    return frame.offset + frame.size, list(map(_portion, listed))


def _portion(wire: object) -> Portion:
    kind, *numbers = codec.fields(wire, int, int, int, int, int, name="directory")
    height, position, offset, size = (codec.unsigned(one, name="directory") for one in numbers)
    if kind not in set(KINDS) or not FRAME_SIZE < size <= FRAME_SIZE + RECORD_BYTES_MAX:
        raise NotCanonical("directory: of no portion")
    return Portion(KINDS.index(Kind(kind)), height, position, offset, size)


def _row(wire: object) -> Row:
    offset, size, digest, hash, joined, codes = codec.fields(
        wire, int, int, bytes, bytes, bytes, bytes, name="row"
    )
    ids = Ids(joined, codes)
    if len(joined) % DIGEST_SIZE or (codes and len(codes) != len(ids)):
        raise NotCanonical("row: not as many codes as ids")
    if len(hash) not in (0, DIGEST_SIZE) or codes.translate(None, _CODES):
        raise NotCanonical("row: no hash, or an unknown code")
    codec.unsigned(offset, name="row", value_max=OFFSET_MAX)
    codec.unsigned(size, name="row", value_max=FRAME_SIZE + RECORD_BYTES_MAX)
    return Row(offset, size, digest, hash, ids)


def _decoded(frame: Frame) -> codec.Wire:
    return codec.decode(frame.payload, size_max=RECORD_BYTES_MAX)
