"""A leader waits where rounds queue, and in proportion; nowhere else (PROTOCOL §7, Leader)."""

import pytest

from strongroom.consensus.replica.pacemaker import PROPOSAL_DELTAS
from strongroom.consensus.replica.patience import ROUNDS_MAX, Patience
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import View

LEARNS = Settings(gap_per_queueing=10.0, gap_rounds_max=6.0)
DELTA = 1_000.0
"""No bound, unless a test says so."""


class Leader:
    """Leads one view after the other."""

    def __init__(self, settings: Settings = LEARNS) -> None:
        self.patience, self.view, self.now = Patience(settings), 1, 100.0

    def round(self, seconds: float, *, notarized: bool = True) -> float:
        """One own round; the gap after it, above a full block."""
        self.patience.propose(View(self.view), self.now)
        self.view, self.now = self.view + 1, self.now + seconds
        self.patience.enter(View(self.view), self.now, notarized=notarized)
        return self.patience.gap(1.0, DELTA)


def test_a_leader_that_has_seen_no_round_waits_for_nothing() -> None:
    assert Leader().patience.gap(1.0, DELTA) == 0.0


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
    assert leader.patience.gap(0.25, DELTA) == pytest.approx(gap / 4)


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
    leader = Leader()
    leader.round(10.0)
    assert leader.round(1_000.0) == pytest.approx(60.0)
    assert leader.patience.gap(1.0, 0.25) == pytest.approx(0.0625)
    assert 2 * leader.patience.gap(1.0, 0.25) < PROPOSAL_DELTAS * 0.25


def test_rounds_that_were_given_up_or_led_by_others_say_nothing() -> None:
    leader = Leader()
    leader.round(0.01)
    assert leader.round(30.0, notarized=False) == 0.0
    leader.patience.enter(View(leader.view + 1), leader.now + 9.0, notarized=True)
    leader.patience.propose(View(leader.view + 1), leader.now + 9.0)
    leader.patience.enter(View(leader.view + 5), leader.now + 50.0, notarized=True)
    assert leader.patience.gap(1.0, DELTA) == 0.0


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
