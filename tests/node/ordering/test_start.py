"""In which epoch a node takes part after a restart (PROTOCOL R16)."""

from types import SimpleNamespace
from typing import Any

import pytest

from strongroom.consensus.types import Epoch, Height
from strongroom.node.ordering.start import epoch_above

ENDED, OPENED = SimpleNamespace(digest="epoch 0"), SimpleNamespace(digest="epoch 1")
GENESIS = SimpleNamespace(height=Height(0))
LAST = SimpleNamespace(height=Height(7), epoch=Epoch(0), next_epoch="epoch 1")
"""The terminal block of epoch 0."""


def begin(newest_outcome: int, *, opened: object = OPENED, final: object = LAST) -> object:
    epochs: Any = SimpleNamespace(
        description={0: ENDED, 1: opened}.get, anchor_of={0: GENESIS, 1: LAST}.get
    )
    past: Any = SimpleNamespace(newest_outcome=newest_outcome)
    return epoch_above(past, epochs, final)  # type: ignore[arg-type]


@pytest.mark.parametrize("newest_outcome", [0, 6])
def test_R16_the_next_epoch_begins_once_its_anchor_is_executed(newest_outcome: int) -> None:
    """Its votes rest on the state that the terminal block leaves: who restarts waits like all."""
    assert begin(newest_outcome) == (ENDED, GENESIS)
    assert begin(7) == (OPENED, LAST)


def test_R16_an_end_that_opened_nothing_known_is_gone_on_from() -> None:
    assert begin(7, opened=None) == (ENDED, GENESIS)


def test_R16_a_block_that_ends_nothing_opens_nothing() -> None:
    inner = SimpleNamespace(height=Height(6), epoch=Epoch(0), next_epoch="epoch 0")
    assert begin(7, final=inner) == (ENDED, GENESIS)
