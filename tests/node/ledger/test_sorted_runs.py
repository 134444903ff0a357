"""Sorted runs of transactions: found by the beginning of an id, merged in steps, and wrong bytes
are never searched (T40)."""

import random
from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.node.ledger.sorted_runs import (
    HEIGHT_MAX,
    PREFIX_SIZE,
    Candidate,
    Run,
    RunDamaged,
    check_run,
    count_of,
    find_in,
    make_run,
    merge,
)

Known = list[tuple[bytes, int, int, int]]


def known(count: int, first: int = 1, each: int = 7) -> Known:
    """`count` transactions, `each` a height."""
    return [
        (sha256(b"%d %d" % (first, at)).digest(), first + at // each, at % each, at % 3)
        for at in range(count)
    ]


def found(run: Run, id: bytes) -> list[tuple[int, int, int]]:
    return [(one.height, one.position, one.code) for one in find_in(run, id)]


def merged(runs: Sequence[Run]) -> bytes:
    *steps, made = merge(lambda: runs)
    assert steps.count(None) == len(steps)
    assert made is not None
    return made


@given(
    ids=st.lists(
        st.sampled_from([bytes(32), b"\xff" * 32]) | st.binary(min_size=32, max_size=32), min_size=1
    ),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_whatever_ids_are_each_is_found_at_all_its_places_and_no_other(
    ids: list[bytes], seed: int
) -> None:
    dice = random.Random(seed)
    places = [
        (id, dice.randrange(HEIGHT_MAX + 1), dice.randrange(1 << 24), dice.randrange(14))
        for id in ids
    ]
    run = make_run(places)
    check_run(run)
    assert count_of(run) == len(places)
    for id in {*ids, bytes(32), b"\x80" * 32, b"\xff" * 32}:
        expected = sorted(
            place[1:] for place in places if place[0][:PREFIX_SIZE] == id[:PREFIX_SIZE]
        )
        assert found(run, id) == expected


def test_ids_that_begin_alike_are_all_given_wherever_they_crowd() -> None:
    """Whoever wants to may send such ids; half of all begin alike here."""
    alike = b"\x42" * PREFIX_SIZE
    crowd = [(alike + sha256(b"%d" % at).digest()[:25], 5, at, 0) for at in range(3_000)]
    run = make_run([*known(3_000), *crowd])
    assert found(run, alike + bytes(25)) == [(5, at, 0) for at in range(3_000)]
    assert all(tuple(place) in found(run, id) for id, *place in known(9))


def test_a_run_of_several_is_the_run_of_all_they_hold() -> None:
    parts = [known(6_000, 1), known(10, 5_000), known(9_000, 5_002), known(1, 900_000)]
    runs: list[Run] = [make_run(part) for part in parts]
    runs[2] = memoryview(runs[2])
    made = merged(runs)
    check_run(made)
    assert made == make_run([one for part in parts for one in part])
    assert len(list(merge(lambda: runs))) > 3, "it is made in steps"


def test_a_run_takes_sixteen_bytes_a_transaction() -> None:
    assert len(make_run(known(1_000))) == 12 + 16 * 1_000


@pytest.mark.parametrize("at", [0, 4, 7, 8, 11, 12, 18, 19, 23, 24, 26, 27, 12 + 16 * 99])
def test_a_changed_byte_is_seen(at: int) -> None:
    run = bytearray(make_run(known(100)))
    run[at] ^= 1
    with pytest.raises(RunDamaged):
        check_run(bytes(run))


@pytest.mark.parametrize("size", [0, 3, 8, 11, 12, 27, 12 + 16 * 50, 12 + 16 * 100 - 1])
def test_a_run_that_was_cut_is_seen(size: int) -> None:
    run = make_run(known(100))
    with pytest.raises(RunDamaged):
        check_run(run[:size])
    with pytest.raises(RunDamaged):
        check_run(run + bytes(16))


def test_a_candidate_says_height_position_and_code() -> None:
    id = sha256(b"x").digest()
    assert list(find_in(make_run([(id, 7, 8, 9)]), id)) == [Candidate(7, 8, 9)]
