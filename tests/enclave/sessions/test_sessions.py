"""The anti-replay window and the replicated table of sessions (T01, T07)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.consensus.errors import InvariantBroken, NotCanonical
from strongroom.consensus.types import ChainId, Digest, Epoch
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.primitives import DeterministicBox, Secret
from strongroom.enclave.sessions import sessions
from strongroom.enclave.sessions.sessions import WINDOW, Session, Sessions

CHAIN = ChainId(bytes(32))
WHO = Digest(b"w" * 32)


def table(secret: bytes = bytes(32)) -> Sessions:
    box = DeterministicBox(Secret(secret))
    return Sessions(CHAIN, Epoch(0), lambda: box)


def digest(number: int) -> Digest:
    return Digest(number.to_bytes(32, "big"))


def test_T07_the_opening_uses_sequence_number_0() -> None:
    session = Session(WHO, b"box")
    assert session.refusal(0) is Code.DUPLICATE
    assert session.refusal(1) is Code.EXECUTED


def test_window_edges() -> None:
    session = Session(WHO, b"box")
    session.accept(WINDOW - 1)
    assert session.refusal(0) is Code.DUPLICATE
    assert session.refusal(1) is Code.EXECUTED
    session.accept(WINDOW)
    assert session.refusal(0) is Code.OUTSIDE_WINDOW
    assert session.refusal(1) is Code.EXECUTED
    session.accept(1)
    assert session.refusal(1) is Code.DUPLICATE
    session.accept(WINDOW + 1)
    assert session.refusal(1) is Code.OUTSIDE_WINDOW
    assert session.refusal(2) is Code.EXECUTED


def test_a_leap_past_the_window_forgets_all_but_the_newest() -> None:
    session = Session(WHO, b"box")
    session.accept(2**64 - 1)
    assert session.window == 1
    assert session.refusal(2**64 - 1) is Code.DUPLICATE
    assert session.refusal(2**64 - WINDOW) is Code.EXECUTED
    assert session.refusal(2**64 - 1 - WINDOW) is Code.OUTSIDE_WINDOW


@given(st.lists(st.integers(0, 4000), max_size=300))
def test_T07_each_sequence_number_is_accepted_at_most_once(sequences: list[int]) -> None:
    session, used, newest = Session(WHO, b"box"), {0}, 0
    for sequence in sequences:
        expected = Code.EXECUTED
        if newest - sequence >= WINDOW:
            expected = Code.OUTSIDE_WINDOW
        elif sequence in used:
            expected = Code.DUPLICATE
        assert session.refusal(sequence) is expected
        if expected is Code.EXECUTED:
            session.accept(sequence)
            used.add(sequence)
            newest = max(newest, sequence)
        assert session.window.bit_length() <= WINDOW


def test_a_replica_that_applied_the_changes_holds_the_same_table_and_opens_the_same_keys() -> None:
    one, other = table(), table()
    keys = one.open(digest(1), WHO, digest(11), Secret(bytes(32)), close=False)
    one.open(digest(2), WHO, digest(12), Secret(bytes(32)), close=True)
    session = one.find(digest(1))
    assert session is not None
    session.accept(7)
    one.touch(digest(1), session)
    other.apply(*one.take_changes())
    assert other.digest() == one.digest()
    assert one.take_changes() == ((), ())
    copy = other.find(digest(1))
    assert copy is not None
    assert copy.keys is None
    sealed = keys.reply.seal(7, b"result", b"")
    assert other.keys_of(digest(1), copy).reply.open(7, sealed, b"") == b"result"
    closed = other.find(digest(2))
    assert closed is not None
    assert closed.box is None
    assert other.opened_by(WHO) == one.opened_by(WHO) == 2
    assert other.knows(digest(12))


def test_a_box_of_another_epochs_secret_halts_instead_of_diverging() -> None:
    one, other = table(), table(b"x" * 32)
    one.open(digest(1), WHO, digest(11), Secret(bytes(32)), close=False)
    other.apply(*one.take_changes())
    copy = other.find(digest(1))
    assert copy is not None
    with pytest.raises(InvariantBroken):
        other.keys_of(digest(1), copy)


def test_T11_keys_kept_in_memory_are_bounded_and_come_back_from_the_box(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "KEYS_KEPT_MAX", 2)
    one = table()
    for number in range(5):
        one.open(digest(number), WHO, digest(100 + number), Secret(bytes(32)), close=False)
    warm = [number for number in range(5) if one.find(digest(number)).keys is not None]  # type: ignore[union-attr]
    assert warm == [3, 4]
    first = one.find(digest(0))
    assert first is not None
    assert one.keys_of(digest(0), first) is first.keys


@pytest.mark.parametrize(
    "changes",
    [
        (((1, 2, 3),), ()),
        (((bytes(31), bytes(32), bytes(32), None),), ()),
        (((bytes(32), bytes(32), bytes(32), 5),), ()),
        ((), ((bytes(32), 1, b"\x01"),)),
        ((), ((bytes(32), 1),)),
    ],
)
def test_changes_that_are_none_are_refused(changes: tuple[Any, Any]) -> None:
    with pytest.raises(NotCanonical):
        table().apply(*changes)


def test_a_table_that_came_with_a_snapshot_counts_as_the_one_that_it_was_taken_of() -> None:
    one, other = table(), table()
    one.open(digest(1), WHO, digest(11), Secret(bytes(32)), close=False)
    one.open(digest(2), WHO, digest(12), Secret(bytes(32)), close=True)
    held = one.freeze()
    ids = list(held.ids())
    other.fill(dict(zip(ids, held.rows(ids), strict=True)), held.statements())
    assert other.opened_by(WHO) == 2
    assert other.digest() == one.digest()
