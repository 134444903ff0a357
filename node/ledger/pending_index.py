"""The index, with what waits to be written into it: a record is found from the moment it is
appended (DESIGN §8).

Owns what waits, and that it is looked at before what is written. Refuses to know when it is written
(store.py: not before it is durable), and whether what stands somewhere is what is looked for
(record_reader.py).
"""

from collections.abc import Callable, Sequence

from strongroom.consensus.errors import invariant
from strongroom.node.ledger.entries import Entries
from strongroom.node.ledger.history_columns import HistoryColumns, subtree_in
from strongroom.node.ledger.index import Index
from strongroom.node.ledger.segments import Kind, Location
from strongroom.node.ledger.transaction_table import EXECUTED, Found

UNINDEXED_MAX = 16_384
"""Records and transactions that wait for a sync to be indexed; the next record syncs by itself."""
IdKnown = Callable[[Found], bytes | None]
"""The id at a place, by whoever has it in memory; None: look into the block."""
Finding = Found | Callable[[], Found | None] | None
"""Where a transaction counts, or what looks for it in any thread."""


def found_by(finding: Finding) -> Found | None:
    """Where a transaction counts; a block may be read for it."""
    return finding() if callable(finding) else finding


class PendingIndex:
    """One block store's. Not thread-safe, but `write` may run in a thread while nothing is
    added."""

    def __init__(self, index: Index) -> None:
        """Nothing waits yet."""
        self._index = index
        self._entries = Entries()
        self._columns = HistoryColumns()

    def go_on(self, columns: HistoryColumns) -> None:
        """Make what the index keeps of the history from here on, behind all that is indexed."""
        self._columns = columns

    @property
    def count(self) -> int:
        """Records and transactions that wait."""
        return self._entries.count

    @property
    def full(self) -> bool:
        """Nothing more may wait: write first."""
        return self._entries.count >= UNINDEXED_MAX

    def add(
        self,
        kind: Kind,
        height: int,
        place: Location,
        ids: Sequence[tuple[bytes, int]],
        hash: bytes,
    ) -> None:
        """One more record (`Entries.add`); `hash` is a block's, or the leaf of the next outcome."""
        kept = self._columns.append(hash) if kind == Kind.OUTCOME else hash
        self._entries.add(kind, height, place, ids, kept)

    def write(self, count: int) -> None:
        """Write what waits, in one transaction.

        Args:
            count: what `count` was before all of it became durable; 0: nothing is written.

        Raises:
            InvariantBroken: more came meanwhile.
            DiskFault: the disk refused.
        """
        if count:
            self._index.write(self._entries)
            invariant(
                self._entries.count == count, "a record was appended while another thread synced"
            )
            self._entries = Entries()

    def place(self, kind: Kind, height: int) -> Location | None:
        """Where a block or outcome stands."""
        return self._entries.places[kind].get(height) or self._index.place(kind, height)

    def subtree(self, level: int, index: int) -> bytes | None:
        """Root over a complete subtree of the history, for an index above 0; None: not known
        here."""
        return subtree_in(self._column, level, index)

    @property
    def peaks(self) -> tuple[bytes, ...] | None:
        """Roots that the next columns are made with; None: something is not known."""
        return self._columns.peaks

    def _column(self, height: int) -> bytes | None:
        return self._entries.columns.get(height) or self._index.column(height)

    def recent(self, identifier: bytes) -> Found | None:
        """Where a transaction counts (by its id, 32 bytes) among what waits alone."""
        return self._entries.find_transaction(identifier)

    def finding(
        self,
        identifier: bytes,
        recent: Found | None,
        told: IdKnown,
        stands: Callable[[Found], bool],
    ) -> Finding:
        """Where a transaction was executed, else where it was first refused, as far as nothing has
        to be read for it; else what looks in any thread.

        Args:
            identifier: its id, 32 bytes.
            recent: what `recent` gives.
            told: the id at a place, where it is known at once.
            stands: whether it does at a place where one stands that begins alike; reads a block.
        """
        if recent is not None and recent.code == EXECUTED:
            return recent
        places = self._index.places_of(identifier)
        if not places.candidates:
            return places.sure or recent
        if told(places.candidates[0]) == identifier:
            return places.candidates[0]

        def look() -> Found | None:
            indexed = places.best(stands)
            return recent if indexed is None else indexed

        return look

    def may_be_executed(self, identifier: bytes) -> bool:
        """Whether a transaction was, or another whose id begins alike."""
        recent = self.recent(identifier)
        if recent is not None and recent.code == EXECUTED:
            return True
        return self._index.places_of(identifier).may_be_executed()

    def find_block(self, hash: bytes, durable: int) -> int | None:
        """Height of the block of this digest, if it is none above `durable`."""
        recent = self._entries.hashes.get(hash)
        if recent is None:
            return self._index.find_block(hash)
        return recent if recent <= durable else None
