"""The block store that the driver uses: blocks and outcomes by height, transactions by id (DESIGN
§3 stop 8, §8).

Owns the order between segments and index: what is indexed was durable before, so that an index that
knows more than the segments hold proves a loss. Refuses to know how bytes are framed (frames.py),
and what blocks and outcomes mean.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Self

import structlog

from strongroom.consensus.errors import NotCanonical, OperatorFault, invariant
from strongroom.node.ledger.archive.archived import Archived
from strongroom.node.ledger.archive.contents import Contents, Summary, survey
from strongroom.node.ledger.frames import CorruptRecord, TornTail
from strongroom.node.ledger.history_columns import HistoryColumns, subtree_in
from strongroom.node.ledger.index import MAP_SIZE, Entries, Index, IndexDamaged
from strongroom.node.ledger.segments import (
    SEGMENT_BYTES_MAX,
    Heights,
    Kind,
    Location,
    Segments,
    first_heights,
)
from strongroom.node.ledger.sorted_runs import PREFIX_SIZE
from strongroom.node.ledger.transaction_table import EXECUTED, Found
from strongroom.node.machine.durable_files import disk_faults

UNINDEXED_MAX = 16_384
"""Records and transactions that wait for a sync to be indexed; the next record syncs by itself."""

RecordOf = Callable[[bytes], bytes]
"""What is stored of an outcome's payload."""
IdAt = Callable[[bytes, int], bytes]
"""The id at a position of a block's payload, empty if none is there; raises NotCanonical."""
IdKnown = Callable[[Found], bytes | None]
"""The id at a place, by whoever has it in memory; None: look into the block."""
Finding = Found | Callable[[], Found | None] | None
"""Where a transaction counts, or what looks for it in any thread."""
IdsOf = Callable[[bytes], Sequence[bytes]]
"""The ids that a block's payload tells, by position; raises NotCanonical."""
WholeOf = Callable[[bytes, bytes, Sequence[bytes]], bytes]
"""(what is stored, its block's digest, its block's ids): the outcome's payload again; NotCanonical
when these do not belong together."""
HashOf = Callable[[bytes], bytes]
"""Digest (32 bytes) by which the block of a payload is found; b"" for none."""
TransactionsOf = Callable[[bytes], Iterable[tuple[bytes, int]]]
"""(id, code) of every transaction in an outcome's payload, by position; code 0 is executed."""

