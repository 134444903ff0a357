"""Where a transaction took effect that somebody sent again: looked for in the index at once, and in
blocks and outcomes beside the event loop.

Owns that one decoding (some 60 ms for a full block), and the outcome that was decoded last.
"""

from collections.abc import Callable
from functools import partial

from strongroom.consensus.errors import InvariantBroken
from strongroom.consensus.types import Height, TransactionId
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.node.api.ledger_sources import Records
from strongroom.node.ledger.decoding import outcome_of
from strongroom.node.ledger.pending_index import found_by
from strongroom.node.ledger.place import Place
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.transaction_table import Found

WITH_RESULT = frozenset({Code.EXECUTED, Code.REFUSED})
"""With the others there is nothing to read: a refusal of governance says why in its result."""


class PlaceDesk:
    """Finds places in one node's ledger. What it gives to read is read by one thread at a time."""

    def __init__(self, store: Records) -> None:
        self._store = store
        self._kept: tuple[int, Outcome] | None = None

    def find(self, refused: Place) -> Place | Callable[[], Place] | None:
        """Where the id of a transaction that was refused just now took effect, else its first
        refusal, which may be this one: the place, or what reads it."""
        finding = self._store.finding(refused.id, partial(self._known_id, refused))
        if finding is None:
            return None
        if not callable(finding):
            known = self._known_place(refused, finding)
            if known is not None:
                return known

        def place() -> Place:
            found = found_by(finding)
            if found is None:
                return refused
            return self._known_place(refused, found) or self._read(refused.id, found)

        return place

    def _known_id(self, refused: Place, found: Found) -> TransactionId | None:
        if _is_at(refused, found):
            return refused.id
        kept = self._kept
        return kept[1].id_at(found.position) if kept and kept[0] == found.height else None

    def _known_place(self, refused: Place, found: Found) -> Place | None:
        """Where there is nothing to read."""
        if _is_at(refused, found):
            return refused
        if found.code not in WITH_RESULT:
            return Place(refused.id, Height(found.height), found.position, found.code, b"")
        return None

    def _read(self, id: TransactionId, found: Found) -> Place:
        result = self._outcome(found.height).result_at(found.position)
        return Place(id, Height(found.height), found.position, found.code, result or b"")

    def _outcome(self, height: int) -> Outcome:
        kept = self._kept
        if kept is None or kept[0] != height:
            read = self._store.reading(Kind.OUTCOME, height, outcome_of(height))
            if read is None:
                raise InvariantBroken(f"height {height} is in the index and has no outcome")
            kept = self._kept = (height, read())
        return kept[1]


def _is_at(place: Place, found: Found) -> bool:
    return (place.height, place.index) == (found.height, found.position)
