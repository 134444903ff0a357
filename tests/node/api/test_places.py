"""Where a transaction took effect that is sent again, and what it came to (P6)."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from strongroom.consensus.types import Digest, Height, TransactionId
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.node.api.places import PlaceDesk
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

    def find_transaction(self, id: bytes) -> Found | None:
        """Where it counts."""
        for position, (one, code) in enumerate(OUTCOME.ids_and_codes()):
            if one == id:
                return Found(HEIGHT, position, code)
        return None

    def reading(
        self, kind: Kind, height: int, decode: Callable[[bytes], Any]
    ) -> Callable[[], Any] | None:
        """What reads it."""
        known = (kind, height) == (Kind.OUTCOME, HEIGHT)
        return (lambda: decode(OUTCOME.encode())) if known else None


@pytest.mark.parametrize("position", range(3))
def test_what_is_sent_again_gets_the_result_that_stands_also_a_refusals_reason(
    position: int,
) -> None:
    id = OUTCOME.id_at(position)
    found = PlaceDesk(cast(Any, Store())).find(id)
    place: Any = found() if callable(found) else found
    assert (place.id, place.height, place.index) == (id, HEIGHT, position)
    assert (place.code, place.result) == (OUTCOME.codes[position], OUTCOME.result_at(position))


def test_what_nobody_knows_is_nowhere() -> None:
    assert PlaceDesk(cast(Any, Store())).find(TransactionId(b"n" * 32)) is None
