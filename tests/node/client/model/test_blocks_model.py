"""`blocks(after)` by a model: every block once, in order, whatever nodes do. Each planted bug is
found by it."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.node.client.model.blocks_model import EVENTS, HEIGHTS, RANGES, follow
from tests.node.client.model.calls_model import NO_BUG
from tests.node.planting import is_in_place
from tests.simulation.planted import Bug, read_catalogue

BUGS = read_catalogue((Path(__file__).parent / "planted_blocks.txt").read_text())
SEEDS, SEEDS_MAX = 150, 600


def follow_seed(seed: int, bug: Bug = NO_BUG) -> list[str]:
    chance = Random(seed)
    numbers = [chance.randrange(1 << 20) for _ in range(chance.randrange(50))]
    after, slow = chance.choice((0, 0, 3, HEIGHTS - 1)), chance.random() < 0.5
    return follow(numbers, after=after, slow=slow, bug=bug)


def test_by_seeds_every_block_comes_once_and_in_order() -> None:
    happened = {word for seed in range(SEEDS) for word in follow_seed(seed)}
    assert {*EVENTS, *RANGES} <= happened


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2**20), max_size=50), st.integers(0, HEIGHTS - 1), st.booleans())
def test_by_scripts_every_block_comes_once_and_in_order(
    numbers: list[int], after: int, slow: bool
) -> None:
    follow(numbers, after=after, slow=slow)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_planted_bug_is_found(bug: Bug) -> None:
    assert is_in_place(bug)
    assert found_by(bug), f"nothing found: {bug.name}"


def found_by(bug: Bug) -> str:
    """Which run finds it."""
    for seed in range(SEEDS_MAX):
        try:
            follow_seed(seed, bug)
        except Exception as error:  # an end, where there should be none, is a finding as well
            return f"seed {seed}: {type(error).__name__}"
    return ""
