"""A leader waits for what a block costs on its machine, and nowhere longer than others wait for it
(PROTOCOL §7, Leader)."""

from dataclasses import replace
from math import inf, nextafter
from random import Random

import pytest
from tests.simulation.scenes import Scene

from strongroom.consensus.replica.pacemaker import PROPOSAL_DELTAS
from strongroom.consensus.replica.patience import (
    EXECUTION_WEIGHT,
    EXECUTIONS_BEYOND_MAX,
    GAP_DELTAS_MAX,
    LINKS_SHARE,
    Patience,
)
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.replica.spans import SPANS_MAX
from strongroom.consensus.types import Height, View
from strongroom.node.host.wiring import SETTINGS

LEARNS = Settings(gap_executions=10.0, gap_rounds_max=1_000.0, delta0=1_000.0)
"""Rounds and Δ0 are no bound, unless a test says so."""


class Leader:
    """Leads one view after the other, and executes."""

    def __init__(self, settings: Settings = LEARNS) -> None:
        self.patience, self.view, self.now = Patience(settings), 1, 100.0

    def round(self, seconds: float, *, notarized: bool = True) -> float:
        """One own round; the gap after it, above a full block."""
        self.patience.propose(View(self.view), self.now)
        self.view, self.now = self.view + 1, self.now + seconds
        self.patience.enter(View(self.view), self.now, notarized=notarized)
        return self.patience.gap(1.0)

    def execution(self, seconds: float) -> float:
        """One block, final and executed; the gap after it."""
        self.patience.commit(Height(self.view), self.now)
        self.now += seconds
        self.patience.execute(Height(self.view), self.now)
        self.moment_later()
        return self.patience.gap(1.0)

    def moment_later(self) -> None:
        """Something that comes after what was executed."""
        self.patience.enter(View(self.view), nextafter(self.now, inf), notarized=False)


def test_a_leader_that_has_seen_no_round_or_no_execution_waits_for_nothing() -> None:
    assert Leader().patience.gap(1.0) == 0.0
    assert Leader().round(0.004) == 0.0
    assert Leader().execution(0.004) == 0.0


def test_from_proposal_to_proposal_it_takes_so_many_of_the_shortest_executions() -> None:
    leader = Leader()
    for _ in range(50):
        leader.round(0.004)
        gap = leader.execution(0.002)
    assert gap == pytest.approx(10 * 0.002 - 0.004)
    assert leader.patience.gap(0.25) == pytest.approx(gap / 4)


@pytest.mark.parametrize("slower", [0.5, 2.0, 10.0])
def test_on_a_machine_that_is_slower_a_leader_waits_so_many_times_as_long(slower: float) -> None:
    here, there = Leader(), Leader()
    for leader, times in ((here, 1.0), (there, slower)):
        leader.round(0.004 * times)
        leader.execution(0.002 * times)
    assert there.patience.gap(1.0) == pytest.approx(slower * here.patience.gap(1.0))


@pytest.mark.parametrize(("link", "gap"), [(0.03, 0.03 * LINKS_SHARE), (0.2, 0.020), (2.0, 0.020)])
def test_where_links_alone_take_as_long_a_leader_waits_a_share_of_them_at_most_what_it_aims_at(
    link: float, gap: float
) -> None:
    leader = Leader()
    leader.round(link)
    assert [leader.execution(0.002) for _ in range(20)] == [pytest.approx(gap)] * 20


def test_executions_that_take_longer_are_waited_for_up_to_a_bound() -> None:
    leader = Leader()
    leader.round(0.004)
    bare = leader.execution(0.002)
    for _ in range(100):
        gap = leader.execution(0.003)
    assert gap == pytest.approx(bare + EXECUTION_WEIGHT * 0.001, rel=1e-3)
    for _ in range(100):
        gap = leader.execution(60.0)
    assert gap == pytest.approx(bare + EXECUTIONS_BEYOND_MAX * 0.002)


