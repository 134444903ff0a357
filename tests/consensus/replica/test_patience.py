"""A leader waits where rounds queue, and in proportion; nowhere else (PROTOCOL §7, Leader)."""

from dataclasses import replace
from random import Random

import pytest
from tests.simulation.scenes import Scene

from strongroom.consensus.replica.pacemaker import PROPOSAL_DELTAS
from strongroom.consensus.replica.patience import GAP_DELTAS_MAX, ROUNDS_MAX, Patience
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import View

LEARNS = Settings(gap_per_queueing=10.0, gap_rounds_max=6.0, delta0=1_000.0)
"""Δ0 is no bound, unless a test says so."""
NODES = Settings(gap_per_queueing=20.0, gap_rounds_max=3.5)
"""As a node has it (node/host/wiring.py)."""


class Leader:
    """Leads one view after the other."""

    def __init__(self, settings: Settings = LEARNS) -> None:
        self.patience, self.view, self.now = Patience(settings), 1, 100.0

    def round(self, seconds: float, *, notarized: bool = True) -> float:
        """One own round; the gap after it, above a full block."""
        self.patience.propose(View(self.view), self.now)
        self.view, self.now = self.view + 1, self.now + seconds
        self.patience.enter(View(self.view), self.now, notarized=notarized)
        return self.patience.gap(1.0)


def test_a_leader_that_has_seen_no_round_waits_for_nothing() -> None:
    assert Leader().patience.gap(1.0) == 0.0


@pytest.mark.parametrize("seconds", [0.002, 0.02, 0.2])
def test_rounds_that_all_take_as_long_are_links_and_no_queue(seconds: float) -> None:
    leader = Leader()
    assert [leader.round(seconds) for _ in range(20)] == [pytest.approx(0.0)] * 20


def test_what_rounds_take_beyond_the_shortest_is_waited_for_in_proportion_to_its_part() -> None:
    leader = Leader()
    leader.round(0.004)
    for _ in range(100):
        gap = leader.round(0.008)
    # Half of a round queues: 10 × 4 ms × ½.
    assert gap == pytest.approx(0.020, rel=1e-3)
    assert leader.patience.gap(0.25) == pytest.approx(gap / 4)


def test_the_same_queue_weighs_less_on_long_links() -> None:
    near, far = Leader(), Leader()
    near.round(0.004)
    far.round(0.2)
    for _ in range(100):
        gaps = near.round(0.008), far.round(0.204)
    assert gaps[1] < gaps[0] / 10


def test_a_gap_is_so_many_of_the_shortest_rounds_at_most() -> None:
    leader = Leader()
    leader.round(0.01)
    assert max(leader.round(60.0) for _ in range(20)) == pytest.approx(0.06)


def test_a_leader_never_waits_as_long_as_others_wait_for_its_proposal() -> None:
    leader = Leader(replace(LEARNS, delta0=0.25))
    leader.round(10.0)
    assert leader.round(1_000.0) == pytest.approx(0.0625)
    assert 2 * leader.patience.gap(1.0) < PROPOSAL_DELTAS * 0.25


@pytest.mark.parametrize("seed", range(20))
def test_T30_whatever_rounds_take_a_gap_is_neither_negative_nor_above_a_quarter_of_delta0(
    seed: int,
) -> None:
    random, leader = Random(seed), Leader(NODES)
    spans = [0.0, 1e-9, 0.002, 0.02, 0.3, 5.0, 3_600.0, 1e9, -5.0, -1e9]
    chosen = random.sample(spans, random.randint(1, len(spans)))
    for _ in range(2 * ROUNDS_MAX):
        gap = leader.round(random.choice(chosen) * random.random())
        assert 0.0 <= gap <= GAP_DELTAS_MAX * NODES.delta0
        assert leader.patience.gap(0.25) <= gap
    # Nothing is kept of it: rounds that all take as long are no queue, whatever was before.
    assert [leader.round(0.01) for _ in range(ROUNDS_MAX + 100)][-1] == pytest.approx(0.0)


def test_T30_strikes_that_a_leader_alone_has_seen_do_not_make_it_wait_longer_than_others_do() -> (
    None
):
    scene = Scene(4, settings=replace(NODES, delta0=0.06))
    scene.start()
    state = scene.honest(0).replica.state
    for view in (1, 2):
        state.patience.propose(View(view), 100.0 * view)
        state.patience.enter(View(view + 1), 101.0 * view, notarized=True)
    while state.delta < 16 * 0.06:
        state.pacemaker.enter(0.0)
        state.pacemaker.arm(0.0, candidate=False, nullified=False)
        assert state.pacemaker.expired(1_000.0)
    full = replace(state.final, batch_count=4)
    assert 0.0 < state.gap_above(full) <= 0.06 / 4


def test_one_round_of_an_hour_or_a_slow_first_one_is_forgotten_after_a_few() -> None:
    stopped, cold = Leader(NODES), Leader(NODES)
    for _ in range(50):
        stopped.round(0.01)
    assert stopped.round(3_600.0) == pytest.approx(0.035)
    cold.round(3.0)
    for leader in (stopped, cold):
        gaps = [leader.round(0.01) for _ in range(25)]
        assert gaps[12] < 0.01
        assert gaps[-1] < 0.0001


def test_a_clock_that_goes_back_gives_no_round_and_no_gap() -> None:
    leader = Leader(NODES)
    assert [leader.round(-60.0), leader.round(-0.001)] == [0.0, 0.0]
    assert leader.round(0.01) == 0.0, "the shortest took no time: nothing to wait for"


def test_one_member_alone_has_rounds_of_no_time_and_waits_for_nothing() -> None:
    scene = Scene(1, settings=NODES)
    scene.start()
    scene.load(20, every=0.01)
    scene.settle(2.0)
    state = scene.honest(0).replica.state
    assert state.gap_above(replace(state.final, batch_count=4)) == 0.0


def test_rounds_that_were_given_up_or_led_by_others_say_nothing() -> None:
    leader = Leader()
    leader.round(0.01)
    assert leader.round(30.0, notarized=False) == 0.0
    leader.patience.enter(View(leader.view + 1), leader.now + 9.0, notarized=True)
    leader.patience.propose(View(leader.view + 1), leader.now + 9.0)
    leader.patience.enter(View(leader.view + 5), leader.now + 50.0, notarized=True)
    assert leader.patience.gap(1.0) == 0.0


def test_links_that_became_slower_for_good_are_no_queue_after_a_while() -> None:
    leader = Leader()
    leader.round(0.01)
    gaps = [leader.round(0.02) for _ in range(ROUNDS_MAX)]
    assert gaps[-2] > 0.0
    assert gaps[-1] == pytest.approx(0.0)


def test_nothing_is_learnt_unless_it_is_wanted() -> None:
    leader = Leader(Settings())
    leader.round(0.01)
    assert leader.round(1.0) == 0.0
