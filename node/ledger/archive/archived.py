"""The segments that this node archived, as its own folder knows them: `archived/`.

Owns what stays when a segment goes: its contents. Owns the way back too: a record is read from what
was recalled (recalled.py), else from the archive (source.py), and compared with its digest. Refuses
to know when a segment may go: node/host/archiving.py.
"""

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from strongroom.node.ledger.archive.contents import (
    Contents,
    Row,
    Summary,
    digest_of,
    records_of,
)
from strongroom.node.ledger.archive.contents_file import (
    contents_file,
    encode_contents,
    first_of,
    read_contents,
    read_summary,
)
from strongroom.node.ledger.archive.recalled import RECALLED_MAX, Recalled
from strongroom.node.ledger.archive.source import ArchiveSource
from strongroom.node.ledger.archive.where import Where, read_where, write_where
from strongroom.node.ledger.frames import CorruptRecord
from strongroom.node.ledger.segments import HEIGHT_SIZE, Heights, Kind, Location
from strongroom.node.machine.durable_files import (
    DiskFault,
    disk_faults,
    make_directory,
    write_atomic,
)

CONTENTS_KEPT_MAX = RECALLED_MAX + 2
"""Files of contents in memory: of what is recalled, and of what is read besides."""


class Archived:
    """The archived segments of one block store. Any thread may read; one adds."""

    def __init__(self, directory: Path, where: Where | None = None) -> None:
        """Nothing is read yet: `open`."""
        self._directory = directory
        self._summaries: list[Summary] = []
        """Of those whose file is not here any more, in order of height; replaced, never changed."""
        self._contents: OrderedDict[int, Contents] = OrderedDict()
        self._lock = threading.Lock()
        self.source = ArchiveSource(where)
        self.recalled = Recalled(directory / "recalled", self.source)
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
        if not directory.is_dir():
            return cls(directory)
        archived = cls(directory, read_where(directory))
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
            archived.recalled.begin()
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

    @property
    def directory(self) -> Path:
        """`archived/` of the node."""
        return self._directory

    @property
    def where(self) -> Where | None:
        """Which archive is this node's; None: it has none."""
        return self.source.where

    @property
    def reads(self) -> dict[str, int]:
        """Reads of archived records since the start, by what came of it."""
        return self.source.reads

    def holds(self, kind: Kind, height: int) -> bool:
        """Whether a record is in the archive, and not here."""
        return 1 <= height <= self.base.of(kind)

    def is_at_hand(self, kind: Kind, height: int) -> bool:
        """Whether a record can be read without asking the archive. If not, it is recalled: ask
        again later."""
        if not self.holds(kind, height):
            return True
        first = self._of(kind, height).first
        at_hand = self.recalled.ask(first)
        if not at_hand:
            self.on_wanted(first)
        return at_hand

    def epochs(self) -> Iterator[tuple[bytes, Path]]:
        """How epochs were opened by archived blocks, in order, encoded; and the file that says
        so."""
        for one in self._summaries:
            for entry in one.epochs:
                yield entry, self._path(one.first)

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
        frame = self.recalled.read(summary, row)
        if frame is None or digest_of(frame.kind, frame.payload) != row.digest:
            frame = self.source.read(summary, row)
        if digest_of(frame.kind, frame.payload) != row.digest:
            raise self.source.damaged(
                summary, f"the {kind.name.lower()} of height {height} is another"
            )
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
            write_atomic(path, encode_contents(contents))
        try:
            if read_contents(path, first) != contents:
                raise DiskFault(path, "it was not read as written")
        except CorruptRecord as damage:
            raise DiskFault(path, f"it was not read as written: {damage.detail}") from None

    def let_go(self, summary: Summary) -> None:
        """From now on read it from the archive."""
        self._summaries = [*self._summaries, summary]

    def recall(self, first: int) -> Path:
        """Fetch the segment that begins there (`Recalled.fetch`)."""
        return self.recalled.fetch(next(one for one in self._summaries if one.first == first))

    def keep_where(self, where: Where) -> None:
        """Write down which archive is this node's."""
        if where != self.where:
            write_where(self._directory, where)
        self.source.where = where

    def _path(self, first: int) -> Path:
        return self._directory / contents_file(first)
