"""Where a transaction took effect that is sent again, and what it came to (P6)."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from strongroom.consensus.types import Digest, Height, TransactionId
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.node.api.places import PlaceDesk
from strongroom.node.ledger.pending_index import Finding
from strongroom.node.ledger.place import Place
from strongroom.node.ledger.segments import Kind
from strongroom.node.ledger.transaction_table import Found

HEIGHT = 7
OUTCOME = Outcome(
    height=Height(HEIGHT),
    block=Digest(bytes(32)),
    ids=b"e" * 32 + b"r" * 32 + b"d" * 32,
    codes=bytes((Code.EXECUTED, Code.REFUSED, Code.DUPLICATE)),
    results=(b"sealed", b"why it was refused", b""),
    claims=(),
    write_set=b"",
)


class Store:
    """One block's outcome."""

    def __init__(self, *, beside: bool) -> None:
        self.beside, self.looked, self.read = beside, 0, 0

    def finding(self, id: bytes, told: Callable[[Found], bytes | None]) -> Finding:
        """Where it counts; `beside`: a block would have to tell, were it not told."""
        for position, (one, code) in enumerate(OUTCOME.ids_and_codes()):
            found = Found(HEIGHT, position, code)
            if one == id:
                return partial(self._look, found) if self.beside and told(found) != id else found
        return None

    def _look(self, found: Found) -> Found:
        self.looked += 1
        return found

    def reading(
        self, kind: Kind, height: int, decode: Callable[[bytes], Any]
    ) -> Callable[[], Any] | None:
        """What reads it."""
        self.read += 1
        known = (kind, height) == (Kind.OUTCOME, HEIGHT)
        return (lambda: decode(OUTCOME.encode())) if known else None


def refused(position: int, height: int = HEIGHT + 1) -> Place:
    """What was sent again, where it was refused."""
    id = OUTCOME.id_at(position) if position < 3 else TransactionId(b"n" * 32)
    return Place(id, Height(height), position, int(Code.DUPLICATE), b"")


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("beside", [False, True])
def test_what_is_sent_again_gets_the_result_that_stands_also_a_refusals_reason(
    position: int, beside: bool
) -> None:
    found = PlaceDesk(cast(Any, Store(beside=beside))).find(refused(position))
    place: Any = found() if callable(found) else found
    assert (place.id, place.height, place.index) == (OUTCOME.id_at(position), HEIGHT, position)
    assert (place.code, place.result) == (OUTCOME.codes[position], OUTCOME.result_at(position))


def test_T70_nothing_is_looked_at_or_read_before_a_thread_does() -> None:
    store = Store(beside=True)
    found = PlaceDesk(cast(Any, store)).find(refused(0))
    assert (store.looked, store.read) == (0, 0)
    assert callable(found)
    found()
    assert (store.looked, store.read) == (1, 1)


def test_T70_ten_thousand_first_refusals_of_a_block_cost_no_look_at_it() -> None:
    """They are answered with themselves."""
    store = Store(beside=True)
    own = [refused(position, HEIGHT) for position in range(3)]
    assert list(map(PlaceDesk(cast(Any, store)).find, own)) == own
    assert (store.looked, store.read) == (0, 0)


def test_T70_replays_of_one_block_look_at_it_once() -> None:
    store = Store(beside=True)
    desk = PlaceDesk(cast(Any, store))
    for position in (0, 1, 2, 1, 0):
        found = desk.find(refused(position))
        place: Any = found() if callable(found) else found
        assert place.result == OUTCOME.result_at(position)
    assert (store.looked, store.read) == (1, 1)


def test_what_nobody_knows_is_nowhere() -> None:
    assert PlaceDesk(cast(Any, Store(beside=True))).find(refused(3)) is None
