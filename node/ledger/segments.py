"""The block store's files: `blocks-<first height>.log`, each a run of framed blocks and outcomes
(DESIGN §8).

Blocks stand in height order 1, 2, 3 … across all files; outcomes likewise, each after its block. A
file is named by the height of the first block in it, and a new one begins only when everything
before it is durable. Owns that order, the files' names and their headers. Refuses to know where a
height stands (index.py), and what blocks and outcomes mean.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from strongroom.consensus.errors import invariant
from strongroom.node.ledger.durable_writer import FrameWriter
from strongroom.node.ledger.frames import (
    CorruptRecord,
    Purpose,
    TornTail,
    cut,
    read_frame,
    read_frames,
    read_header,
)
from strongroom.node.machine.durable_files import fsync_directory, make_directory

SEGMENT_BYTES_MAX = 64 * 1024 * 1024
"""A block is not appended to a file of this size; outcomes of blocks in it still are."""
HEIGHT_SIZE = 8

_NAME = re.compile(r"blocks-(\d{12,})\.log")


class Kind(IntEnum):
    """Types of records; each payload begins with a height (u64 big-endian)."""

    BLOCK = 4
    """As block_record.py writes it; 1 was one with payloads as they came."""
    OUTCOME = 3
    """As outcome_record.py writes it; 2 was one with its ids."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a record stands: its file's first height, its offset there, its size with the framing,
    both in bytes."""

    segment: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Heights:
    """The newest block and the newest outcome; 0 when there is none."""

    block: int = 0
    outcome: int = 0

    def of(self, kind: Kind) -> int:
        """The newest height of a kind."""
        return self.block if kind == Kind.BLOCK else self.outcome

    def following(self, kind: int, height: int) -> "Heights | None":
        """These heights with one more record, or None if that record is not the next of its
        kind."""
        if kind == Kind.BLOCK and height == self.block + 1:
            return Heights(height, self.outcome)
        if kind == Kind.OUTCOME and height == self.outcome + 1 <= self.block:
            return Heights(self.block, height)
        return None


@dataclass(frozen=True, slots=True)
class Record:
    """A block or an outcome as read, and the heights reached with it."""

    kind: Kind
    height: int
    payload: bytes
    location: Location
    reached: Heights


def first_heights(directory: Path) -> set[int]:
    """First heights of the files in a folder, by their names."""
    return {
        int(match[1]) for entry in directory.iterdir() if (match := _NAME.fullmatch(entry.name))
    }


class Segments:
    """The files of one block store. `scan`, then `resume`, then append; reads need neither."""

    def __init__(
        self,
        directory: Path,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        *,
        above: Heights = Heights(),
        elsewhere: Path | None = None,
        read_only: bool = False,
    ) -> None:
        """List the files and check that each is what its name says; the first one is made if there
        is none, and a newest one whose making was cut short is made again.

        Args:
            directory: where they lie.
            segment_bytes_max: size of a file that takes no further block.
            above: what is archived; a file of it that was put back is left alone.
            elsewhere: an archive, whose files are read as if they were here; with `read_only`.
            read_only: nothing is made or removed: a node may be writing there, and a newest file
                without a whole header is one that it makes at this moment.

        Raises:
            CorruptRecord: a header is damaged, or files were swapped or renamed.
        """
        if not read_only:
            make_directory(directory)
        invariant(elsewhere is None or read_only, "what is archived is only read")
        self._read_only, self._elsewhere = read_only, elsewhere
        self._directory, self._segment_bytes_max = directory, segment_bytes_max
        self._markers: dict[int, bytes] = {}
        """By first height, ascending."""
        self._writer: FrameWriter | None = None
        self._heights = Heights()
        self.above = above
        """What stands in no file here: the first of them begins above it."""
        firsts = sorted(
            first
            for folder in (directory, elsewhere)
            for first in (first_heights(folder) if folder else ())
            if first > above.block and (folder == directory or not self._is_here(first))
        )
        for first in firsts:
            try:
                self._markers[first] = read_header(self.path(first), Purpose.BLOCKS, first)
            except TornTail:
                if first != firsts[-1]:
                    raise
                if not read_only:
                    self.path(first).unlink()
                    fsync_directory(directory)
        self._newest = firsts[-1] if firsts else above.block + 1
        if self._newest not in self._markers and not read_only:
            self._begin(self._newest).close()

    def limit(self, segment_bytes_max: int) -> None:
        """From now on a file of this size takes no further block."""
        self._segment_bytes_max = segment_bytes_max

    @property
    def firsts(self) -> list[int]:
        """First heights of the files, ascending."""
        return list(self._markers)

    @property
    def heights(self) -> Heights:
        """What is appended; durable after `sync`."""
        return self._heights

    @property
    def full(self) -> bool:
        """The newest file takes no further block: `sync`, then `roll`."""
        return self._open_writer.size >= self._segment_bytes_max

    def path(self, first: int) -> Path:
        """The file whose first block has this height."""
        here = self._directory / f"blocks-{first:012d}.log"
        return here if self._elsewhere is None or here.exists() else self._elsewhere / here.name

    def _is_here(self, first: int) -> bool:
        return (self._directory / f"blocks-{first:012d}.log").exists()

    def bytes_here(self) -> int:
        """Bytes of the files."""
        return self.bytes_since(0)

    def bytes_since(self, time_ns: int) -> int:
        """The same, of files that were written to after a time, nanoseconds since 1970."""
        found = [self.path(first).stat() for first in self.firsts]
        return sum(one.st_size for one in found if one.st_mtime_ns > time_ns)

    def let_go(self, first: int) -> None:
        """A closed file is archived: nothing here reads it any more."""
        invariant(first != self._newest, "the newest file is appended to")
        self._markers = {other: held for other, held in self._markers.items() if other != first}

    def holds(self, location: Location) -> bool:
        """Whether a file is there and long enough for a record; whether it is intact shows when it
        is read."""
        path = self.path(location.segment)
        return path.exists() and path.stat().st_size >= location.offset + location.size

    def scan(self, since: int, heights: Heights) -> Iterator[Record]:
        """Every record from the file `since` on, in order; `heights` are those reached before it.

        Raises:
            TornTail: at the end: a crash cut the newest record short (see `resume`).
            CorruptRecord: anything else that is damaged, missing or out of order, with file, offset
                and height.
        """
        files = [first for first in self._markers if first >= since]
        for first in files:
            path = self.path(first)
            if first != heights.block + 1:
                raise CorruptRecord(
                    self.path(heights.block + 1),
                    0,
                    f"missing before {path.name}",
                    heights.block + 1,
                )
            try:
                for frame in read_frames(path, Purpose.BLOCKS, first):
                    height = int.from_bytes(frame.payload[:HEIGHT_SIZE], "big")
                    reached = heights.following(frame.kind, height)
                    if reached is None:
                        raise CorruptRecord(
                            path,
                            frame.offset,
                            f"record {frame.kind} of height {height} after {heights}",
                        )
                    heights = reached
                    location = Location(first, frame.offset, frame.size)
                    yield Record(
                        Kind(frame.kind), height, frame.payload[HEIGHT_SIZE:], location, heights
                    )
            except CorruptRecord as damage:
                kind = (
                    TornTail
                    if isinstance(damage, TornTail) and first == files[-1]
                    else CorruptRecord
                )
                raise kind(path, damage.offset, damage.detail, heights.outcome + 1) from None

    def resume(self, heights: Heights, tail: TornTail | None) -> None:
        """Cut the torn tail that a scan found, if any, and append after it; what stands there is
        durable on return."""
        invariant(not self._read_only, "files that are only read are not appended to")
        if tail is not None:
            cut(tail)
        self._writer = FrameWriter.resume(self.path(self._newest), Purpose.BLOCKS, self._newest)
        self._heights = heights

    def append(self, kind: Kind, height: int, payload: bytes) -> Location:
        """Add the next block or outcome; durable after `sync`.

        Raises:
            InvariantBroken: not the next height of its kind, or an outcome without its block.
            DiskFault: the disk refused.
        """
        reached = self._heights.following(kind, height)
        invariant(reached is not None, f"{kind.name} of height {height} after {self._heights}")
        writer = self._open_writer
        offset = writer.append(kind, height.to_bytes(HEIGHT_SIZE, "big"), payload)
        self._heights = reached or self._heights
        return Location(self._newest, offset, writer.size - offset)

    def roll(self) -> None:
        """Begin the file of the next block; it and its name are durable on return, as is all before
        it."""
        self.sync()
        self._open_writer.close()
        self._writer = self._begin(self._heights.block + 1)

    def sync(self) -> None:
        """Make everything appended durable: one write, one fdatasync.

        Raises:
            DiskFault: the disk refused.
        """
        self._open_writer.sync()

    def make_readable(self, location: Location) -> None:
        """Have the kernel know a record; from then on it is read in any thread."""
        writer = self._writer
        if (
            writer
            and writer.path == self.path(location.segment)
            and location.offset + location.size > writer.written
        ):
            writer.flush()

    def read(self, kind: Kind, height: int, location: Location) -> bytes:
        """The payload of a block or outcome.

        Raises:
            CorruptRecord: another record, or a damaged one, stands there.
        """
        self.make_readable(location)
        path = self.path(location.segment)
        try:
            frame = read_frame(
                path, self._markers.get(location.segment, b""), location.offset, location.size
            )
        except CorruptRecord as damage:
            raise CorruptRecord(path, damage.offset, damage.detail, height) from None
        if frame.kind != kind or frame.payload[:HEIGHT_SIZE] != height.to_bytes(HEIGHT_SIZE, "big"):
            raise CorruptRecord(
                path, location.offset, f"not the {kind.name.lower()} of this height", height
            )
        return frame.payload[HEIGHT_SIZE:]

    def close(self) -> None:
        """Give the files back; what was not synced is not kept."""
        if self._writer:
            self._writer.close()

    @property
    def _open_writer(self) -> FrameWriter:
        invariant(self._writer is not None, "a block store is appended to after it was scanned")
        assert self._writer is not None
        return self._writer

    def _begin(self, first: int) -> FrameWriter:
        writer = FrameWriter.create(self.path(first), Purpose.BLOCKS, first)
        self._markers[first], self._newest = writer.marker, first
        return writer
