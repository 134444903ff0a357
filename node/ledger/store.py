"""The block store that the driver uses: blocks and outcomes by height, transactions by id (DESIGN
§3 stop 8, §8).

Owns the order between segments and index: what is indexed was durable before, so that an index that
knows more than the segments hold proves a loss (recovery.py). The way of a record: appended here,
durable with `sync`, found by pending_index.py, read by record_reader.py, archived in the end.
Refuses to know how bytes are framed (frames.py), and what blocks and outcomes mean
(payload_form.py).
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

from strongroom.consensus.errors import OperatorFault
from strongroom.node.ledger.archive.archived import Archived
from strongroom.node.ledger.archive.contents import Contents, Summary
from strongroom.node.ledger.archive.survey import Closed, survey
from strongroom.node.ledger.index import MAP_SIZE, Index, IndexDamaged
from strongroom.node.ledger.payload_form import PayloadForm
from strongroom.node.ledger.pending_index import Finding, IdKnown, PendingIndex, found_by
from strongroom.node.ledger.record_reader import RecordReader
from strongroom.node.ledger.recovery import Recovery
from strongroom.node.ledger.segments import (
    SEGMENT_BYTES_MAX,
    Kind,
    Location,
    Segments,
    first_heights,
)
from strongroom.node.ledger.transaction_table import Found
from strongroom.node.machine.durable_files import disk_faults

CHECKPOINT_BYTES_MIN = SEGMENT_BYTES_MAX
"""Of segments between two checkpoints of the index, and no fewer than it has itself: so copies
write at most a byte for each of the ledger."""
_T = TypeVar("_T")


def open_archived(directory: Path, *, read_only: bool = False) -> Archived:
    """What a node's directory knows of its archived segments.

    Raises:
        CorruptRecord: its contents are damaged.
    """
    ledger = directory / "ledger"
    live = first_heights(ledger) if ledger.is_dir() else set()
    return Archived.open(directory / "archived", live, read_only=read_only)


class BlockStore:
    """Blocks and outcomes of one node. Not thread-safe, but `sync` may run in a thread while
    nothing is appended."""

    def __init__(
        self, segments: Segments, index: Index, archived: Archived, form: PayloadForm
    ) -> None:
        """Nothing is read yet: `open`."""
        self._segments, self._index, self._form = segments, index, form
        self.archived = archived
        """What is not in the segments any more."""
        self._pending = PendingIndex(index)
        self._reader = RecordReader(segments, archived, index, form)
        self._synced_block = 0
        """Up to here blocks are durable, though their place may wait for the next sync to be
        indexed."""
        self._takes_records = False
        """Nothing can be synced before a recovery came to its end."""
        self._checkpoint: threading.Thread | None = None

    @classmethod
    def open(
        cls,
        directory: Path,
        form: PayloadForm,
        *,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        map_size: int = MAP_SIZE,
    ) -> Self:
        """Open `ledger/` and `index/` in a node's directory; all that they hold is durable on
        return.

        A torn tail is cut and a lost index rebuilt, both with a line in the log.

        Raises:
            CorruptRecord: the ledger is damaged, or records that were durable are missing; nothing
                is changed.
            DiskFault: the disk refused.
        """
        with disk_faults(directory):
            archived = open_archived(directory)
            segments = Segments(directory / "ledger", segment_bytes_max, above=archived.base)
            index = Index(directory / "index", map_size)
            store = cls(segments, index, archived, form)
            try:
                store._recover()
            except BaseException:
                segments.close()
                index.close()
                raise
            return store

    def rebuild_index(self) -> None:
        """Make the index anew of the segments and of what is known of archived ones.

        Raises:
            CorruptRecord, DiskFault: as `open` does.
        """
        self.sync()
        self._takes_records = False
        self._segments.close()
        self._index.clear()
        self._recover()

    def _recover(self) -> None:
        recovery = Recovery(self._segments, self.archived, self._index, self._reader, self._form)
        self._pending.go_on(recovery.run())
        self._takes_records = True

    @property
    def on_damage(self) -> Callable[[OperatorFault], None]:
        """Told of damage that a read or the index finds, before it is raised: whoever reads may
        answer for less than the node."""
        return self._reader.on_damage

    @on_damage.setter
    def on_damage(self, told: Callable[[OperatorFault], None]) -> None:
        self._reader.on_damage = self._index.on_damage = told

    @property
    def newest_block(self) -> int:
        """Height of the newest block appended; 0 when there is none."""
        return self._segments.heights.block

    @property
    def newest_outcome(self) -> int:
        """Height of the newest outcome appended; 0 when there is none."""
        return self._segments.heights.outcome

    def limit(self, segment_bytes_max: int) -> None:
        """From now on a segment of this size takes no further block."""
        self._segments.limit(segment_bytes_max)

    def append_block(self, height: int, payload: bytes) -> None:
        """Add the block of height `newest_block` + 1; durable after `sync`.

        Raises:
            InvariantBroken: another height.
            DiskFault: the disk refused.
        """
        if self._segments.full:
            self.sync()
            self._segments.roll()
            self._checkpoint_if_due()
        self._append(Kind.BLOCK, height, payload, (), self._form.hash_of(Kind.BLOCK, payload))

    def append_outcome(
        self, height: int, payload: bytes, ids: Sequence[tuple[bytes, int]], leaf: bytes = b""
    ) -> None:
        """Add the outcome of height `newest_outcome` + 1, whose block is here; durable after
        `sync`.

        Args:
            height: of its block.
            payload: opaque here; the form's `record_of` says what is stored of it.
            ids: what its `transactions_of` finds in the payload: (id, code) by position.
            leaf: what its `hash_of` makes of it: its leaf in the history.

        Raises:
            InvariantBroken: another height.
            DiskFault: the disk refused.
        """
        self._append(Kind.OUTCOME, height, self._form.record_of(payload), ids, leaf)

    def sync(self, *, index: bool = True) -> None:
        """Make all that was appended durable, then index it: one write, one fdatasync, one index
        transaction.

        Args:
            index: False: the next sync indexes it, with what comes until then.

        Raises:
            DiskFault: the disk refused; nothing may be executed or answered that rests on it.
        """
        count = self._pending.count
        self._segments.sync()
        self._synced_block = self.newest_block
        if index:
            self._pending.write(count)

    def block(self, height: int) -> bytes | None:
        """The payload of a block, synced or not; None if there is none of this height.

        Raises:
            CorruptRecord: it was durable, and is damaged; the next opening reads the whole ledger
                again.
        """
        return self._read(Kind.BLOCK, height, self.newest_block)

    def outcome(self, height: int) -> bytes | None:
        """The payload of an outcome, synced or not; None if there is none of this height.

        Raises:
            CorruptRecord: it was durable, and is damaged; the next opening reads the whole ledger
                again.
        """
        return self._read(Kind.OUTCOME, height, self.newest_outcome)

    def subtree(self, level: int, index: int) -> bytes | None:
        """Root over the history's leaves index·2^level … (index+1)·2^level − 1, for an index above
        0, synced or not; None if nothing is known. The index has no checksum for it: it is right if
        it leads to an anchor (stored_tree.py)."""
        return self._pending.subtree(level, index)

    @property
    def peaks(self) -> tuple[bytes, ...] | None:
        """Roots that the next columns are made with; None: something is not known. They are right
        if they are those of a history that leads to an anchor."""
        return self._pending.peaks

    def history_damage(self, reason: str) -> IndexDamaged:
        """What is raised when a subtree here is missing or wrong; the next opening rebuilds the
        index."""
        return self._reader.index_damage(f"history: {reason}")

    def reading(
        self, kind: Kind, height: int, decode: Callable[[bytes], _T]
    ) -> Callable[[], _T] | None:
        """What reads and decodes a record's payload in any thread, while this one goes on
        appending; None if there is none.

        The result raises CorruptRecord as `block` does, and when `decode` refuses the payload:
        whoever wrote it has written its checksum too. `on_damage` is then called in its thread.
        """
        newest = self.newest_block if kind == Kind.BLOCK else self.newest_outcome
        if not 1 <= height <= newest:
            return None
        places = self._readable_places(kind, height)
        return lambda: self._reader.decoded(kind, height, places, decode)

    def decoded(self, kind: Kind, height: int, decode: Callable[[bytes], _T]) -> _T | None:
        """The same, now."""
        read = self.reading(kind, height, decode)
        return None if read is None else read()

    def find_transaction(self, identifier: bytes) -> Found | None:
        """Where a transaction (id, 32 bytes) was executed, else where it was first refused, synced
        or not; a block may be read for it, so the event loop asks `finding`.

        Raises:
            CorruptRecord: the block that tells is damaged.
            IndexDamaged: the index is; the next opening rebuilds it.
        """
        return found_by(self.finding(identifier))

    def finding(self, identifier: bytes, told: IdKnown = lambda _: None) -> Finding:
        """The same without reading a block here: the place, where none has to tell; else what looks
        in any thread, where `reading` may then be asked for that height too.

        Args:
            identifier: 32 bytes.
            told: the id at a place (32 bytes), where the caller knows it at once: no block is read
                there.

        Raises:
            IndexDamaged: the index is; the next opening rebuilds it.
        """
        recent = self._pending.recent(identifier)
        if recent is not None:
            self._readable_places(Kind.OUTCOME, recent.height)
        return self._pending.finding(
            identifier, recent, told, lambda found: self._stands(identifier, found, told)
        )

    def may_be_executed(self, identifier: bytes) -> bool:
        """Whether a transaction (id, 32 bytes) was executed, synced or not, or another whose id
        begins alike: no block is read, so it is asked of whatever anybody sends.

        Raises:
            IndexDamaged: the index is; the next opening rebuilds it.
        """
        return self._pending.may_be_executed(identifier)

    def find_block(self, hash: bytes) -> int | None:
        """Height of the block of this digest, among what is synced."""
        return self._pending.find_block(hash, self._synced_block)

    # --- archiving (node/host/archiving.py has the order) ---

    def closed_below(self, height: int) -> tuple[int, int, Path] | None:
        """The oldest segment here, if it takes no more and all its blocks lie below a height:
        first and last height, and its file."""
        first, *later = self._segments.firsts
        if not later or later[0] > height:
            return None
        return first, later[0] - 1, self._segments.path(first)

    def bytes_here(self) -> int:
        """Bytes of the segments in the node's folder; in any thread."""
        return self._segments.bytes_here()

    def survey_closed(
        self, path: Path, first: int, size: int, digest: bytes, epochs: tuple[bytes, ...] = ()
    ) -> Contents:
        """What the oldest segment here holds; in any thread.

        Raises:
            CorruptRecord: it is damaged; nothing may be archived of it.
        """
        closed = Closed(path=path, first=first, size=size, digest=digest, epochs=epochs)
        return survey(closed, self.archived, self._form)

    def let_go(self, summary: Summary) -> None:
        """Read the oldest segment from the archive from now on; its file may be removed."""
        self.archived.let_go(summary)
        self._segments.let_go(summary.first)

    def _checkpoint_if_due(self) -> None:
        """Copy the index, in a thread: it holds all that the closed segments do. One at a time."""
        if self._checkpoint is not None and self._checkpoint.is_alive():
            return
        try:
            unsaved = self._segments.bytes_since(self._index.checkpoint_ns)
        except OSError:  # a file that is gone is told by whoever reads it
            return
        if unsaved >= max(CHECKPOINT_BYTES_MIN, self._index.size):
            self._checkpoint = threading.Thread(
                target=self._index.checkpoint, name="index-checkpoint", daemon=True
            )
            self._checkpoint.start()

    def close(self) -> None:
        """Sync and give everything back; after a recovery that failed, nothing is synced."""
        try:
            if self._takes_records:
                self.sync()
        finally:
            self._segments.close()
            self._index.close()

    def _append(
        self, kind: Kind, height: int, payload: bytes, ids: Sequence[tuple[bytes, int]], hash: bytes
    ) -> None:
        if self._pending.full:
            self.sync()
        self._pending.add(kind, height, self._segments.append(kind, height, payload), ids, hash)

    def _read(self, kind: Kind, height: int, newest: int) -> bytes | None:
        if not 1 <= height <= newest:
            return None
        return self._reader.read(kind, height, self._places_of(kind, height))

    def _places_of(self, kind: Kind, height: int) -> list[Location | None]:
        """Where a payload stands: a block's, or an outcome's behind that of its block."""
        kinds = (Kind.BLOCK,) if kind == Kind.BLOCK else (Kind.BLOCK, Kind.OUTCOME)
        return [self._pending.place(each, height) for each in kinds]

    def _readable_places(self, kind: Kind, height: int) -> list[Location | None]:
        """The same; from now on any thread can read there."""
        places = self._places_of(kind, height)
        for place in places:
            if place is not None:
                self._segments.make_readable(place)
        return places

    def _stands(self, identifier: bytes, found: Found, told: IdKnown) -> bool:
        place = self._pending.place(Kind.BLOCK, found.height)
        return self._reader.stands(identifier, found, place, told(found))
