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
from strongroom.node.ledger.archive.contents import Contents, Row
from strongroom.node.ledger.archive.contents_file import (
    KINDS,
    PORTION,
)
from strongroom.node.ledger.archive.contents_parts import (
    Portion,
    decoded,
    directory_in,
    row_in,
    summary_in,
)
from strongroom.node.ledger.archive.faults import ContentsDamaged
from strongroom.node.ledger.archive.ids import Ids
from strongroom.node.ledger.frames import (
    HEADER_SIZE,
    CorruptRecord,
    Purpose,
    read_frame,
    read_frames,
)
from strongroom.node.ledger.segments import Kind


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
            self.summary = summary_in(next(frames, None), first)
            self._start, self._portions = directory_in(next(frames, None))
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
            kind, wires = codec.fields(decoded(frame), int, tuple, name="portion")
            if kind != KINDS[portion.kind]:
                raise NotCanonical("portion: of another kind than the directory says")
            height, position = portion.height, portion.position
            for wire in wires:
                row = row_in(wire, KINDS[portion.kind])
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
