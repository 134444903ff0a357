"""An index's files in its folder, and whether they are believed (DESIGN §8).

Owns that trust: a file beside the pages says in which boot they are written, for the kernel has
every commit as long as that lasts, or their size and checksum at an orderly close. What stands in
them: index.py.
"""

import os
from pathlib import Path
from typing import BinaryIO

import google_crc32c

READ_SIZE = 4 * 1024 * 1024


def read_checksum(file: BinaryIO) -> tuple[int, int]:
    """Bytes and CRC32C of what is left in a file.

    Raises:
        OSError: it cannot be read.
    """
    size, checksum = 0, 0
    while chunk := file.read(READ_SIZE):
        checksum = google_crc32c.extend(checksum, chunk)
        size += len(chunk)
    return size, checksum


def index_data(directory: Path) -> Path:
    """LMDB's pages."""
    return directory / "data.mdb"


def trust_file(directory: Path) -> Path:
    """What says whether the index is: `Index` alone writes it."""
    return directory / "believed"


def this_boot() -> bytes:
    """Names this boot of the machine; where the system does not say, every opening counts as
    another boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        return os.urandom(16)


def checksum_of(directory: Path) -> bytes:
    """Size and CRC32C of them, as the trust file names an index that was closed.

    Raises:
        OSError: they cannot be read.
    """
    with index_data(directory).open("rb") as file:
        size, checksum = read_checksum(file)
    return f"closed {size} {checksum:08x}".encode()


def is_believed(directory: Path) -> bool:
    """Is it of this boot, or as it was closed?"""
    try:
        marker = trust_file(directory).read_bytes()
        return index_data(directory).exists() and (
            marker == this_boot() or marker == checksum_of(directory)
        )
    except OSError:
        return False


def remove_index(directory: Path) -> None:
    """The next one begins empty."""
    for name in (index_data(directory), directory / "lock.mdb"):
        name.unlink(missing_ok=True)
