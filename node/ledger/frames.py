"""The form of append-only files, how they are read, and what may be said of damage (DESIGN §8,
PROTOCOL §5, T40).

File:   magic 6 | purpose u8 | first number u64 | marker 4 | CRC32C u32
Record: marker 4 | length u32 | CRC32C u32 | type u8 | payload

Big-endian. A file's CRC is of all before it; a record's length is of type and payload, its CRC of
length, type and payload.

The marker is drawn at random for each file, so that intact records behind damage are found by one
search, and no client can write bytes into a payload that look like a record. The top bit of a
length says that all before the record was durable when it was appended: damage before such a record
is no crash's doing. Refuses to know what types and payloads mean (segments.py, wal.py) and when
bytes become durable (durable_writer.py).
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from pathlib import Path

import google_crc32c

from strongroom.consensus.errors import OperatorFault, invariant

MAGIC = b"SRLOG1"
RECORD_BYTES_MAX = 64 * 1024 * 1024
"""Type and payload of one record."""
OFFSET_MAX = (1 << 63) - 1
"""What a file can have, by the system's word."""
MARKER_SIZE = 4
_HEADER = struct.Struct(">6sBQ4s")
HEADER_SIZE = _HEADER.size + 4
_FRAME = struct.Struct(">4sII")
FRAME_SIZE = _FRAME.size
_DURABLE_BEFORE = 1 << 31
_SECTOR = 512
"""Bytes that a disk writes whole or not at all."""


class Purpose(IntEnum):
    """What a file is for; the byte after the magic."""

    BLOCKS = 1
    LOG = 2
    CONTENTS = 3


class CorruptRecord(OperatorFault):
    """A file is not what was written, and no crash explains it.

    Attributes:
        path: the file.
        offset: byte at which the first damaged record starts; 0 is the file's header.
        detail: what is wrong.
        height: lowest height that the damage can concern, in a block store.
    """

    advice = "put an intact copy back"

    def __init__(self, path: Path, offset: int, detail: str, height: int | None = None) -> None:
        where, hint = f"{path}, byte {offset}", self.advice
        if height is not None:
            where += f", height {height}"
            hint += (
                ", or move it and all later ones aside, with index/: peers send the blocks again"
            )
        super().__init__(f"{where}: {detail}; {hint}")
        self.path, self.offset, self.detail, self.height = path, offset, detail, height


class TornTail(CorruptRecord):
    """Damage that a crash in the middle of an append explains: in the newest file it is cut, in any
    other refused."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One record as read."""

    kind: int
    payload: bytes
    offset: int
    size: int
    """Bytes with the framing; the next record starts at offset + size."""
    durable_before: bool
    """Whether all before it was durable when it was appended."""


def encode_header(purpose: Purpose, first: int, marker: bytes) -> bytes:
    """The first bytes of a file."""
    header = _HEADER.pack(MAGIC, purpose, first, marker)
    checksum: int = google_crc32c.value(header)
    return header + checksum.to_bytes(4, "big")


def encode_frame(
    marker: bytes, kind: int, parts: tuple[bytes, ...], *, durable_before: bool
) -> tuple[bytes, ...]:
    """A record as pieces to be written one after the other; the payload's parts are not copied."""
    length = 1 + sum(map(len, parts))
    invariant(length <= RECORD_BYTES_MAX, f"a record of {length} bytes, which nobody would read")
    word = length | _DURABLE_BEFORE if durable_before else length
    kind_byte = bytes((kind,))
    checksum = google_crc32c.value(word.to_bytes(4, "big") + kind_byte)
    for part in parts:
        checksum = google_crc32c.extend(checksum, part)
    return (_FRAME.pack(marker, word, checksum), kind_byte, *parts)


def read_header(path: Path, purpose: Purpose, first: int) -> bytes:
    """Check that a file is what its name says; returns its marker.

    Raises:
        TornTail: its creation was cut short, so it never held a record.
        CorruptRecord: damaged, or another file under this name.
    """
    with path.open("rb") as file:
        header, rest = file.read(HEADER_SIZE), file.read(1)
    if len(header) < HEADER_SIZE or google_crc32c.value(header[:-4]) != int.from_bytes(
        header[-4:], "big"
    ):
        raise (CorruptRecord if rest else TornTail)(path, 0, "the file's header is damaged")
    marker = header[-4 - MARKER_SIZE : -4]
    if header != encode_header(purpose, first, marker):
        raise CorruptRecord(path, 0, f"not the {purpose.name.lower()} of number {first}")
    return marker


