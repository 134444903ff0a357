"""The index, with what waits to be written into it: a record is found from the moment it is
appended (DESIGN §8).

Owns what waits, and that it is looked at before what is written. Refuses to know when it is written
(store.py: not before it is durable), and whether what stands somewhere is what is looked for
(record_reader.py).
"""

from collections.abc import Callable, Sequence

from strongroom.consensus.errors import invariant
from strongroom.node.ledger.index import Entries, Index
from strongroom.node.ledger.segments import Kind, Location
from strongroom.node.ledger.transaction_table import EXECUTED, Found

UNINDEXED_MAX = 16_384
"""Records and transactions that wait for a sync to be indexed; the next record syncs by itself."""


class PendingIndex:
    """One block store's. Not thread-safe, but `write` may run in a thread while nothing is
    added."""

    def __init__(self, index: Index) -> None:
        """Nothing waits yet."""
        self._index = index
        self._entries = Entries()

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
        """One more record (`Entries.add`)."""
        self._entries.add(kind, height, place, ids, hash)

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

    def leaf(self, height: int) -> bytes | None:
        """An outcome's leaf in the history; None: not known here."""
        return self._entries.leaves.get(height) or self._index.leaf(height)

    def leaves(self, last: int) -> list[bytes]:
        """Those of heights 1 to `last`, up to the first that is not known."""
        found = self._index.leaves(last)
        while len(found) < last and (leaf := self._entries.leaves.get(len(found) + 1)):
            found.append(leaf)
        return found

    def find_transaction(self, identifier: bytes, stands: Callable[[Found], bool]) -> Found | None:
        """Where a transaction was executed, else where it was first refused.

        Args:
            identifier: its id, 32 bytes.
            stands: whether it does at a place where one stands that begins alike.
        """
        recent = self._entries.find_transaction(identifier)
        if recent is not None and recent.code == EXECUTED:
            return recent
        indexed = self._index.places_of(identifier).best(stands)
        return recent if indexed is None else indexed

    def may_be_executed(self, identifier: bytes) -> bool:
        """Whether a transaction was, or another whose id begins alike."""
        recent = self._entries.find_transaction(identifier)
        if recent is not None and recent.code == EXECUTED:
            return True
        return self._index.places_of(identifier).may_be_executed()

    def find_block(self, hash: bytes, durable: int) -> int | None:
        """Height of the block of this digest, if it is none above `durable`."""
        recent = self._entries.hashes.get(hash)
        if recent is None:
            return self._index.find_block(hash)
        return recent if recent <= durable else None
