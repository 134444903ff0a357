"""What is to be indexed in one go, gathered before it is written.

Owns which of a transaction's positions counts among these. How they are kept: index.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from strongroom.node.ledger.segments import Kind, Location
from strongroom.node.ledger.transaction_table import EXECUTED, NO_ROOM, Found


@dataclass(slots=True)
class Entries:
    """What is written in one go: places by height, and where each transaction counts among
    these."""

    places: dict[Kind, dict[int, Location]] = field(
        default_factory=lambda: {kind: {} for kind in Kind}
    )
    hashes: dict[bytes, int] = field(default_factory=dict)
    """Height of the block by the digest of its header."""
    columns: dict[int, bytes] = field(default_factory=dict)
    """By an outcome's height: its column of the history (history_columns.py)."""
    transactions: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)
    """By id: height, position and code of where it counts (Found)."""
    count: int = 0
    """Records and transactions."""

    def add(
        self,
        kind: Kind,
        height: int,
        place: Location,
        ids: Sequence[tuple[bytes, int]] = (),
        hash: bytes = b"",
    ) -> None:
        """One more record, above all others of its kind; `ids` are those of an outcome, `hash` is
        that of a block, if it is to be found by it, or an outcome's column."""
        self.places[kind][height] = place
        if hash and kind == Kind.BLOCK:
            self.hashes[hash] = height
        elif hash:
            self.columns[height] = hash
        held = self.transactions
        for position, (id, code) in enumerate(ids):
            if code == NO_ROOM:  # it may be ordered again: nothing became of it
                continue
            before = held.get(id)
            if before is None or (code == EXECUTED and before[2] != EXECUTED):
                held[id] = (height, position, code)
        self.count += 1 + len(ids)

    def find_transaction(self, identifier: bytes) -> Found | None:
        """Where a transaction counts among these alone."""
        found = self.transactions.get(identifier)
        return None if found is None else Found(*found)
