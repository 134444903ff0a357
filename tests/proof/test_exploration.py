"""Every reachable state of four real replicas in a small scope keeps PROTOCOL §8 (what is explored:
exploration.py)."""

from collections.abc import Callable

import pytest
from tests.proof.exploration import Exploration, Scope, Unsafe

from strongroom.consensus import safety
from strongroom.consensus.justifications import Justification
from strongroom.consensus.quorum import Quorum
from strongroom.consensus.statements import Kind

CI_STATES = 5_000
PLANTED_STATES = 40_000
LIAR_LEADS = [1, 2, 3]
"""Leader of the first view, of the second, of neither."""


def explore(scope: Scope) -> Scope:
    Exploration(scope).run()
    print(  # noqa: T201
        f"{scope.views} views, liar leads view {scope.liar_leads}: {scope.states:,} states of the "
        f"cluster, {scope.locals:,} of its replicas, {scope.deliveries:,} steps, "
        f"{'all' if scope.complete else 'breadth first'}"
    )
    return scope


@pytest.mark.parametrize("liar_leads", LIAR_LEADS)
def test_every_state_of_one_view_is_safe(liar_leads: int) -> None:
    scope = explore(Scope(views=1, liar_leads=liar_leads))
    assert scope.complete
    assert scope.states > 50
    assert scope.certificates == {f"{kind.name} in view 1" for kind in Kind}
    assert scope.heights == {0, 1}


@pytest.mark.parametrize("liar_leads", LIAR_LEADS)
def test_the_reduction_loses_nothing_that_can_be_said_in_one_view(
    liar_leads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reduced = explore(Scope(views=1, liar_leads=liar_leads))
    monkeypatch.setattr(Exploration, "reduced", False)
    whole = explore(Scope(views=1, liar_leads=liar_leads))
    assert whole.complete
    assert whole.states > 3 * reduced.states
    assert whole.words == reduced.words


@pytest.mark.parametrize("liar_leads", LIAR_LEADS)
def test_the_nearest_states_of_two_views_are_safe(liar_leads: int) -> None:
    scope = explore(Scope(views=2, liar_leads=liar_leads, states_max=CI_STATES))
    assert scope.states >= CI_STATES
    assert {"NOTARIZE in view 2", "NULLIFY in view 1", "FINALIZE in view 1"} <= scope.certificates


@pytest.mark.long
@pytest.mark.parametrize("liar_leads", LIAR_LEADS)
def test_every_state_of_two_views_is_safe(liar_leads: int) -> None:
    scope = explore(Scope(views=2, liar_leads=liar_leads))
    assert scope.complete
    assert scope.states > 30_000
    assert scope.certificates == {f"{kind.name} in view {view}" for kind in Kind for view in (1, 2)}
    assert scope.heights == {0, 1, 2}


def quorum_off_by_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Quorum, "size", property(lambda self: (self.members + self.faults) // 2))


def allow(kind: Kind, after: Kind) -> Callable[[pytest.MonkeyPatch], None]:
    def plant(patch: pytest.MonkeyPatch) -> None:
        others = tuple(other for other in safety._EXCLUDED_BY[kind] if other is not after)
        patch.setitem(safety._EXCLUDED_BY, kind, others)

    return plant


PLANTED = {
    "quorum off by one": quorum_off_by_one,
    "F after X": allow(Kind.FINALIZE, after=Kind.NULLIFY),
}
"""Not X after F: a replica that said F holds N, has left the view by it, and nullifies only the
view that it is in."""


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_reached(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[name](monkeypatch)
    with pytest.raises(Unsafe):
        Exploration(Scope(views=1, liar_leads=1)).run()


def test_a_planted_justification_without_nulls_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """The liar skips a view that was not nullified, and honest members let it: T1 breaks."""

    def unchecked(self: object, view: int) -> None:
        pass

    monkeypatch.setattr(Justification, "check_shape", unchecked)
    monkeypatch.setattr(Exploration, "nulls_needed", False)
    with pytest.raises(Unsafe, match="T1"):
        Exploration(Scope(views=2, liar_leads=2, states_max=PLANTED_STATES)).run()