log = structlog.get_logger()


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
        self,
        segments: Segments,
        index: Index,
        transactions_of: TransactionsOf,
        hash_of: HashOf,
        leaf_of: HashOf,
        record_of: RecordOf,
        whole_of: WholeOf,
        ids_of: IdsOf,
        id_at: IdAt | None,
        archived: Archived,
    ) -> None:
        self._segments, self._index, self._transactions_of = segments, index, transactions_of
        self._record_of, self._whole_of = record_of, whole_of
        self._ids_of, self._id_at = ids_of, id_at
        self.archived = archived
        """What is not in the segments any more."""
        self._hash_of = {Kind.BLOCK: hash_of, Kind.OUTCOME: leaf_of}
        self._entries = Entries()
        self._synced_block = 0
        """Up to here blocks are durable, though their place may wait for the next sync to be
        indexed."""
        self._columns = HistoryColumns()
        self.on_damage: Callable[[OperatorFault], None] = lambda _: None
        """Told of damage that a read finds, before it is raised: whoever reads may answer for less
        than the node."""

    @classmethod
    def open(
        cls,
        directory: Path,
        transactions_of: TransactionsOf,
        *,
        hash_of: HashOf = lambda _: b"",
        leaf_of: HashOf = lambda _: b"",
        record_of: RecordOf = lambda outcome: outcome,
        whole_of: WholeOf = lambda record, _digest, _ids: record,
        ids_of: IdsOf = lambda _: (),
        id_at: IdAt | None = None,
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
            store = cls(
                segments,
                index,
                transactions_of,
                hash_of,
                leaf_of,
                record_of,
                whole_of,
                ids_of,
                id_at,
                archived,
            )
            try:
                try:
                    store._recover()
                except IndexDamaged as damage:  # the segments tell all that it told
                    log.warning("ledger.index_damaged", reason=str(damage))
                    store._index.clear()
                    store._recover()
            except BaseException:
                segments.close()
                store._index.close()
                raise
            return store

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
        self._append(Kind.BLOCK, height, payload, (), self._hash_of[Kind.BLOCK](payload))

    def append_outcome(
        self, height: int, payload: bytes, ids: Sequence[tuple[bytes, int]], leaf: bytes = b""
    ) -> None:
        """Add the outcome of height `newest_outcome` + 1, whose block is here; durable after
        `sync`.

        Args:
            height: of its block.
            payload: opaque here; `record_of` says what is stored of it.
            ids: what `transactions_of` finds in the payload: (id, code) by position.
            leaf: what `leaf_of` makes of it: its leaf in the history.

        Raises:
            InvariantBroken: another height.
            DiskFault: the disk refused.
        """
        self._append(Kind.OUTCOME, height, self._record_of(payload), ids, leaf)

    def sync(self, *, index: bool = True) -> None:
        """Make all that was appended durable, then index it: one write, one fdatasync, one index
        transaction.

        Args:
            index: False: the next sync indexes it, with what comes until then.

        Raises:
            DiskFault: the disk refused; nothing may be executed or answered that rests on it.
        """
        count = self._entries.count
        self._segments.sync()
        self._synced_block = self.newest_block
        if count and index:
            self._index.write(self._entries)
            invariant(
                self._entries.count == count, "a record was appended while another thread synced"
            )
            self._entries = Entries()

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
        return subtree_in(self._column, level, index)

    @property
    def peaks(self) -> tuple[bytes, ...] | None:
        """Roots that the next columns are made with; None: something is not known. They are right
        if they are those of a history that leads to an anchor."""
        return self._columns.peaks

    def history_damage(self, reason: str) -> IndexDamaged:
        """What is raised when a subtree here is missing or wrong; the next opening rebuilds the
        index."""
        self._index.distrust()
        damage = IndexDamaged(self._index.directory, f"history: {reason}")
        self.on_damage(damage)
        return damage

    def rebuild_index(self) -> None:
        """Make the index anew of the segments and of what is known of archived ones.

        Raises:
            CorruptRecord, DiskFault: as `open` does.
        """
        self.sync()
        self._segments.close()
        self._index.clear()
        self._recover()

    def _column(self, height: int) -> bytes | None:
        return self._entries.columns.get(height) or self._index.column(height)

    def reading(self, kind: Kind, height: int) -> Callable[[], bytes] | None:
        """What reads a record's payload in any thread, while this one goes on appending; None if
        there is none.

        The result raises CorruptRecord as `block` does; `on_damage` is then called in its thread.
        """
        newest = self.newest_block if kind == Kind.BLOCK else self.newest_outcome
        if not 1 <= height <= newest:
            return None
        places = self._places_of(kind, height)
        for place in places:
            if place is not None:
                self._segments.make_readable(place)
        return lambda: self._read_at(kind, height, places)

    def find_transaction(self, identifier: bytes) -> Found | None:
        """Where a transaction (id, 32 bytes) was executed, else where it was first refused, synced
        or not; a block may be read for it, so the event loop asks `finding`.

        Raises:
            CorruptRecord: the block that tells is damaged.
            IndexDamaged: the index is; the next opening rebuilds it.
        """
        found = self.finding(identifier)
        return found() if callable(found) else found

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
        recent = self._entries.find_transaction(identifier)
        if recent is not None:
            self.reading(Kind.OUTCOME, recent.height)  # from now on any thread can read it
            if recent.code == EXECUTED:
                return recent
        places = self._index.places_of(identifier)
        if not places.candidates:
            return places.sure or recent
        if told(places.candidates[0]) == identifier:
            return places.candidates[0]

        def look() -> Found | None:
            indexed = places.best(lambda found: self._stands(identifier, found, told))
            return recent if indexed is None else indexed

        return look

    def may_be_executed(self, identifier: bytes) -> bool:
        """Whether a transaction (id, 32 bytes) was executed, synced or not, or another whose id
        begins alike: no block is read, so it is asked of whatever anybody sends.

        Raises:
            IndexDamaged: the index is; the next opening rebuilds it.
        """
        recent = self._entries.find_transaction(identifier)
        if recent is not None and recent.code == EXECUTED:
            return True
        return self._index.places_of(identifier).may_be_executed()

    def find_block(self, hash: bytes) -> int | None:
        """Height of the block of this digest, among what is synced."""
        recent = self._entries.hashes.get(hash)
        if recent is None:
            return self._index.find_block(hash)
        return recent if recent <= self._synced_block else None

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
        return survey(
            path,
            first,
            self.archived.base,
            size=size,
            digest=digest,
            whole=lambda height, record, block: self._whole(
                height, record, self._below(height, block), (path, 0)
            ),
            ids_of=self._ids_of,
            transactions_of=self._transactions_of,
            hash_of=self._hash_of,
            epochs=epochs,
        )

    def let_go(self, summary: Summary) -> None:
        """Read the oldest segment from the archive from now on; its file may be removed."""
        self.archived.let_go(summary)
        self._segments.let_go(summary.first)

    def _read_archived(self, kind: Kind, height: int) -> bytes:
        try:
            record = self.archived.read(kind, height)
            if kind == Kind.BLOCK:
                return record
            below = self.archived.below(height)
            return self._whole(height, record, below, (self.archived.directory, 0))
        except CorruptRecord as damage:  # of the contents: this node's own disk
            self.on_damage(damage)
            raise

    def close(self) -> None:
        """Sync and give everything back."""
        try:
            self.sync()
        finally:
            self._segments.close()
            self._index.close()

    def _append(
        self, kind: Kind, height: int, payload: bytes, ids: Sequence[tuple[bytes, int]], hash: bytes
    ) -> None:
        if self._entries.count >= UNINDEXED_MAX:
            self.sync()
        place = self._segments.append(kind, height, payload)
        self._entries.add(kind, height, place, ids, self._indexed(kind, hash))

    def _indexed(self, kind: Kind, hash: bytes) -> bytes:
        """What the index keeps of a block's digest, or of the leaf of the next outcome."""
        return self._columns.append(hash) if kind == Kind.OUTCOME else hash

    def _stands(self, identifier: bytes, found: Found, told: IdKnown) -> bool:
        """Whether a transaction stands where the index says that one stands which begins alike; in
        any thread."""
        there = told(found)
        if there is None:
            there = self._id_there(found)
        if there[:PREFIX_SIZE] != identifier[:PREFIX_SIZE]:
            where = f"height {found.height}, {found.position} begins otherwise than it says"
            damage = IndexDamaged(self._index.directory, where)
            self._index.distrust()
            self.on_damage(damage)
            raise damage
        return there == identifier

    def _id_there(self, found: Found) -> bytes:
        height, position = found.height, found.position
        if not 1 <= height <= self.newest_block:
            return b""
        if self._id_at is None:
            known = list(self._transactions_of(self.outcome(height) or b""))
            return known[position][0] if position < len(known) else b""
        try:
            block = self._block_record(height, self._place(Kind.BLOCK, height))
            if block is not None:
                return self._id_at(block, position)
            ids = self.archived.below(height)[1]  # the archive is not asked
            return ids[position] if position < len(ids) else b""
        except (CorruptRecord, NotCanonical) as error:
            damage = error if isinstance(error, CorruptRecord) else self._no_block(height, error)
            self._index.distrust()
            self.on_damage(damage)
            raise damage from error

    def _no_block(self, height: int, error: NotCanonical) -> CorruptRecord:
        return CorruptRecord(self._segments.path(height), 0, str(error), height)

    def _read(self, kind: Kind, height: int, newest: int) -> bytes | None:
        if not 1 <= height <= newest:
            return None
        return self._read_at(kind, height, self._places_of(kind, height))

    def _place(self, kind: Kind, height: int) -> Location | None:
        return self._entries.places[kind].get(height) or self._index.place(kind, height)

    def _places_of(self, kind: Kind, height: int) -> list[Location | None]:
        """Where a payload stands: a block's, or an outcome's behind that of its block."""
        kinds = (Kind.BLOCK,) if kind == Kind.BLOCK else (Kind.BLOCK, Kind.OUTCOME)
        return [self._place(each, height) for each in kinds]

    def _read_at(self, kind: Kind, height: int, places: Sequence[Location | None]) -> bytes:
        if self.archived.holds(kind, height):
            return self._read_archived(kind, height)
        try:
            record = self._record_at(kind, height, places[-1])
            if kind == Kind.BLOCK:
                return record
            below = self._below(height, self._block_record(height, places[0]))
            return self._whole(height, record, below, self._at(places[-1]))
        except CorruptRecord as damage:
            if self.archived.holds(kind, height):  # it went while somebody was about to read it
                return self._read_archived(kind, height)
            self._index.distrust()
            self.on_damage(damage)
            raise

    def _record_at(self, kind: Kind, height: int, place: Location | None) -> bytes:
        if place is None:
            raise CorruptRecord(self._segments.path(height), 0, "not in the index", height)
        return self._segments.read(kind, height, place)

    def _block_record(self, height: int, place: Location | None) -> bytes | None:
        """The block below an outcome; None: it is archived, and what it tells is known here."""
        try:
            if not self.archived.holds(Kind.BLOCK, height):
                return self._record_at(Kind.BLOCK, height, place)
        except CorruptRecord:  # it may have gone just now
            if not self.archived.holds(Kind.BLOCK, height):
                raise
        return None

    def _below(self, height: int, block: bytes | None) -> tuple[bytes, Sequence[bytes]]:
        """The digest and the ids that an outcome leaves to its block."""
        if block is None:
            return self.archived.below(height)
        try:
            return self._hash_of[Kind.BLOCK](block), self._ids_of(block)
        except NotCanonical as error:
            raise self._no_block(height, error) from error

    def _whole(
        self,
        height: int,
        record: bytes,
        below: tuple[bytes, Sequence[bytes]],
        at: tuple[Path, int],
    ) -> bytes:
        try:
            return self._whole_of(record, *below)
        except NotCanonical as error:
            raise CorruptRecord(*at, str(error), height) from error

    def _at(self, place: Location | None) -> tuple[Path, int]:
        return (self._segments.path(place.segment), place.offset) if place else (Path(), 0)

    def _recover(self) -> None:
        """Find what is stored, compare it with what the index knows was durable, cut the torn tail,
        index the rest."""
        indexed, files = self._index.newest(), self._segments.firsts
        found, tail, rebuild = Heights(), None, not self._index_leads_to(files)
        if not rebuild:
            try:
                found, tail = self._survey(files[-1], self._heights_before(files[-1]))
            except (
                CorruptRecord
            ):  # unless the index is wrong: the whole ledger is read before anything is said
                rebuild = True
        if rebuild:
            found, tail = self._survey(files[0], self.archived.base)
        lost = max(0, indexed.block - found.block) + max(0, indexed.outcome - found.outcome)
        if lost > (tail is not None):
            detail = f"ends with {found}, but {indexed} were durable"
            raise CorruptRecord(self._segments.path(files[-1]), 0, detail, found.outcome + 1)
        if rebuild or lost:
            log.warning(
                "ledger.index_rebuilt",
                directory=str(self._segments.path(1).parent),
                records=str(found),
            )
            self._index.clear()
        if tail is not None:
            log.warning(
                "ledger.tail_cut",
                file=str(tail.path),
                offset=tail.offset,
                reason=tail.detail,
                durable=lost > 0,
            )
        self._segments.resume(found, tail)
        self._columns = HistoryColumns(self._index.newest().outcome + 1, self._index.column)
        if rebuild or lost:
            self._index_archived()
        self._index_from(files[0] if rebuild or lost else files[-1])
        self._index.trust()

    def _index_leads_to(self, files: list[int]) -> bool:
        """Whether the index knows of every file but the newest where it ends, so that only the
        newest need be read."""
        for first, following in pairwise(files):
            place = self._index.place(Kind.BLOCK, following - 1)
            if place is None or place.segment != first or not self._segments.holds(place):
                return False
        base, summaries = self.archived.base, self.archived.summaries
        place = self._index.place(Kind.BLOCK, base.block) if summaries else None
        if summaries and (place is None or place.segment != summaries[-1].first):
            return False
        return files[0] == base.block + 1

    def _heights_before(self, first: int) -> Heights:
        """What is stored before a file, as the index knows it."""
        if first == self._segments.firsts[0]:
            return self.archived.base
        outcome = self._index.newest().outcome
        while (place := self._index.place(Kind.OUTCOME, outcome)) and place.segment >= first:
            outcome -= 1
        return Heights(first - 1, outcome)

    def _survey(self, since: int, found: Heights) -> tuple[Heights, TornTail | None]:
        """Read everything from a file on, `found` being reached before it; the heights reached, and
        the torn tail."""
        try:
            for record in self._segments.scan(since, found):
                found = record.reached
        except TornTail as tail:
            return found, tail
        return found, None

    def _index_archived(self) -> None:
        """What is archived, from its contents: the archive itself is not asked."""
        entries = Entries()
        for kind, height, place, row in self.archived.records():
            ids = row.ids if kind == Kind.OUTCOME else ()  # a block's have no codes yet
            entries.add(kind, height, place, ids, self._indexed(kind, row.hash))
            if entries.count >= UNINDEXED_MAX:
                self._index.write(entries)
                entries = Entries()
        self._index.write(entries)

    def _index_from(self, since: int) -> None:
        indexed, entries = self._index.newest(), Entries()
        for record in self._segments.scan(since, self._heights_before(since)):
            if record.height <= indexed.of(record.kind):
                continue
            payload, ids = record.payload, []
            if record.kind == Kind.OUTCOME:
                below = self._below(record.height, self._block_below(record.height, entries))
                payload = self._whole(record.height, payload, below, self._at(record.location))
                ids = list(self._transactions_of(payload))
            hash = self._indexed(record.kind, self._hash_of[record.kind](payload))
            entries.add(record.kind, record.height, record.location, ids, hash)
            if entries.count >= UNINDEXED_MAX:
                self._index.write(entries)
                entries = Entries()
        self._index.write(entries)

    def _block_below(self, height: int, entries: Entries) -> bytes | None:
        """The block of an outcome that is being indexed; it stands before it, or is archived."""
        place = entries.places[Kind.BLOCK].get(height) or self._index.place(Kind.BLOCK, height)
        return self._block_record(height, place)