def test_a_block_that_waits_for_the_one_before_is_timed_from_its_end() -> None:
    leader = Leader()
    leader.round(0.004)
    patience = leader.patience
    patience.commit(Height(1), 10.0)
    patience.commit(Height(2), 10.0)
    patience.execute(Height(1), 10.002)
    patience.execute(Height(2), 10.004)
    leader.now = 10.004
    leader.moment_later()
    assert patience.gap(1.0) == pytest.approx(10 * 0.002 - 0.004)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_blocks_that_become_durable_as_one_run_are_timed_as_one(count: int) -> None:
    """Pipeline tells all of a run at one moment: none of it took no time, nor the first all."""
    leader = Leader()
    leader.round(0.004)
    patience = leader.patience
    for height in range(1, count + 1):
        patience.commit(Height(height), 10.0 + height / 10_000)
    for height in range(1, count + 1):
        patience.execute(Height(height), 10.0001 + 0.002 * count)
        assert patience.gap(1.0) == 0.0, "a run is not over before time goes on"
    leader.now = 20.0
    leader.moment_later()
    assert patience.gap(1.0) == pytest.approx(10 * 0.002 - 0.004)
    assert leader.execution(0.002) == pytest.approx(10 * 0.002 - 0.004)


def test_spans_of_no_time_say_nothing() -> None:
    leader = Leader()
    leader.round(0.004)
    usual = leader.execution(0.002)
    assert leader.execution(0.0) == leader.round(0.0) == leader.round(-1.0) == usual > 0.0


def test_an_execution_is_waited_for_as_long_as_they_take_of_late_and_within_delta0() -> None:
    leader = Leader()
    assert leader.patience.usual_execution == 0.0
    leader.execution(0.004)
    assert leader.patience.usual_execution == pytest.approx(0.004)
    leader.execution(0.008)
    assert 0.004 < leader.patience.usual_execution < 0.008
    within = Leader(replace(LEARNS, delta0=0.01))
    within.execution(0.004)
    assert within.patience.usual_execution == GAP_DELTAS_MAX * 0.01


def test_what_was_executed_without_being_seen_final_says_nothing() -> None:
    leader = Leader()
    leader.round(0.004)
    leader.patience.execute(Height(7), 200.0)
    leader.now = 200.0
    leader.moment_later()
    assert leader.patience.gap(1.0) == 0.0


def test_a_gap_is_so_many_of_the_shortest_rounds_at_most() -> None:
    leader = Leader(replace(LEARNS, gap_rounds_max=6.0))
    leader.round(0.01)
    assert max(leader.execution(60.0) for _ in range(20)) == pytest.approx(0.06)


def test_a_leader_never_waits_as_long_as_others_wait_for_its_proposal() -> None:
    leader = Leader(replace(LEARNS, delta0=0.25))
    leader.round(10.0)
    assert leader.execution(1_000.0) == pytest.approx(0.0625)
    assert 2 * leader.patience.gap(1.0) < PROPOSAL_DELTAS * 0.25


@pytest.mark.parametrize("seed", range(20))
def test_T30_whatever_is_seen_a_gap_is_neither_negative_nor_above_a_quarter_of_delta0(
    seed: int,
) -> None:
    random, leader = Random(seed), Leader(SETTINGS)
    spans = [0.0, 1e-9, 0.002, 0.02, 0.3, 5.0, 3_600.0, 1e9, -5.0, -1e9]
    chosen = random.sample(spans, random.randint(1, len(spans)))
    for _ in range(2 * SPANS_MAX):
        leader.round(random.choice(chosen) * random.random())
        gap = leader.execution(random.choice(chosen) * random.random())
        assert 0.0 <= gap <= GAP_DELTAS_MAX * SETTINGS.delta0
        assert leader.patience.gap(0.25) <= gap
    # Nothing is kept of it: what takes as long for good is the measure, whatever was before.
    for _ in range(SPANS_MAX + 100):
        leader.round(0.01)
        gap = leader.execution(0.004)
    # The clock has come so far that it counts in parts of a millisecond.
    assert gap == pytest.approx(8 * 0.004 - 0.01, abs=0.001)


