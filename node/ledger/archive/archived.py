"""The segments that this node archived, as its own folder knows them: `archived/`.

Owns what stays when a segment goes: its contents, and where the archive is. Owns the way back too:
a record is read from the archive and compared with its digest; a segment that a peer catches up by
is recalled, whole, and compared, before anything on the event loop reads it. Refuses to know when a
segment may go: node/host/archiving.py.
"""

import json
import os
import shutil
import stat
import threading
import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from strongroom.node.ledger.archive.contents import (
    Contents,
    Row,
    Summary,
    contents_file,
    digest_of,
    first_of,
    read_contents,
    read_summary,
    records_of,
)
from strongroom.node.ledger.archive.faults import SegmentDamaged, SegmentMissing
from strongroom.node.ledger.archive.folder import CHUNK_SIZE, hash_of_file, open_plain
from strongroom.node.ledger.archive.patience import Patience
from strongroom.node.ledger.frames import CorruptRecord, Frame, read_frame
from strongroom.node.ledger.segments import HEIGHT_SIZE, Heights, Kind, Location
from strongroom.node.machine.durable_files import (
    DiskFault,
    disk_faults,
    make_directory,
    write_atomic,
)
from strongroom.node.metrics.catalogue import ARCHIVE_READS

RECALLED_MAX = 4
"""Segments that lie here for peers that catch up; the one that nobody read for longest goes."""
RECALL_FREE_BYTES_MIN = 256 * 1024 * 1024
"""What a recalled segment must leave free on this node's disk."""
CONTENTS_KEPT_MAX = RECALLED_MAX + 2
"""Files of contents in memory: of what is recalled, and of what is read besides."""
_WHERE, _RECALLED = "where.json", "recalled"


@dataclass(frozen=True, slots=True)
class Where:
    """How this node finds its archive, and knows it again."""

    id: str
    directory: Path


