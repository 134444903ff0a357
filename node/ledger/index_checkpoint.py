"""A durable copy of the index as it stood at some height, so that a crash of the machine costs what
came since, not the ledger's length (DESIGN §8, T40).

    checkpoint.mdb    the index, as LMDB copies it | magic 8 | bytes before u64 | CRC32C u32

Big-endian; the checksum is over all before it. It is written beside the index, synced, and then
takes its name in one step: a crash leaves the one before, or this one. It is believed as an index
that was closed in order is: by a checksum over all of it, and by nothing else. Owns this form.
Refuses to know when one is made (store.py), and what the segments hold above it (recovery.py).
"""

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from strongroom.node.ledger.index_files import READ_SIZE, read_checksum
from strongroom.node.machine.durable_files import fsync_directory

_MAGIC = b"SRINDEX1"
_TAIL = struct.Struct(">8sQ")
_TAIL_SIZE = _TAIL.size + 4


def checkpoint_file(directory: Path) -> Path:
    """The one of an index's folder."""
    return directory / "checkpoint.mdb"


def write_checkpoint(copy: Callable[[int], None], directory: Path) -> None:
    """Copy what is committed now; durable on return.

    Args:
        copy: writes the pages to a file's descriptor; others may read and write meanwhile.
        directory: the index's.

    Raises:
        OSError, lmdb.Error: the disk refused; the checkpoint before stands.
    """
    draft = _draft(directory)
    try:
        with draft.open("wb+") as file:
            copy(file.fileno())
            file.seek(0)
            size, checksum = read_checksum(file)
            tail = _TAIL.pack(_MAGIC, size)
            file.write(tail + google_crc32c.extend(checksum, tail).to_bytes(4, "big"))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(checkpoint_file(directory))
        fsync_directory(directory)
    finally:
        draft.unlink(missing_ok=True)


def restore_checkpoint(directory: Path, data: Path) -> bool:
    """Begin the index anew with the checkpoint; whether there is one that is what was written.

    The bytes that were compared are the bytes that are taken. The checkpoint stays, for the next
    crash; one that cannot be read is none.

    Raises:
        OSError: the disk refused to write.
    """
    path, draft = checkpoint_file(directory), _draft(directory)
    if not path.exists():
        return False
    try:
        with draft.open("wb") as target:
            if not _take_over(path, target):
                return False
        draft.replace(data)
        return True
    finally:
        draft.unlink(missing_ok=True)


def _take_over(path: Path, target: BinaryIO) -> bool:
    """Copy a checkpoint; whether it can be read, and is what was written."""
    checksum = size = 0
    tail = b""
    for chunk in _readable(path):
        joined = tail + chunk
        data, tail = joined[:-_TAIL_SIZE], joined[-_TAIL_SIZE:]
        checksum = google_crc32c.extend(checksum, data)
        target.write(data)
        size += len(data)
    head = _TAIL.pack(_MAGIC, size)
    checksum = google_crc32c.extend(checksum, head)
    return bool(tail == head + checksum.to_bytes(4, "big"))


def _readable(path: Path) -> Iterator[bytes]:
    """A file's bytes, up to its end or to what the disk refuses to read."""
    with suppress(OSError), path.open("rb") as source:
        while chunk := source.read(READ_SIZE):
            yield chunk


def drop_checkpoint(directory: Path) -> None:
    """It is not believed again, whatever crashes next."""
    path = checkpoint_file(directory)
    if path.exists():
        path.unlink(missing_ok=True)
        fsync_directory(directory)


def remove_draft(directory: Path) -> None:
    """What a copy that was killed has left."""
    _draft(directory).unlink(missing_ok=True)


def _draft(directory: Path) -> Path:
    return directory / "checkpoint.new"
