"""For which block a batch is made, and when: what is learnt of signing, of misses, and of views
(PROTOCOL §7, Leader)."""

from dataclasses import replace

import pytest
from tests.consensus.bench import Bench, Cluster, N

from strongroom.consensus.batches import BatchHeader
from strongroom.consensus.blocks import Header
from strongroom.consensus.replica.batch_aims import (
    AHEAD_MAX,
    AIMS_MAX,
    MISS_ROUNDS,
    PUNCTUAL_ROUNDS,
    SLACK_ROUNDS_MAX,
    BatchAims,
)
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.replica.spans import Spans
from strongroom.consensus.replica.state import ReplicaState
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Epoch, Sequence, View

ROUND = 0.01


def made(aims: BatchAims, number: int, view: int, *, late: float = 0.0) -> None:
    aims.make(Sequence(number), View(view), 0.0, late=late, usual_round=ROUND)


def test_a_batch_leaves_as_long_before_as_it_is_usually_made_in_and_half_a_round() -> None:
    aims = BatchAims()
    assert aims.lead(ROUND) == pytest.approx(ROUND / 2)
    for number in range(200):
        aims.make(Sequence(number), View(number), 5.0, late=0.0, usual_round=ROUND)
        aims.hold(Sequence(number), 5.004)
        aims.order(View(number), Sequence(number + 1))
    assert aims.lead(ROUND) == pytest.approx(0.004 + ROUND / 2, rel=1e-3)


def test_what_is_signed_now_and_then_later_is_waited_for() -> None:
    aims = BatchAims()
    for number in range(200):
        aims.make(Sequence(number), View(number), 5.0, late=0.0, usual_round=ROUND)
        aims.hold(Sequence(number), 5.002 if number % 2 else 5.010)
        aims.order(View(number), Sequence(number + 1))
    assert 0.009 < aims.lead(ROUND) - ROUND / 2 < 0.011


def test_a_batch_that_was_not_begun_here_says_nothing_of_signing() -> None:
    aims = BatchAims()
    made(aims, 3, 7)
    aims.hold(Sequence(2), 99.0)
    assert aims.lead(ROUND) == pytest.approx(ROUND / 2)


def test_misses_make_the_lead_longer_and_hits_shorter_within_bounds() -> None:
    aims = BatchAims()
    made(aims, 0, 1)
    aims.order(View(1), Sequence(0))
    missed = aims.lead(ROUND)
    assert missed == pytest.approx((0.5 + MISS_ROUNDS) * ROUND)
    aims.order(View(2), Sequence(1))
    assert aims.lead(ROUND) == missed, "it came into a later block: judged once"
    made(aims, 1, 3)
    aims.order(View(3), Sequence(2))
    assert ROUND / 2 < aims.lead(ROUND) < missed
    for number in range(2, 100):
        made(aims, number, 2 + number)
        aims.order(View(2 + number), Sequence(2))
    assert aims.lead(ROUND) == pytest.approx((0.5 + SLACK_ROUNDS_MAX) * ROUND)
    for number in range(100, 400):
        made(aims, number, 2 + number)
        aims.order(View(2 + number), Sequence(number + 1))
    assert aims.lead(ROUND) == pytest.approx(ROUND / 2)


@pytest.mark.parametrize("late", [-0.001, 1.01 * PUNCTUAL_ROUNDS * ROUND, float("-inf")])
def test_a_batch_that_was_full_before_or_had_nothing_in_it_when_due_is_not_judged(
    late: float,
) -> None:
    aims = BatchAims()
    made(aims, 0, 1, late=late)
    aims.order(View(1), Sequence(0))
    assert aims.lead(ROUND) == pytest.approx(ROUND / 2)
    made(aims, 1, 2)
    aims.order(View(2), Sequence(1))
    missed = aims.lead(ROUND)
    made(aims, 2, 3, late=late)
    aims.order(View(3), Sequence(3))
    assert aims.lead(ROUND) == missed > ROUND / 2


def test_a_batch_of_a_view_that_had_no_block_is_not_judged_and_in_nobodys_way() -> None:
    aims = BatchAims()
    made(aims, 0, 4)
    assert [aims.following(View(view)) for view in (3, 4, 5, 6)] == [5, 5, 5, 6]
    aims.order(View(5), Sequence(1))
    assert aims.lead(ROUND) == pytest.approx(ROUND / 2)
    assert aims.following(View(5)) == 5


def test_T30_batches_that_no_block_has_are_kept_up_to_a_bound() -> None:
    aims = BatchAims()
    for number in range(3 * AIMS_MAX):
        made(aims, number, number)
    assert len(aims._aims) == AIMS_MAX


# --- in a replica: when the next batch is due ---

GAP, VOTE = 0.02, 0.006


class Follower:
    """It leads neither this view nor the next two; a leader waits so long for each batch."""

    def __init__(self) -> None:
        cluster = Cluster()
        own = next(index for index in range(4) if index == cluster.leader(4))
        self.bench, self.own = Bench(cluster, own, settings=Settings(min_gap=GAP)), own
        self.state.patience._rounds.note(ROUND)
        self.state.patience._votes.append(VOTE)
        self.batches: dict[int, BatchHeader] = {}
        self.certificate: Certificate | None = None
        self.parent: Header | None = None

    @property
    def state(self) -> ReplicaState:
        return self.bench.replica.state

    @property
    def due(self) -> float:
        """In seconds from now."""
        due = self.state.batch_due(self.bench.now)
        assert due is not None
        return due - self.bench.now

    def make(self, lane: int) -> BatchHeader:
        """One more batch of a lane; an own one is signed at once."""
        last = self.batches.get(lane)
        batch = self.bench.cluster.batch(lane=lane, body=b"%d" % lane)
        if last is not None:
            batch = replace(batch, sequence=Sequence(last.sequence + 1), previous=last.digest)
        if lane == self.own:
            self.state.make_batch(batch.sequence, self.bench.now)
        self.batches[lane] = batch
        self.bench.hold(batch)
        return batch

    def propose(self, *batches: BatchHeader) -> None:
        cluster, view = self.bench.cluster, self.state.view
        self.parent = cluster.header(self.parent, view=view, batches=batches)
        self.bench.propose(cluster.proposal(self.parent, parent=self.certificate))

    def notarize(self) -> None:
        assert self.parent is not None
        view, digest = self.parent.view, self.parent.digest
        self.certificate = self.bench.cluster.certificate(N, view, digest)
        self.bench.certify(N, view, digest)
        assert self.state.view == view + 1


