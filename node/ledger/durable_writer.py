"""Appending records to one file: buffered, written by one write, durable by one fdatasync (PROTOCOL
§5, group commit).

Owns the moment at which bytes become durable, and the refusal to go on after a disk refused.
Refuses to know what the records mean: see segments.py, wal.py.
"""

import os
import threading
from pathlib import Path
from typing import Self

from strongroom.consensus.errors import invariant
from strongroom.node.ledger.frames import (
    HEADER_SIZE,
    MARKER_SIZE,
    RECORD_BYTES_MAX,
    Purpose,
    encode_frame,
    encode_header,
    read_header,
)
from strongroom.node.machine.durable_files import DiskFault, disk_faults, fsync_directory

BUFFER_BYTES_MAX = 4 * 1024 * 1024
"""Appended bytes that wait for a sync; above it they are written, not yet synced."""


class FrameWriter:
    """Appends records to one file. Not thread-safe, but `sync` and `flush` may run beside each
    other in two threads."""

    def __init__(self, path: Path, descriptor: int, marker: bytes, size: int) -> None:
        self.path, self.marker = path, marker
        self.size = size
        """Bytes of the file with what is still buffered."""
        self.written = size
        """Bytes of the file that readers see."""
        self._synced = size
        self._descriptor = descriptor
        self._buffer: list[bytes] = []
        self._fault: str | None = None
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path, purpose: Purpose, first: int) -> Self:
        """Begin a file; it, its header and its name are durable on return.

        Raises:
            DiskFault: the disk refused, or the file is there already.
        """
        with disk_faults(path):
            descriptor = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
        # No zero byte: zeros are what a power loss leaves of bytes that were not written.
        writer = cls(path, descriptor, bytes(byte | 1 for byte in os.urandom(MARKER_SIZE)), 0)
        writer._buffer.append(encode_header(purpose, first, writer.marker))
        writer.size = HEADER_SIZE
        writer.sync()
        with disk_faults(path):
            fsync_directory(path.parent)
        return writer

    @classmethod
    def resume(cls, path: Path, purpose: Purpose, first: int) -> Self:
        """Go on with a file whose records were all read and found intact; they are durable on
        return.

        They may stand only in the page cache yet, if the process that wrote them died before its
        sync.

        Raises:
            CorruptRecord: the header is not that of this file.
            DiskFault: the disk refused.
        """
        marker = read_header(path, purpose, first)
        with disk_faults(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            os.fsync(descriptor)
            return cls(path, descriptor, marker, os.fstat(descriptor).st_size)

    def append(self, kind: int, *parts: bytes) -> int:
        """Add a record whose payload is the parts joined; returns its offset. It is durable after
        the next `sync`.

        Raises:
            DiskFault: this write, or one before it, failed.
        """
        self._usable()
        offset = self.size
        pieces = encode_frame(self.marker, kind, parts, durable_before=offset == self._synced)
        size = sum(map(len, pieces))
        invariant(size <= RECORD_BYTES_MAX, f"a record of {size} bytes, at most {RECORD_BYTES_MAX}")
        self._buffer += pieces
        self.size += size
        if self.size - self.written > BUFFER_BYTES_MAX:
            self.flush()
        return offset

    def flush(self) -> None:
        """Hand the buffer to the kernel: readers see it, a power loss may still take it.

        Raises:
            DiskFault: the disk refused.
        """
        with self._lock:
            self._usable()
            data = memoryview(b"".join(self._buffer))
            self._buffer.clear()
            try:
                while data:
                    count = os.write(self._descriptor, data)
                    self.written += count
                    data = data[count:]
            except OSError as error:
                raise self._broken(error) from error

    def sync(self) -> None:
        """Make every record appended so far durable: one write, one fdatasync.

        Raises:
            DiskFault: the disk refused. A second fdatasync would claim what the first one lost, so
                there is none.
        """
        self.flush()
        end = self.written
        if end > self._synced:
            try:
                os.fdatasync(self._descriptor)
            except OSError as error:
                raise self._broken(error) from error
            self._synced = end

    def close(self) -> None:
        """Give the file back; what was not synced is not kept."""
        if self._fault != "closed":
            self._fault = "closed"
            os.close(self._descriptor)

    def _usable(self) -> None:
        if self._fault is not None:
            raise DiskFault(self.path, self._fault)

    def _broken(self, error: OSError) -> DiskFault:
        """The disk refused: nothing more goes into this file."""
        fault = DiskFault(self.path, error.strerror)
        self._fault = self._fault or str(error)
        return fault
