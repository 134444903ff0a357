"""Archived segments that lie in the node's folder for a while, for peers that catch up:
`archived/recalled/`.

Owns how many, for how long, and how much room they leave. A segment is whole and compared before
anything reads it. Refuses to know who wants one (archived.py) and when it is fetched
(node/host/archiving.py).
"""

import shutil
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from strongroom.node.ledger.archive.contents import Row, Summary
from strongroom.node.ledger.archive.folder import hash_of_file
from strongroom.node.ledger.archive.source import ArchiveSource
from strongroom.node.ledger.frames import CorruptRecord, Frame, read_frame
from strongroom.node.machine.durable_files import DiskFault, disk_faults, make_directory

RECALLED_MAX = 4
"""Segments that lie here; the one that nobody read for longest goes."""
RECALL_FREE_BYTES_MIN = 256 * 1024 * 1024
"""What a recalled segment must leave free on this node's disk."""


class Recalled:
    """One node's. Any thread may fetch and read; the event loop adds and forgets."""

    def __init__(self, folder: Path, source: ArchiveSource) -> None:
        """Nothing lies in `folder` yet; segments come from `source`."""
        self._folder, self._source = folder, source
        self._paths: OrderedDict[int, Path] = OrderedDict()
        """By first height; the one that was read last stands last."""
        self.asked_at = 0.0
        """When somebody asked for something of these last, on the monotonic clock."""

    @property
    def firsts(self) -> list[int]:
        """First heights of the segments that lie here."""
        return list(self._paths)

    def begin(self) -> None:
        """What a run before this one left goes."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, first: int) -> bool:
        """Whether a segment is here; then it is the last one to go."""
        if first not in self._paths:
            return False
        self._paths.move_to_end(first)
        self.asked_at = time.monotonic()
        return True

    def read(self, summary: Summary, row: Row) -> Frame | None:
        """A record of a segment; None: it is not here, or not intact: the archive has it."""
        path = self._paths.get(summary.first)
        if path is None:
            return None
        try:
            return read_frame(path, summary.marker, row.offset, row.size)
        except CorruptRecord:  # it has just made room for another
            return None

    def fetch(self, summary: Summary) -> Path:
        """Have a whole segment here, compared with what was archived; in any thread. It counts once
        `add` is told.

        Raises:
            SegmentMissing, SegmentDamaged: it cannot be had.
            DiskFault: this node's own disk refused.
        """
        folder = self._folder
        made, part = folder / summary.file, folder / f".{summary.file}.part"
        with disk_faults(folder):
            make_directory(folder)
            if shutil.disk_usage(folder).free < summary.size + RECALL_FREE_BYTES_MIN:
                raise DiskFault(folder, f"no room for {summary.file}", full=True)
        try:
            self._source.copy(summary, part)
            with disk_faults(folder):
                if hash_of_file(part) != (summary.size, summary.digest):
                    raise self._source.damaged(summary, "its SHA-256 is another")
                part.rename(made)
        except BaseException:
            _remove(part)
            raise
        return made

    def add(self, first: int, made: Path) -> None:
        """It is here now; on the event loop, so that what is at hand stays so for a turn of it."""
        self._paths[first] = made
        self.asked_at = time.monotonic()
        while len(self._paths) > RECALLED_MAX:
            _remove(self._paths.popitem(last=False)[1])

    def forget(self) -> None:
        """Nobody has asked for a while: make room."""
        while self._paths:
            _remove(self._paths.popitem()[1])


def _remove(path: Path) -> None:
    """What lay here for a while; what cannot be removed goes with the next start."""
    with suppress(OSError):
        path.unlink()