def read_frames(path: Path, purpose: Purpose, first: int) -> Iterator[Frame]:
    """All records of a file, in order.

    Raises:
        TornTail: at the end, if a crash in the middle of an append explains what stands there.
        CorruptRecord: any other damage.
    """
    marker = read_header(path, purpose, first)
    with path.open("rb") as file:
        offset = file.seek(HEADER_SIZE)
        while head := file.read(FRAME_SIZE):
            frame = _frame(head, marker, offset, file.read(_length(head, marker)))
            if frame is None:
                file.seek(offset)
                raise _damage(path, offset, file.read(), marker)
            yield frame
            offset += frame.size


def read_frame(path: Path, marker: bytes, offset: int, size: int) -> Frame:
    """One record whose place is known, by one read.

    Raises:
        CorruptRecord: no intact record of that size stands there, or the file cannot be read.
    """
    if not (0 <= offset <= OFFSET_MAX and 0 < size <= FRAME_SIZE + RECORD_BYTES_MAX):
        raise CorruptRecord(path, offset, f"no record has {size} bytes there")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(descriptor, size, offset)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CorruptRecord(path, offset, f"cannot be read: {error.strerror}") from error
    frame = _frame(data[:FRAME_SIZE], marker, offset, data[FRAME_SIZE:])
    if frame is None or frame.size != size:
        raise CorruptRecord(path, offset, "the record is damaged")
    return frame


def cut(tail: TornTail) -> None:
    """Remove a torn tail. The caller has made sure that it stands in the newest file, and resumes
    that (durable_writer.py)."""
    os.truncate(tail.path, tail.offset)


def _length(head: bytes, marker: bytes) -> int:
    """Bytes of type and payload; 0 if this is not the head of a record."""
    if len(head) < FRAME_SIZE or head[:MARKER_SIZE] != marker:
        return 0
    length = int.from_bytes(head[4:8], "big") & ~_DURABLE_BEFORE
    return length if length <= RECORD_BYTES_MAX else 0


def _frame(head: bytes, marker: bytes, offset: int, body: bytes) -> Frame | None:
    length = _length(head, marker)
    if not length or len(body) != length:
        return None
    if google_crc32c.extend(google_crc32c.value(head[4:8]), body) != int.from_bytes(
        head[8:12], "big"
    ):
        return None
    return Frame(body[0], body[1:], offset, FRAME_SIZE + length, head[4] >= 0x80)


def _damage(path: Path, offset: int, rest: bytes, marker: bytes) -> CorruptRecord:
    """Judge the bytes from the first damaged record to the end of the file.

    A crash takes only what was not durable. It leaves a piece of the newest record, or zeros in
    place of sectors that were never written, which may stand before others that were.
    """
    followers = list(_intact_records(rest, marker))
    if followers:
        what = f"damaged, and an intact record follows at byte {offset + followers[0].offset}"
        if any(frame.durable_before for frame in followers) or not _has_hole(
            rest[: followers[0].offset], offset
        ):
            return CorruptRecord(path, offset, what)
        return TornTail(path, offset, f"{what}; neither was durable")
    written = len(rest.rstrip(b"\x00"))
    length = _length(rest[:FRAME_SIZE], marker)
    if (
        written < FRAME_SIZE
        or _has_hole(rest, offset)
        or (length and FRAME_SIZE + length >= written)
    ):
        return TornTail(path, offset, f"cut short after {len(rest)} bytes")
    return CorruptRecord(path, offset, "the record is damaged")


def _intact_records(data: bytes, marker: bytes) -> Iterator[Frame]:
    """Records after the first byte, wherever they start; offsets are those in `data`."""
    position = data.find(marker, 1)
    while position >= 0:
        head, body = data[position : position + FRAME_SIZE], position + FRAME_SIZE
        frame = _frame(head, marker, position, data[body : body + _length(head, marker)])
        if frame:
            yield frame
        position = data.find(marker, position + (frame.size if frame else 1))


def _has_hole(data: bytes, offset: int) -> bool:
    """Whether the bytes from a damaged record's offset on show a sector that was never written.

    The record's own first sector is looked at from its start, where a marker would stand, which has
    no zero byte.
    """
    edges = [0, *range(_SECTOR - offset % _SECTOR, len(data) + 1, _SECTOR)]
    return any(not any(data[start:end]) for start, end in pairwise(edges))
