"""Safe retries by a model (P6): the client's own logic, over sockets without a wire, against nodes
that die, answer late, answer twice, lie, lose and refuse. Each planted bug is found by it."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.node.client.model.calls_model import NO_BUG, explore
from tests.node.client.model.service_model import FATES, NODES
from tests.node.planting import is_in_place
from tests.simulation.planted import Bug, read_catalogue

BUGS = read_catalogue((Path(__file__).parent / "planted.txt").read_text())
SEEDS = 300
SEEDS_MAX = 4_000
"""Of which some must find each planted bug."""
NUMBERS_MAX = 40
POSITIONS = 24


def explore_seed(seed: int, bug: Bug = NO_BUG) -> list[str]:
    chance = Random(seed)
    numbers = [chance.randrange(1 << 20) for _ in range(chance.randrange(NUMBERS_MAX))]
    liar = chance.choice([None, *range(NODES)])
    calls, singles = chance.randrange(1, 14), chance.randrange(2)
    return explore(numbers, liar=liar, calls=calls, singles=singles, bug=bug)


def explore_one_fault(position: int, number: int, bug: Bug = NO_BUG) -> None:
    """All is well but for one thing: then every call is answered."""
    explore([0] * position + [number], calls=3, singles=0, bug=bug, all_answered=True)


def test_by_seeds_every_call_is_executed_once_at_most_and_told_as_it_is() -> None:
    happened = {word for seed in range(SEEDS) for word in explore_seed(seed)}
    assert set(FATES) <= happened


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 2**20), max_size=NUMBERS_MAX),
    st.none() | st.integers(0, NODES - 1),
    st.integers(1, 13),
    st.integers(0, 2),
)
def test_by_scripts_every_call_is_executed_once_at_most_and_told_as_it_is(
    numbers: list[int], liar: int | None, calls: int, singles: int
) -> None:
    explore(numbers, liar=liar, calls=calls, singles=singles)


@pytest.mark.parametrize("position", range(POSITIONS))
def test_after_any_one_fault_every_call_is_answered(position: int) -> None:
    for number in range(1, len(FATES)):
        explore_one_fault(position, number)


def test_the_same_script_is_the_same_run() -> None:
    numbers = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3]
    assert explore(numbers, liar=1) == explore(numbers, liar=1)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_planted_bug_is_one_of_the_code_as_it_is(bug: Bug) -> None:
    assert is_in_place(bug)


@pytest.mark.long
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_planted_bug_is_found(bug: Bug) -> None:
    assert found_by(bug), f"nothing found: {bug.name}"


def found_by(bug: Bug) -> str:
    """Which run finds it."""
    for position in range(POSITIONS):
        for number in range(1, len(FATES)):
            try:
                explore_one_fault(position, number, bug)
            except AssertionError:
                return f"one fault {position}, {number}"
    for seed in range(SEEDS_MAX):
        try:
            explore_seed(seed, bug)
        except AssertionError:
            return f"seed {seed}"
    return ""
