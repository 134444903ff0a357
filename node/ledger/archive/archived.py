"""The segments that this node archived, as its own folder knows them: `archived/`.

Owns what stays when a segment goes: its contents. Owns the way back too: a record is read from what
was recalled (recalled.py), else from the archive (source.py), and compared with its digest. Refuses
to know when a segment may go: node/host/archiving.py.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from strongroom.node.ledger.archive.contents import Contents, Row, Summary, digest_of
from strongroom.node.ledger.archive.contents_file import contents_file, encode_contents, first_of
from strongroom.node.ledger.archive.contents_reader import ContentsReader
from strongroom.node.ledger.archive.faults import ContentsDamaged
from strongroom.node.ledger.archive.recalled import Recalled
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


class Archived:
    """The archived segments of one block store. Any thread may read; one adds."""

    def __init__(self, directory: Path, where: Where | None = None) -> None:
        """Nothing is read yet: `open`."""
        self._directory = directory
        self._summaries: list[Summary] = []
        """Of those whose file is not here any more, in order of height; replaced, never changed."""
        self._readers: dict[int, ContentsReader] = {}
        """By first height: of these, and of the one that is about to go."""
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
        archived._readers = {
            first: ContentsReader(archived._path(first), first)
            for first in known
            if gone and first <= gone[-1]
        }
        archived._summaries = [one.summary for one in archived._readers.values()]
        archived._check_order()
        if not read_only:
            archived.recalled.begin()
        return archived

    def _check_order(self) -> None:
        before = Heights()
        for summary in self._summaries:
            follows = (before.block + 1, before.outcome + 1)
            if (summary.first, summary.outcome_first) != follows:
                first = before.block + 1
                raise ContentsDamaged(self._path(first), 0, "contents are missing", first)
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
        """Every archived record as an index wants it, in order of segments; one portion of their
        contents is in memory at a time.

        Raises:
            ContentsDamaged: contents are damaged.
        """
        for first in [one.first for one in self._summaries]:
            for kind, height, row in self._readers[first].records():
                yield kind, height, row.place(first), row

    # --- reading ---

    def read(self, kind: Kind, height: int) -> bytes:
        """The payload of an archived record, out of the archive, or of what was recalled.

        Raises:
            SegmentMissing, SegmentDamaged: it cannot be given.
            ContentsDamaged: this node's own contents are damaged.
        """
        summary, row = self._of(kind, height), self._row(kind, height)
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
            ContentsDamaged: this node's own contents are damaged.
        """
        block = self._row(Kind.BLOCK, height)
        told = self._row(Kind.OUTCOME, height) if self.holds(Kind.OUTCOME, height) else block
        return block.hash, (block.ids or told.ids).alone

    def id_at(self, height: int, position: int) -> bytes:
        """The id at a position of an archived block, b"" if there is none: one portion of its
        contents is read, and the archive is not asked.

        Raises:
            ContentsDamaged: this node's own contents are damaged.
        """
        kind = Kind.OUTCOME if self.holds(Kind.OUTCOME, height) else Kind.BLOCK
        return self._readers[self._of(kind, height).first].id_at(kind, height, position)

    def contents_of(self, kind: Kind, height: int) -> Path:
        """The file that tells of an archived record."""
        return self._path(self._of(kind, height).first)

    def _row(self, kind: Kind, height: int) -> Row:
        return self._readers[self._of(kind, height).first].row(kind, height)

    def _of(self, kind: Kind, height: int) -> Summary:
        known = self._summaries
        return known[bisect_left(known, height, key=lambda one: one.reached.of(kind))]

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
            reader = ContentsReader(path, first)
            if reader.whole() != contents:
                raise DiskFault(path, "it was not read as written")
        except CorruptRecord as damage:
            raise DiskFault(path, f"it was not read as written: {damage.detail}") from None
        self._readers[first] = reader

    def let_go(self, summary: Summary) -> None:
        """From now on read it from the archive; its contents are kept."""
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
