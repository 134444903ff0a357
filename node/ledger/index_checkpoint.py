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
from pathlib import Path
from typing import Any

import google_crc32c

from strongroom.node.ledger.index_files import READ_SIZE, read_checksum
from strongroom.node.machine.durable_files import fsync_directory

_MAGIC = b"SRINDEX1"
_TAIL = struct.Struct(">8sQ")
_TAIL_SIZE = _TAIL.size + 4


def checkpoint_file(directory: Path) -> Path:
    """The one of an index's folder."""
    return directory / "checkpoint.mdb"


def write_checkpoint(environment: Any, directory: Path) -> None:
    """Copy what is committed now; durable on return. Others may read and write meanwhile, but not
    grow the map.

    Raises:
        OSError, lmdb.Error: the disk refused; the checkpoint before stands.
    """
    draft = _draft(directory)
    try:
        with draft.open("wb+") as file:
            environment.copyfd(file.fileno(), compact=True)
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
    crash.

    Raises:
        OSError: the disk refused.
    """
    path, draft = checkpoint_file(directory), _draft(directory)
    if not path.is_file():
        return False
    try:
        with path.open("rb") as source, draft.open("wb") as target:
            left = size = path.stat().st_size - _TAIL_SIZE
            checksum = 0
            while left > 0 and (chunk := source.read(min(READ_SIZE, left))):
                checksum = google_crc32c.extend(checksum, chunk)
                target.write(chunk)
                left -= len(chunk)
            tail = source.read()
        head = _TAIL.pack(_MAGIC, max(size, 0))
        checksum = google_crc32c.extend(checksum, head)
        if tail != head + checksum.to_bytes(4, "big"):
            return False
        draft.replace(data)
        return True
    finally:
        draft.unlink(missing_ok=True)


def drop_checkpoint(directory: Path) -> None:
    """It is not believed again, whatever crashes next."""
    path = checkpoint_file(directory)
    if path.exists():
        path.unlink(missing_ok=True)
        fsync_directory(directory)


def _draft(directory: Path) -> Path:
    return directory / "checkpoint.new"
