"""Sorted runs of transactions: found by the beginning of an id, the best place first, and a piece
that is not what was written is never searched (T40)."""

import random
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.node.ledger.sorted_runs import (
    ENTRY_SIZE,
    HEAD_SIZE,
    HEIGHT_MAX,
    NOTHING,
    PIECE_ENTRIES_MAX,
    PREFIX_SIZE,
    Candidate,
    RunDamaged,
    before_of,
    entries_of,
    entry_of,
    first_alike,
    pieces,
    place_of,
    read_piece,
    seed_of,
)


def known(count: int) -> list[bytes]:
    """Entries, ascending."""
    return sorted(
        entry_of(sha256(b"%d" % at).digest(), 1 + at // 7, at % 7, at % 3) for at in range(count)
    )


def written(entries: list[bytes], number: int = 5) -> list[tuple[bytes, bytes]]:
    return list(pieces(number, NOTHING, entries))


@given(st.integers(1, HEIGHT_MAX), st.integers(0, (1 << 24) - 1), st.integers(0, 13))
def test_an_entry_says_height_position_and_code(height: int, position: int, code: int) -> None:
    entry = entry_of(b"\x42" * 32, height, position, code)
    assert len(entry) == ENTRY_SIZE
    assert entry[:PREFIX_SIZE] == b"\x42" * PREFIX_SIZE
    assert place_of(entry) == Candidate(height, position, code)


def test_of_what_begins_alike_executed_stands_first_then_by_height_and_position() -> None:
    places = [(9, 3, 0), (HEIGHT_MAX, 0, 0), (1, 2, 13), (1, 3, 1), (2, 0, 4), (HEIGHT_MAX, 1, 1)]
    entries = [entry_of(bytes(32), *place) for place in places]
    assert sorted(random.Random(1).sample(entries, len(entries))) == entries


def test_pieces_hold_all_entries_in_order_and_each_says_where_the_one_before_ends() -> None:
    entries = known(3 * PIECE_ENTRIES_MAX + 10)
    made, before = written(entries), NOTHING
    for key, value in made:
        piece = read_piece(seed_of(5), key, value)
        assert before_of(piece) == before
        before = piece[-ENTRY_SIZE:]
        assert key == b"\x00\x00\x00\x05" + before
    assert [entry for _, value in made for entry in entries_of(value)] == entries
    assert len(made) == 4


def test_a_piece_fits_a_page_of_lmdb_and_takes_little_more_than_sixteen_bytes_an_entry() -> None:
    """16 bytes of a page are LMDB's."""
    ((_, value),) = written(known(PIECE_ENTRIES_MAX))
    assert 4_096 - 16 - ENTRY_SIZE < len(value) <= 4_096 - 16


@given(st.lists(st.sampled_from([1, 2, 3, 200, 201]), min_size=1, max_size=253), st.integers())
@settings(max_examples=200, deadline=None)
def test_the_first_that_begins_so_is_found_wherever_others_crowd(
    some: list[int], seed: int
) -> None:
    """Also where the same bytes stand across two entries."""
    dice = random.Random(seed)
    entries = sorted(
        entry_of(bytes([one]) * 32, 1 + dice.randrange(1 << 38), 0x020202, dice.choice(some))
        for one in some
    )
    ((_, value),) = written(entries)
    for one in (0, 1, 2, 3, 4, 199, 200, 201, 255):
        prefix = bytes([one]) * PREFIX_SIZE
        firsts = [at for at, entry in enumerate(entries) if entry.startswith(prefix)]
        expected = HEAD_SIZE + ENTRY_SIZE * firsts[0] if firsts else -1
        assert first_alike(value, prefix) == expected


@pytest.mark.parametrize("count", [1, 32, 33, 34, 64, 252, PIECE_ENTRIES_MAX])
def test_the_first_is_found_at_every_place_of_a_piece(count: int) -> None:
    for at in range(count):
        others = [entry_of(b"\x01" * 32, 1, one, 0) for one in range(at)]
        alike = [entry_of(b"\x02" * 32, 1, one, 0) for one in range(count - at)]
        ((_, value),) = written(others + alike)
        assert first_alike(value, b"\x02" * PREFIX_SIZE) == HEAD_SIZE + ENTRY_SIZE * at


@pytest.mark.parametrize("at", [0, 3, 4, 19, 20, 26, 27, 35, HEAD_SIZE + 16 * 99, -1])
def test_a_changed_byte_is_seen(at: int) -> None:
    ((key, value),) = written(known(100))
    changed = bytearray(value)
    changed[at] ^= 1
    with pytest.raises(RunDamaged):
        read_piece(seed_of(5), key, bytes(changed))


@pytest.mark.parametrize("size", [0, 3, 4, 19, 20, 35, 36, HEAD_SIZE + 16 * 50, -1])
def test_a_piece_that_was_cut_is_seen(size: int) -> None:
    ((key, value),) = written(known(100))
    with pytest.raises(RunDamaged):
        read_piece(seed_of(5), key, value[:size])
    with pytest.raises(RunDamaged):
        read_piece(seed_of(5), key, value + bytes(16))


def test_a_piece_of_another_run_or_place_is_seen() -> None:
    (one, value), (other, _) = written(known(2 * PIECE_ENTRIES_MAX))
    with pytest.raises(RunDamaged):
        read_piece(seed_of(6), b"\x00\x00\x00\x06" + one[4:], value)
    with pytest.raises(RunDamaged):
        read_piece(seed_of(5), other, value)
