"""region_of: the one answer to where a person is."""

from typing import Any

import pytest

from strongroom.consensus.types import Milliseconds
from strongroom.enclave.programs.framework import Context
from strongroom.enclave.programs.governance import ISSUER_KEYS, governance
from strongroom.enclave.programs.people import people, region_of
from strongroom.enclave.programs.people.tables import STANDINGS, Standing
from strongroom.enclave.programs.state import State

ISSUER, ALICE = "https://id.example", bytes(32)
STANDING = Standing(ISSUER, b"s" * 32, "eu", 5_000, "k1", 7)
KEY = (7, "ES256", "{}", b"t" * 32, False)


def asked(
    standing: Standing | None, key: tuple[Any, ...] | None, *, time_ms: int = 4_999
) -> tuple[str | None, int]:
    """Region, and steps that it took."""
    state = State([*people.maps, *governance.maps])
    state.meter.left = 100
    if standing is not None:
        state.maps[STANDINGS].put(ALICE, tuple(standing))
    if key is not None:
        state.maps[ISSUER_KEYS].put((ISSUER, "k1"), key)
    context = Context(state)
    context.time_ms = Milliseconds(time_ms)
    state.meter.left = 10
    return region_of(context, ALICE), 10 - state.meter.left


def test_a_standing_gives_its_region_until_its_token_ends() -> None:
    assert asked(STANDING, KEY) == ("eu", 2)
    assert asked(STANDING, KEY, time_ms=5_000) == (None, 1)


def test_nobody_is_anywhere_without_a_standing() -> None:
    assert asked(None, KEY) == (None, 1)


def test_nobody_is_anywhere_in_a_service_without_the_program() -> None:
    state = State(list(governance.maps))
    state.meter.left = 10
    assert region_of(Context(state), ALICE) is None


@pytest.mark.parametrize(
    "key", [None, (8, *KEY[1:])], ids=["key removed", "the same key pinned anew"]
)
def test_a_standing_ends_with_the_key_that_signed_it(key: tuple[Any, ...] | None) -> None:
    assert asked(STANDING, key) == (None, 2)
