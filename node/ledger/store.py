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

from strongroom.consensus.errors import invariant
from strongroom.node.ledger.frames import CorruptRecord, TornTail
from strongroom.node.ledger.index import EXECUTED, MAP_SIZE, Entries, Found, Index, IndexDamaged
from strongroom.node.ledger.segments import SEGMENT_BYTES_MAX, Heights, Kind, Location, Segments
from strongroom.node.machine.durable_files import disk_faults

UNINDEXED_MAX = 16_384
"""Records and transactions that wait for a sync to be indexed; the next record syncs by itself."""

HashOf = Callable[[bytes], bytes]
"""Digest (32 bytes) by which the block of a payload is found; b"" for none."""
TransactionsOf = Callable[[bytes], Iterable[tuple[bytes, int]]]
"""(id, code) of every transaction in an outcome's payload, by position; code 0 is executed."""

log = structlog.get_logger()


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
    ) -> None:
        self._segments, self._index, self._transactions_of = segments, index, transactions_of
        self._hash_of = {Kind.BLOCK: hash_of, Kind.OUTCOME: leaf_of}
        self._entries = Entries()
        self._synced_block = 0
        """Up to here blocks are durable, though their place may wait for the next sync to be
        indexed."""
        self.on_damage: Callable[[CorruptRecord], None] = lambda _: None
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
            segments = Segments(directory / "ledger", segment_bytes_max)
            index = Index(directory / "index", map_size)
            store = cls(segments, index, transactions_of, hash_of, leaf_of)
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
            payload: opaque here.
            ids: what `transactions_of` finds in the payload: (id, code) by position.
            leaf: what `leaf_of` makes of it: its leaf in the history.

        Raises:
            InvariantBroken: another height.
            DiskFault: the disk refused.
        """
        self._append(Kind.OUTCOME, height, payload, ids, leaf)

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

    def leaf(self, height: int) -> bytes | None:
        """What was given as the leaf of an outcome, or `leaf_of` made of it when the index was
        rebuilt; None if nothing was. The index has no checksum for it: compare with an anchor."""
        return self._entries.leaves.get(height) or self._index.leaf(height)

    def leaves(self, last: int) -> list[bytes]:
        """What `leaf` gives for heights 1 to `last`, up to the first of which nothing is known."""
        found = self._index.leaves(last)
        while len(found) < last and (leaf := self._entries.leaves.get(len(found) + 1)):
            found.append(leaf)
        return found

    def reading(self, kind: Kind, height: int) -> Callable[[], bytes] | None:
        """What reads a record's payload in any thread, while this one goes on appending; None if
        there is none.

        The result raises CorruptRecord as `block` does; `on_damage` is then called in its thread.
        """
        newest = self.newest_block if kind == Kind.BLOCK else self.newest_outcome
        if not 1 <= height <= newest:
            return None
        place = self._place(kind, height)
        if place is None:
            return lambda: self._read_at(kind, height, None)
        self._segments.make_readable(place)
        return lambda: self._read_at(kind, height, place)

    def find_transaction(self, identifier: bytes) -> Found | None:
        """Where a transaction (id, 32 bytes) was executed, else where it was first refused, synced
        or not."""
        indexed = self._index.find_transaction(identifier)
        if indexed is not None and indexed.code == EXECUTED:
            return indexed
        recent = self._entries.find_transaction(identifier)
        return (
            recent
            if indexed is None or (recent is not None and recent.code == EXECUTED)
            else indexed
        )

    def find_block(self, hash: bytes) -> int | None:
        """Height of the block of this digest, among what is synced."""
        recent = self._entries.hashes.get(hash)
        if recent is None:
            return self._index.find_block(hash)
        return recent if recent <= self._synced_block else None

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
        self._entries.add(kind, height, self._segments.append(kind, height, payload), ids, hash)

    def _read(self, kind: Kind, height: int, newest: int) -> bytes | None:
        if not 1 <= height <= newest:
            return None
        return self._read_at(kind, height, self._place(kind, height))

    def _place(self, kind: Kind, height: int) -> Location | None:
        return self._entries.places[kind].get(height) or self._index.place(kind, height)

    def _read_at(self, kind: Kind, height: int, place: Location | None) -> bytes:
        try:
            if place is None:
                raise CorruptRecord(self._segments.path(height), 0, "not in the index", height)
            return self._segments.read(kind, height, place)
        except CorruptRecord as damage:
            self._index.distrust()
            self.on_damage(damage)
            raise

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
            found, tail = self._survey(files[0], Heights())
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
        self._index_from(files[0] if rebuild or lost else files[-1])
        self._index.trust()

    def _index_leads_to(self, files: list[int]) -> bool:
        """Whether the index knows of every file but the newest where it ends, so that only the
        newest need be read."""
        for first, following in pairwise(files):
            place = self._index.place(Kind.BLOCK, following - 1)
            if place is None or place.segment != first or not self._segments.holds(place):
                return False
        return files[0] == 1

    def _heights_before(self, first: int) -> Heights:
        """What is stored before a file, as the index knows it."""
        if first == 1:
            return Heights()
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

    def _index_from(self, since: int) -> None:
        indexed, entries = self._index.newest(), Entries()
        for record in self._segments.scan(since, self._heights_before(since)):
            if record.height <= indexed.of(record.kind):
                continue
            ids = list(self._transactions_of(record.payload)) if record.kind == Kind.OUTCOME else []
            hash = self._hash_of[record.kind](record.payload)
            entries.add(record.kind, record.height, record.location, ids, hash)
            if entries.count >= UNINDEXED_MAX:
                self._index.write(entries)
                entries = Entries()
        self._index.write(entries)