def read_where(directory: Path) -> Where | None:
    """Where the archive of a node is, by its `archived/`; None: it has none.

    Raises:
        CorruptRecord: what stands there says of none.
    """
    path = directory / _WHERE
    try:
        value = json.loads(path.read_bytes())
        return Where(str(value["id"]), Path(value["directory"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptRecord(path, 0, f"says of no archive: {error}") from None


class Archived:
    """The archived segments of one block store. Any thread may read; one adds."""

    def __init__(self, directory: Path) -> None:
        """Nothing is read yet: `open`."""
        self._directory = directory
        self._summaries: list[Summary] = []
        """Of those whose file is not here any more, in order of height; replaced, never changed."""
        self._contents: OrderedDict[int, Contents] = OrderedDict()
        self._recalled: OrderedDict[int, Path] = OrderedDict()
        """By first height; the one that was read last stands last."""
        self._lock = threading.Lock()
        self.recalled_at = 0.0
        """When somebody asked for something recalled last, on the monotonic clock."""
        self.patience = Patience()
        self.where: Where | None = None
        self.reads = dict.fromkeys(ARCHIVE_READS, 0)
        """Since the start, by what came of it."""
        self.on_wanted: Callable[[int], None] = lambda _: None
        """Told of a segment that somebody on the event loop asked for and did not get."""

    @classmethod
    def open(cls, directory: Path, live: set[int], *, read_only: bool = False) -> "Archived":
        """What a folder knows.

        Args:
            directory: `archived/` of a node.
            live: first heights of the segments that are here; one of these whose contents are here
                too was not removed yet, and counts as not archived.
            read_only: what was recalled stays.

        Raises:
            CorruptRecord: contents are damaged or missing.
        """
        archived = cls(directory)
        if not directory.is_dir():
            return archived
        archived.where = read_where(directory)
        known = sorted(
            first for entry in directory.iterdir() if (first := first_of(entry.name)) is not None
        )
        gone = [first for first in known if first not in live]
        archived._summaries = [
            read_summary(archived._path(first), first)
            for first in known
            if gone and first <= gone[-1]
        ]
        archived._check_order()
        if not read_only:
            shutil.rmtree(directory / _RECALLED, ignore_errors=True)
        return archived

    def _check_order(self) -> None:
        before = Heights()
        for summary in self._summaries:
            follows = (before.block + 1, before.outcome + 1)
            if (summary.first, summary.outcome_first) != follows:
                raise CorruptRecord(
                    self._path(before.block + 1), 0, "contents are missing", before.block + 1
                )
            before = summary.reached

    # --- what is archived ---

    @property
    def base(self) -> Heights:
        """The newest block and outcome that are archived; 0 when there is none."""
        return self._summaries[-1].reached if self._summaries else Heights()

    @property
    def summaries(self) -> list[Summary]:
        """Of every archived segment, in order."""
        return list(self._summaries)

    def holds(self, kind: Kind, height: int) -> bool:
        """Whether a record is in the archive, and not here."""
        return 1 <= height <= self.base.of(kind)

    def epochs(self) -> Iterator[bytes]:
        """How epochs were opened by archived blocks, in order, encoded."""
        for one in self._summaries:
            yield from one.epochs

    def records(self) -> Iterator[tuple[Kind, int, Location, Row]]:
        """Every archived record as an index wants it, in order of segments.

        Raises:
            CorruptRecord: contents are damaged.
        """
        for first in [one.first for one in self._summaries]:
            for kind, height, row in records_of(read_contents(self._path(first), first)):
                yield kind, height, row.place(first), row

    # --- reading ---

    def read(self, kind: Kind, height: int) -> bytes:
        """The payload of an archived record, out of the archive, or of what was recalled.

        Raises:
            SegmentMissing, SegmentDamaged: it cannot be given.
            CorruptRecord: this node's own contents are damaged.
        """
        summary = self._of(kind, height)
        row = self._read_contents(summary.first).row(kind, height)
        frame = self._read_recalled(summary, row)
        if frame is None or digest_of(frame.kind, frame.payload) != row.digest:
            frame = self._read_archive(summary, row)
        if digest_of(frame.kind, frame.payload) != row.digest:
            self.reads["damaged"] += 1
            raise self._damaged(summary, f"the {kind.name.lower()} of height {height} is another")
        self.reads["given"] += 1
        return frame.payload[HEIGHT_SIZE:]

    def below(self, height: int) -> tuple[bytes, Sequence[bytes]]:
        """What an archived block tells of the outcome above it: its digest, and its ids by
        position; the archive is not asked.

        Raises:
            CorruptRecord: this node's own contents are damaged.
        """
        block = self._row(Kind.BLOCK, height)
        told = self._row(Kind.OUTCOME, height) if self.holds(Kind.OUTCOME, height) else block
        return block.hash, (block.ids or told.ids).alone

    def _row(self, kind: Kind, height: int) -> Row:
        return self._read_contents(self._of(kind, height).first).row(kind, height)

    @property
    def directory(self) -> Path:
        """`archived/` of the node."""
        return self._directory

    def is_at_hand(self, kind: Kind, height: int) -> bool:
        """Whether a record can be read without asking the archive. If not, it is recalled: ask
        again later."""
        if not self.holds(kind, height):
            return True
        first = self._of(kind, height).first
        if first in self._recalled:
            self._recalled.move_to_end(first)
            self.recalled_at = time.monotonic()
            return True
        self.on_wanted(first)
        return False

    def recall(self, first: int) -> Path:
        """Have a whole segment here, compared with what was archived; in any thread. It counts once
        `add_recalled` is told.

        Raises:
            SegmentMissing, SegmentDamaged: it cannot be had.
            DiskFault: this node's own disk refused.
        """
        summary = next(one for one in self._summaries if one.first == first)
        folder = self._directory / _RECALLED
        made, part = folder / summary.file, folder / f".{summary.file}.part"
        with disk_faults(folder):
            make_directory(folder)
            if shutil.disk_usage(folder).free < summary.size + RECALL_FREE_BYTES_MIN:
                raise DiskFault(folder, f"no room for {summary.file}", full=True)
        try:
            self._copy(summary, part)
            with disk_faults(folder):
                if hash_of_file(part) != (summary.size, summary.digest):
                    self.reads["damaged"] += 1
                    raise self._damaged(summary, "its SHA-256 is another")
                part.rename(made)
        except BaseException:
            _remove(part)
            raise
        return made

    def _copy(self, summary: Summary, part: Path) -> None:
        """No more of it than was archived: a file may have grown, or have no end."""
        with self._readable(summary):
            file = open_plain(self._archive_path(summary))
        with file, disk_faults(part), part.open("wb") as copy:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size != summary.size:
                self.reads["damaged"] += 1
                raise self._damaged(summary, "its size is another")
            left = summary.size + 1
            while left > 0:
                with self._readable(summary):
                    chunk = file.read(min(CHUNK_SIZE, left))
                if not chunk:
                    break
                left -= len(chunk)
                copy.write(chunk)

    def add_recalled(self, first: int, made: Path) -> None:
        """It is here now; on the event loop, so that what is at hand stays so for a turn of it."""
        self._recalled[first] = made
        self.recalled_at = time.monotonic()
        while len(self._recalled) > RECALLED_MAX:
            _remove(self._recalled.popitem(last=False)[1])

    def forget_recalled(self) -> None:
        """Nobody has asked for a while: make room."""
        while self._recalled:
            _remove(self._recalled.popitem()[1])

    @property
    def recalled(self) -> list[int]:
        """First heights of the segments that lie here for a while."""
        return list(self._recalled)

    # --- keeping ---

    def keep(self, contents: Contents) -> None:
        """Write down what a segment holds, durably, and read it back: from then on its file may go.

        Raises:
            DiskFault: this node's own disk refused, or gives back something else.
        """
        first = contents.summary.first
        path = self._path(first)
        with disk_faults(path):
            make_directory(self._directory)
            write_atomic(path, contents.encode())
        try:
            if read_contents(path, first) != contents:
                raise DiskFault(path, "it was not read as written")
        except CorruptRecord as damage:
            raise DiskFault(path, f"it was not read as written: {damage.detail}") from None

    def let_go(self, summary: Summary) -> None:
        """From now on read it from the archive."""
        self._summaries = [*self._summaries, summary]

    def keep_where(self, where: Where) -> None:
        """Write down which archive is this node's."""
        value = {"id": where.id, "directory": str(where.directory)}
        path = self._directory / _WHERE
        with disk_faults(path):
            make_directory(self._directory)
            if where != self.where:
                write_atomic(path, json.dumps(value).encode())
        self.where = where

    # --- inside ---

    def _path(self, first: int) -> Path:
        return self._directory / contents_file(first)

    def _archive_path(self, summary: Summary) -> Path:
        if self.where is None:
            raise FileNotFoundError("this node's folder does not say where")
        return self.where.directory / summary.file

    def _of(self, kind: Kind, height: int) -> Summary:
        known = self._summaries
        return known[bisect_left(known, height, key=lambda one: one.reached.of(kind))]

    def _read_contents(self, first: int) -> Contents:
        with self._lock:
            found = self._contents.get(first)
            if found is not None:
                self._contents.move_to_end(first)
                return found
        found = read_contents(self._path(first), first)
        with self._lock:
            self._contents[first] = found
            while len(self._contents) > CONTENTS_KEPT_MAX:
                self._contents.popitem(last=False)
        return found

    def _read_recalled(self, summary: Summary, row: Row) -> Frame | None:
        path = self._recalled.get(summary.first)
        if path is None:
            return None
        try:
            return read_frame(path, summary.marker, row.offset, row.size)
        except CorruptRecord:  # it has just made room for another: the archive has it
            return None

    def _read_archive(self, summary: Summary, row: Row) -> Frame:
        with self._readable(summary):
            path = self._archive_path(summary)

            def read() -> Frame:
                open_plain(path).close()
                return read_frame(path, summary.marker, row.offset, row.size)

            return self.patience.wait(read)

    @contextmanager
    def _readable(self, summary: Summary) -> Iterator[None]:
        try:
            yield
        except CorruptRecord as damage:
            self.reads["damaged"] += 1
            raise self._damaged(summary, damage.detail) from None
        except OSError as error:
            self.reads["missing"] += 1
            reason = error.strerror or str(error)
            raise SegmentMissing(
                self._shown_path(summary), summary.first, summary.last, f"cannot be read: {reason}"
            ) from None

    def _damaged(self, summary: Summary, reason: str) -> SegmentDamaged:
        return SegmentDamaged(self._shown_path(summary), summary.first, summary.last, reason)

    def _shown_path(self, summary: Summary) -> Path:
        return (Path("(unknown)") if self.where is None else self.where.directory) / summary.file


def _remove(path: Path) -> None:
    """What lay here for a while; what cannot be removed goes with the next start."""
    with suppress(OSError):
        path.unlink()
