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
        settings = Settings(gap_per_queueing=20.0)
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

    @property
    def gap(self) -> float:
        state = self.bench.replica.state
        return state.gap_above(state.tip())


def test_a_leader_whose_round_took_longer_than_its_shortest_waits_before_it_proposes() -> None:
    leader = OnlyValidator()
    leader.round(0.004)
    assert leader.gap == 0.0
    leader.round(0.008)
    gap = leader.gap
    assert gap > 0.0
    assert not leader.hold().cast
    assert leader.bench.replica.deadline() == pytest.approx(leader.bench.now + gap)
    assert not leader.bench.tick(0.9 * gap).cast
    (cast,) = leader.bench.tick(0.1 * gap).cast
    assert cast.proposal is not None
    assert cast.proposal.header.batch_count == 1


def test_where_nothing_queues_a_leader_proposes_at_once() -> None:
    leader = OnlyValidator()
    for _ in range(5):
        leader.round(0.2)