def test_T30_strikes_that_a_leader_alone_has_seen_do_not_make_it_wait_longer_than_others_do() -> (
    None
):
    scene = Scene(4, settings=replace(SETTINGS, delta0=0.06))
    scene.start()
    state = scene.honest(0).replica.state
    for view in (1, 2):
        state.patience.propose(View(view), 100.0 * view)
        state.patience.enter(View(view + 1), 101.0 * view, notarized=True)
        state.patience.commit(Height(view), 101.0 * view)
        state.patience.execute(Height(view), 102.0 * view)
    while state.delta < 16 * 0.06:
        state.pacemaker.enter(0.0)
        state.pacemaker.arm(0.0, candidate=False, nullified=False)
        assert state.pacemaker.expired(1_000.0)
    full = replace(state.final, batch_count=4)
    assert 0.0 < state.gap_above(full) <= 0.06 / 4


def test_one_execution_of_an_hour_or_a_slow_first_one_is_forgotten_after_a_few() -> None:
    stopped, cold = Leader(SETTINGS), Leader(SETTINGS)
    for leader in (stopped, cold):
        leader.round(0.004)
    for _ in range(50):
        usual = stopped.execution(0.002)
    assert stopped.execution(3_600.0) > usual
    cold.execution(3.0)
    for leader in (stopped, cold):
        assert [leader.execution(0.002) for _ in range(25)][-1] == pytest.approx(usual, rel=0.01)


def test_a_clock_that_goes_back_gives_no_span_and_no_gap() -> None:
    leader = Leader(SETTINGS)
    leader.round(-60.0)
    assert leader.execution(-0.001) == 0.0
    assert leader.round(0.01) == 0.0, "no execution was seen"


def test_one_member_alone_has_rounds_of_no_time_and_waits_for_nothing() -> None:
    scene = Scene(1, settings=SETTINGS)
    scene.start()
    scene.load(20, every=0.01)
    scene.settle(2.0)
    state = scene.honest(0).replica.state
    assert state.gap_above(replace(state.final, batch_count=4)) == 0.0


def test_rounds_that_were_given_up_or_led_by_others_say_nothing() -> None:
    leader = Leader()
    leader.round(0.01)
    patience = leader.patience
    assert patience.usual_round == pytest.approx(0.01)
    leader.round(30.0, notarized=False)
    patience.enter(View(leader.view + 1), leader.now + 9.0, notarized=True)
    patience.propose(View(leader.view + 1), leader.now + 9.0)
    patience.enter(View(leader.view + 5), leader.now + 50.0, notarized=True)
    assert patience.usual_round == pytest.approx(0.01)


def test_the_votes_for_anothers_proposal_are_timed_and_one_that_was_given_up_says_nothing() -> None:
    patience, now = Patience(LEARNS), 5.0
    assert patience.usual_vote == 0.0
    patience.hear(View(4), now)
    patience.enter(View(5), now + 0.007, notarized=True)
    assert patience.usual_vote == pytest.approx(0.007)
    patience.hear(View(5), now + 1.0)
    patience.enter(View(6), now + 3.0, notarized=False)
    patience.hear(View(6), now + 4.0)
    patience.enter(View(9), now + 9.0, notarized=True)
    patience.enter(View(10), now + 10.0, notarized=True)
    assert patience.usual_vote == pytest.approx(0.007)
    assert patience.usual_round == 0.0


def test_one_proposal_that_came_just_before_its_votes_says_nothing_of_others() -> None:
    patience, now = Patience(LEARNS), 5.0
    for view in range(60):
        took = 0.0002 if view == 50 else 0.006
        patience.hear(View(view), now)
        patience.enter(View(view + 1), now + took, notarized=True)
        assert patience.usual_vote == pytest.approx(0.006)
        now += 1.0


def test_a_machine_that_became_slower_for_good_is_the_measure_after_a_while() -> None:
    leader = Leader()
    leader.round(0.004)
    leader.execution(0.002)
    gaps = [leader.execution(0.004) for _ in range(SPANS_MAX)]
    assert gaps[-2] < 10 * 0.004 - 0.004
    assert gaps[-1] == pytest.approx(10 * 0.004 - 0.004)


def test_nothing_is_learnt_unless_it_is_wanted() -> None:
    leader = Leader(Settings())
    leader.round(0.01)
    for _ in range(5):
        gap = leader.execution(0.004)
    assert gap == 0.0
