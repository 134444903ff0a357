"""What a replica tells its patience, and what comes of it: rounds that queue make a leader wait
(PROTOCOL §7, Leader)."""

import pytest
from tests.consensus.bench import Bench, Cluster, N

from strongroom.consensus.batches import BatchHeader
from strongroom.consensus.messages import VoteMessage
from strongroom.consensus.replica.events import Cast, Output, Received
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import SignerIndex


class OnlyValidator:
    """It leads every view; its votes come back when the test says so."""

    def __init__(self) -> None:
        settings = Settings(gap_executions=20.0, gap_rounds_max=100.0)
        self.bench = Bench(Cluster(1), 0, settings=settings, feed_back=False)
        self.last: BatchHeader | None = None

    def hold(self) -> Output:
        """One more batch of its lane."""
        last, cluster = self.last, self.bench.cluster
        self.last = (
            cluster.batch(lane=0)
            if last is None
            else cluster.batch(lane=0, sequence=last.sequence + 1, previous=last.digest)
        )
        return self.bench.hold(self.last)

    def count(self, casts: list[Cast]) -> None:
        """Its votes come back, and those that follow from them."""
        while casts:
            statement = casts.pop(0).statement
            vote = self.bench.cluster.vote(statement.kind, statement.view, 0, statement.digest)
            casts += self.bench.step(Received(SignerIndex(0), VoteMessage(vote))).cast

    def round(self, seconds: float) -> None:
        """From a proposal to its notarization."""
        casts = self.hold().cast
        assert [cast.statement.kind for cast in casts] == [N]
        self.bench.now += seconds
        self.count(casts)

    def execution(self, seconds: float) -> list[Cast]:
        """The block that is final by now is executed; the next one anchors it, if it is its
        time."""
        self.bench.now += seconds
        return self.bench.execute(int(self.bench.replica.state.final.height)).cast

    def two_rounds(self, seconds: float) -> None:
        """A block, the one that anchors it, and a third one, which is final and not executed."""
        self.round(seconds)
        assert self.gap == 0.0
        anchor = self.execution(0.002)
        self.bench.now += seconds
        self.count(anchor)
        assert not self.execution(0.002)
        self.round(seconds)

    @property
    def gap(self) -> float:
        state = self.bench.replica.state
        return state.gap_above(state.tip())


def test_a_leader_waits_for_so_many_executions_before_it_proposes() -> None:
    leader = OnlyValidator()
    leader.two_rounds(0.004)
    assert not leader.execution(0.002)
    gap = leader.gap
    assert gap == pytest.approx((20 * 0.002 - 0.004) / 4)
    leader.hold()
    state = leader.bench.replica.state
    assert leader.bench.replica.deadline() == pytest.approx(state.pacemaker.entered + gap)
    assert not leader.bench.tick(0.5 * gap).cast
    (cast,) = leader.bench.tick(0.5 * gap).cast
    assert cast.proposal is not None
    assert cast.proposal.header.batch_count == 1


def test_a_leader_waits_for_the_block_below_that_is_being_executed_and_no_longer_than_usually() -> (
    None
):
    for executed in (True, False):
        leader = OnlyValidator()
        leader.two_rounds(0.004)
        leader.hold()
        ready = leader.bench.replica.state.pacemaker.entered + leader.gap
        leader.bench.now = ready - 0.001
        assert not leader.bench.tick(0.001).cast, "the block below is not executed"
        assert leader.bench.replica.deadline() == pytest.approx(ready + 0.002)
        casts = leader.execution(0.001) if executed else leader.bench.tick(0.002).cast
        (header,) = [cast.proposal.header for cast in casts if cast.proposal is not None]
        final = leader.bench.replica.state.final.height
        assert header.anchor.height == final - (0 if executed else 1)


def test_where_links_take_longer_than_blocks_a_leader_hardly_waits() -> None:
    leader = OnlyValidator()
    leader.two_rounds(0.2)
    assert leader.gap == pytest.approx(20 * 0.002 / 4)
