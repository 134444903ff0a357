"""The voting guard (PROTOCOL §4, Guard): what may follow what in one view, and what is
forgotten."""

import pytest

from strongroom.consensus.safety import GuardRefuses, SafetyRules
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, View

A, B = Digest(b"a" * 32), Digest(b"b" * 32)
N, X, F = Kind.NOTARIZE, Kind.NULLIFY, Kind.FINALIZE


def statement(kind: Kind, digest: Digest = A, view: int = 5, epoch: int = 0) -> Statement:
    return Statement(kind, Epoch(epoch), View(view), NO_DIGEST if kind is X else digest)


ALLOWED = [(N, X), (N, F), (F, N)]
"""First, then second, of one view, about one block."""


@pytest.mark.parametrize("first", [N, X, F])
@pytest.mark.parametrize("second", [N, X, F])
def test_guard_what_may_follow_what(first: Kind, second: Kind) -> None:
    promises = SafetyRules(Epoch(0))
    promises.add(statement(first))
    if first is second or (first, second) in ALLOWED:
        promises.add(statement(second))
    else:
        with pytest.raises(GuardRefuses):
            promises.add(statement(second))


@pytest.mark.parametrize("kind", [N, F])
def test_guard_refuses_a_second_digest_and_allows_the_identical_statement(kind: Kind) -> None:
    promises = SafetyRules(Epoch(0))
    promises.add(statement(kind, A))
    promises.add(statement(kind, A))
    with pytest.raises(GuardRefuses):
        promises.check(statement(kind, B))
    assert promises.all() == (statement(kind, A),)


def test_guard_finalise_may_name_another_block_than_notarise() -> None:
    promises = SafetyRules(Epoch(0))
    promises.add(statement(N, A))
    promises.add(statement(F, B))


def test_guard_views_are_apart() -> None:
    promises = SafetyRules(Epoch(0))
    promises.add(statement(F, view=5))
    promises.add(statement(X, view=6))


def test_guard_refuses_another_epoch() -> None:
    with pytest.raises(GuardRefuses):
        SafetyRules(Epoch(0)).add(statement(N, epoch=1))


def test_guard_forgets_below_the_final_view_and_refuses_everything_there() -> None:
    promises = SafetyRules(Epoch(0))
    for view in range(1, 100):
        promises.add(statement(N, view=view))
    promises.forget_below(View(90))
    assert [kept.view for kept in promises.all()] == list(range(91, 100))
    for kind in Kind:
        with pytest.raises(GuardRefuses):
            promises.check(statement(kind, view=90))
    with pytest.raises(GuardRefuses):
        promises.check(statement(N, view=3))
    promises.forget_below(View(50))
    with pytest.raises(GuardRefuses):
        promises.check(statement(N, view=60))


def test_guard_a_check_changes_nothing() -> None:
    promises = SafetyRules(Epoch(0))
    promises.check(statement(N, A))
    promises.add(statement(N, B))
    assert promises.knows(statement(N, B))
    assert not promises.knows(statement(N, A))
    assert not promises.silent_in(View(5))
    assert promises.silent_in(View(6))


def test_guard_closed_views_end_with_the_one_that_is_named() -> None:
    """What was said there may be said again, and nothing else; the next view is open."""
    promises = SafetyRules(Epoch(0))
    promises.add(statement(N, A, view=5))
    promises.close(View(5))
    promises.check(statement(N, A, view=5))
    for kind in (X, F):
        with pytest.raises(GuardRefuses):
            promises.check(statement(kind, view=5))
    with pytest.raises(GuardRefuses):
        promises.check(statement(N, view=4))
    for kind in Kind:
        promises.check(statement(kind, view=6))


def test_guard_a_final_or_closed_view_is_not_silent_though_nothing_is_remembered_of_it() -> None:
    promises = SafetyRules(Epoch(0))
    promises.forget_below(View(5))
    promises.close(View(7))
    assert [view for view in range(1, 10) if promises.silent_in(View(view))] == [8, 9]
    assert promises.floor == 7
