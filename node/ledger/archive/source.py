"""The archive as a node reads it: a record out of a segment, or a segment whole.

Owns what may go wrong there, each with its name, and how long a reader waits. Refuses to know
whether a record is the one that was archived: archived.py compares.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strongroom.node.ledger.archive.contents import Row, Summary
from strongroom.node.ledger.archive.faults import SegmentDamaged, SegmentMissing
from strongroom.node.ledger.archive.folder import CHUNK_SIZE, open_plain
from strongroom.node.ledger.archive.patience import Patience
from strongroom.node.ledger.archive.where import Where
from strongroom.node.ledger.frames import CorruptRecord, Frame, read_frame
from strongroom.node.machine.durable_files import disk_faults
from strongroom.node.metrics.catalogue import ARCHIVE_READS


class ArchiveSource:
    """One node's archive. Any thread may read."""

    def __init__(self, where: Where | None) -> None:
        """Read from there; None: the node's folder does not say where."""
        self.where = where
        self.patience = Patience()
        self.reads = dict.fromkeys(ARCHIVE_READS, 0)
        """Since the start, by what came of it."""

    def read(self, summary: Summary, row: Row) -> Frame:
        """A record of a segment.

        Raises:
            SegmentMissing, SegmentDamaged: it cannot be given.
        """
        with self._readable(summary):
            path = self._path(summary)

            def read() -> Frame:
                open_plain(path).close()
                return read_frame(path, summary.marker, row.offset, row.size)

            return self.patience.wait(read)

    def copy(self, summary: Summary, part: Path) -> None:
        """A whole segment, and no more of it than was archived: a file may have grown, or have no
        end.

        Raises:
            SegmentMissing, SegmentDamaged: it cannot be had.
            DiskFault: this node's own disk refused.
        """
        with self._readable(summary):
            file = open_plain(self._path(summary))
        with file, disk_faults(part), part.open("wb") as copy:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size != summary.size:
                raise self.damaged(summary, "its size is another")
            left = summary.size + 1
            while left > 0:
                with self._readable(summary):
                    chunk = file.read(min(CHUNK_SIZE, left))
                if not chunk:
                    break
                left -= len(chunk)
                copy.write(chunk)

    def damaged(self, summary: Summary, reason: str) -> SegmentDamaged:
        """What is there is not what was archived; counted."""
        self.reads["damaged"] += 1
        return SegmentDamaged(self._shown_path(summary), summary.first, summary.last, reason)

    def _path(self, summary: Summary) -> Path:
        if self.where is None:
            raise FileNotFoundError("this node's folder does not say where")
        return self.where.directory / summary.file

    @contextmanager
    def _readable(self, summary: Summary) -> Iterator[None]:
        try:
            yield
        except CorruptRecord as damage:
            raise self.damaged(summary, damage.detail) from None
        except OSError as error:
            self.reads["missing"] += 1
            reason = error.strerror or str(error)
            raise SegmentMissing(
                self._shown_path(summary), summary.first, summary.last, f"cannot be read: {reason}"
            ) from None

    def _shown_path(self, summary: Summary) -> Path:
        return (Path("(unknown)") if self.where is None else self.where.directory) / summary.file