@pytest.fixture
def follower() -> Follower:
    return Follower()


def other(follower: Follower) -> int:
    return (follower.own + 1) % 4


def test_where_nothing_waits_a_batch_is_due_at_once(follower: Follower) -> None:
    assert follower.due <= 0.0


def test_a_batch_behind_another_is_due_for_the_next_views_block(follower: Follower) -> None:
    first = follower.make(follower.own)
    assert follower.due == pytest.approx(ROUND / 2), "a view takes a round at least"
    follower.bench.now += 0.02
    assert follower.due == pytest.approx(VOTE - ROUND / 2), "a proposal may come now"
    follower.propose(first, follower.make(other(follower)))
    assert follower.due == pytest.approx(VOTE + 2 * GAP - ROUND / 2)
    follower.bench.now += 0.002
    assert follower.due == pytest.approx(VOTE + 2 * GAP - ROUND / 2 - 0.002)
    follower.notarize()
    assert follower.due == pytest.approx(2 * GAP - ROUND / 2), "this view's block takes it"


def test_a_batch_that_missed_its_block_puts_no_other_one_off(follower: Follower) -> None:
    """It shares the next block with the next batch: each would miss its own for ever."""
    others = [follower.make(lane) for lane in range(4) if lane != follower.own]
    follower.make(follower.own)
    follower.propose(*others)
    follower.notarize()
    assert follower.due == pytest.approx(3 * GAP - ROUND / 2)


def test_a_batch_that_follows_at_once_is_made_for_a_view_later(follower: Follower) -> None:
    first = follower.make(follower.own)
    follower.propose(first, follower.make(other(follower)))
    at = follower.bench.now + VOTE + 2 * GAP - ROUND / 2
    for views in (0, 1, 1):
        assert follower.bench.now + follower.due == pytest.approx(at + views * (ROUND + 2 * GAP))
        follower.bench.now += max(0.0, follower.due)
        follower.make(follower.own)


def test_a_batch_that_comes_during_the_vote_is_for_the_next_block(follower: Follower) -> None:
    follower.propose(*(follower.make(lane) for lane in range(4) if lane != follower.own))
    follower.notarize()
    follower.propose(*(follower.make(lane) for lane in range(4) if lane != follower.own))
    at = follower.bench.now + VOTE + 3 * GAP - ROUND / 2
    for views in (0, 1, 1):
        assert follower.bench.now + follower.due == pytest.approx(at + views * (ROUND + 3 * GAP))
        follower.bench.now += max(0.0, follower.due)
        follower.make(follower.own)


def test_a_batch_behind_another_is_not_due_where_no_round_is_known() -> None:
    follower = Follower()
    follower.state.patience._rounds = Spans()
    follower.make(follower.own)
    assert follower.state.batch_due(follower.bench.now) is None


def test_a_batch_leaves_no_earlier_than_one_view_before_its_block(follower: Follower) -> None:
    """However long signing takes here: what it gathers meanwhile would have to wait."""
    follower.make(follower.own)
    follower.state.batches._making.mean = 60.0
    follower.propose(follower.batches[follower.own], follower.make(other(follower)))
    follower.notarize()
    assert follower.due == pytest.approx(-ROUND)


def test_full_batches_share_the_next_block_however_long_they_come(follower: Follower) -> None:
    """Each took a view of its own once: under load for long, what was not full waited minutes."""
    for view in range(1, 100):
        assert follower.state.view == view
        batches = [follower.make(follower.own) for _ in range(3)]
        follower.propose(*batches, follower.make(other(follower)))
        due = follower.due
        follower.make(follower.own)
        assert follower.due == due, "what was full before it was due is in nobody's way"
        follower.notarize()
    assert follower.state._batches_ahead() <= AHEAD_MAX


def test_in_a_view_that_does_not_end_no_batch_is_put_off_for_more_than_two_views(
    follower: Follower,
) -> None:
    for _ in range(20):
        follower.make(follower.own)
        assert follower.due <= VOTE + ROUND + GAP
        follower.bench.now += max(0.0, follower.due)


def test_a_leader_reckons_with_its_own_round_others_with_the_votes() -> None:
    follower = Follower()
    while follower.state.leader != follower.own:
        follower.propose(follower.make(follower.own), follower.make(other(follower)))
        follower.notarize()
    follower.make(follower.own)
    follower.bench.tick(2 * 2 * GAP)
    assert follower.state.view in follower.state.candidates, "it has proposed"
    assert follower.due == pytest.approx(ROUND + GAP * 1 - ROUND / 2)


def test_a_batch_of_another_epoch_says_nothing_of_signing(follower: Follower) -> None:
    batch = follower.bench.cluster.batch(lane=follower.own)
    follower.state.make_batch(batch.sequence, follower.bench.now)
    follower.bench.now += 60.0
    follower.bench.hold(replace(batch, epoch=Epoch(7)))
    assert follower.state.batches.lead(ROUND) == pytest.approx(ROUND / 2)
