"""The consensus log: what this node promised and learned, durable before it is said aloud (PROTOCOL
§5, §6).

Files `wal-<number>.log`; one counts at a time. Its beginning is a checkpoint: what was carried over
from the one before it, closed by a CHECKPOINT marker. A file without a whole checkpoint was never
the one that counts. Owns the rotation. Refuses to know what the records mean.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self, TypeVar

import structlog

from strongroom.consensus.errors import NotCanonical, invariant
from strongroom.node.ledger.durable_writer import FrameWriter
from strongroom.node.ledger.frames import (
    FRAME_SIZE,
    HEADER_SIZE,
    CorruptRecord,
    Frame,
    Purpose,
    TornTail,
    cut,
    read_frames,
)
from strongroom.node.machine.durable_files import disk_faults, fsync_directory, make_directory

CHECKPOINT = 255
"""The marker's type; callers use 0 to 254."""
EMPTY_SIZE = HEADER_SIZE + FRAME_SIZE + 1
"""Bytes of a file that holds only the marker."""

_NAME = re.compile(r"wal-(\d{12,})\.log")
_T = TypeVar("_T")

log = structlog.get_logger()


class WriteAheadLog:
    """The log of one node. Not thread-safe, but `sync` may run in a thread while nothing is
    appended."""

    def __init__(self, directory: Path, number: int, writer: FrameWriter, *, created: bool) -> None:
        self._directory, self._number, self._writer = directory, number, writer
        self.created = created
        """There was no log: with a key of an earlier time, this node may only observe (PROTOCOL
        §6)."""

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Find the file that counts, cut its torn tail, remove the others; all that it holds is
        durable on return.

        Raises:
            CorruptRecord: damage that no crash explains; nothing is changed.
            DiskFault: the disk refused.
        """
        with disk_faults(directory):
            return cls._open(directory)

    @classmethod
    def _open(cls, directory: Path) -> Self:
        make_directory(directory)
        numbers = sorted(
            int(match[1]) for entry in directory.iterdir() if (match := _NAME.fullmatch(entry.name))
        )
        unfinished = [
            number for number in numbers if not _has_checkpoint(directory, number, numbers)
        ]
        whole = [number for number in numbers if number not in unfinished]
        tail = _torn_tail(directory, whole[-1]) if whole else None
        if tail is not None:
            log.warning("wal.tail_cut", file=str(tail.path), offset=tail.offset, reason=tail.detail)
            cut(tail)
        for number in unfinished:
            log.warning("wal.unfinished_rotation", file=str(_path(directory, number)))
        _remove(directory, unfinished + whole[:-1])
        if not whole:
            return cls(directory, 1, _begin(directory, 1, ()), created=True)
        writer = FrameWriter.resume(_path(directory, whole[-1]), Purpose.LOG, whole[-1])
        return cls(directory, whole[-1], writer, created=False)

    @property
    def size_bytes(self) -> int:
        """Bytes of the file; above its limit, the caller rotates."""
        return self._writer.size

    def append(self, kind: int, payload: bytes) -> None:
        """Add a record of type `kind` (0 to 254); it is durable after the next `sync`.

        Raises:
            DiskFault: this write, or one before it, failed.
        """
        invariant(kind != CHECKPOINT, "the checkpoint marker is the log's own")
        self._writer.append(kind, payload)

    def sync(self) -> None:
        """Make all that was appended durable: one write, one fdatasync (group commit).

        Raises:
            DiskFault: the disk refused; nothing may be sent that rested on it.
        """
        self._writer.sync()

    def replay(self) -> Iterator[tuple[int, bytes]]:
        """Every record carried and appended, in order.

        Raises:
            CorruptRecord: the file was damaged since it was opened.
        """
        for frame in self._frames():
            yield frame.kind, frame.payload

    def read(self, decode: Callable[[Iterator[tuple[int, bytes]]], _T]) -> _T:
        """What `decode` makes of every record; what it refuses is damage of this file, whatever the
        record's checksum says (T40).

        Raises:
            CorruptRecord: the file was damaged, or a record is none.
        """
        offset = 0

        def told() -> Iterator[tuple[int, bytes]]:
            nonlocal offset
            for frame in self._frames():
                offset = frame.offset
                yield frame.kind, frame.payload

        try:
            return decode(told())
        except NotCanonical as error:
            raise CorruptRecord(self._writer.path, offset, f"no record: {error}") from error

    def _frames(self) -> Iterator[Frame]:
        self._writer.flush()
        for frame in read_frames(self._writer.path, Purpose.LOG, self._number):
            if frame.kind != CHECKPOINT:
                yield frame

    def rotate(self, carry: Iterable[tuple[int, bytes]]) -> None:
        """Begin a new file with the carried records (which may come from `replay`), and then forget
        all others.

        If it fails the log takes nothing more: which file counts is found on the next start.

        Raises:
            DiskFault: the disk refused.
        """
        carried = list(carry)
        self._writer.flush()
        self._writer.close()
        writer = _begin(self._directory, self._number + 1, carried)
        _remove(self._directory, [self._number])
        self._writer, self._number = writer, self._number + 1

    def close(self) -> None:
        """Give the file back; what was not synced is not kept."""
        self._writer.close()


def _path(directory: Path, number: int) -> Path:
    return directory / f"wal-{number:012d}.log"


def _begin(directory: Path, number: int, carry: Iterable[tuple[int, bytes]]) -> FrameWriter:
    """A file with its checkpoint; it, its content and its name are durable on return."""
    writer = FrameWriter.create(_path(directory, number), Purpose.LOG, number)
    for kind, payload in carry:
        invariant(kind != CHECKPOINT, "the checkpoint marker is the log's own")
        writer.append(kind, payload)
    writer.append(CHECKPOINT)
    writer.sync()
    return writer


def _remove(directory: Path, numbers: list[int]) -> None:
    """Remove files, durably: one that came back would make the newest look like an unfinished
    rotation."""
    with disk_faults(directory):
        for number in numbers:
            _path(directory, number).unlink()
        if numbers:
            fsync_directory(directory)


def _has_checkpoint(directory: Path, number: int, numbers: list[int]) -> bool:
    """Whether the checkpoint of a file is whole; if it is not, a crash while the file was begun
    must explain it.

    Beside an older file it is the crash of a rotation: the newest held nothing but what was
    carried, because the older ones go, durably, before anything else is appended. A file alone was
    the first, and holds no more than a marker.

    Raises:
        CorruptRecord: a crash does not explain it.
    """
    path = _path(directory, number)
    damage: CorruptRecord | None = None
    try:
        if any(frame.kind == CHECKPOINT for frame in read_frames(path, Purpose.LOG, number)):
            return True
    except CorruptRecord as found:
        damage = found
    rotating = number == numbers[-1] > numbers[0]
    if rotating or (numbers == [1] and path.stat().st_size <= EMPTY_SIZE):
        return False
    raise damage or CorruptRecord(path, HEADER_SIZE, "the log has no checkpoint")


def _torn_tail(directory: Path, number: int) -> TornTail | None:
    try:
        for _ in read_frames(_path(directory, number), Purpose.LOG, number):
            pass
    except TornTail as tail:
        return tail
    return None
