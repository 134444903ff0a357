"""Where a transaction took effect that somebody sent again: looked up at once, and what came of it
read beside the event loop.

Owns that one decoding (some 60 ms for a full block), and the outcome that was decoded last.
"""

from collections.abc import Callable

from strongroom.consensus.errors import InvariantBroken
from strongroom.consensus.types import Height, TransactionId
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.node.api.ledger_sources import Records
from strongroom.node.ledger.decoding import outcome_of
from strongroom.node.ledger.place import Place
from strongroom.node.ledger.segments import Kind

WITH_RESULT = frozenset({Code.EXECUTED, Code.REFUSED})
"""With the others there is nothing to read: a refusal of governance says why in its result."""


class PlaceDesk:
    """Finds places in one node's ledger. What it gives to read is read by one thread at a time."""

    def __init__(self, store: Records) -> None:
        self._store = store
        self._kept: tuple[int, Outcome] | None = None

    def find(self, id: TransactionId) -> Place | Callable[[], Place] | None:
        """Where an id took effect, else its first refusal: the place, or what reads it."""
        found = self._store.find_transaction(id)
        if found is None:
            return None
        height, position = found.height, found.position
        if found.code not in WITH_RESULT:
            return Place(id, Height(height), position, found.code, b"")
        read = self._store.reading(Kind.OUTCOME, height, outcome_of(height))
        if read is None:
            raise InvariantBroken(f"height {height} is in the index and has no outcome")

        def place() -> Place:
            result = self._outcome(height, read).result_at(position)
            return Place(id, Height(height), position, found.code, result or b"")

        return place

    def _outcome(self, height: int, read: Callable[[], Outcome]) -> Outcome:
        kept = self._kept
        if kept is None or kept[0] != height:
            kept = self._kept = (height, read())
        return kept[1]
