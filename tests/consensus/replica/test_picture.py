"""What a watcher sees of a replica: leader, proposal, votes, lanes, timers."""

import pytest
from tests.consensus.bench import Bench, Cluster, F, N, X

from strongroom.consensus.replica.pacemaker import PROPOSAL_DELTAS, VIEW_DELTAS
from strongroom.consensus.replica.picture import ReplicaPicture, picture_of


def bench() -> Bench:
    """A replica that leads neither of the first two views."""
    cluster = Cluster()
    leaders = {cluster.leader(1), cluster.leader(2)}
    return Bench(cluster, next(index for index in range(4) if index not in leaders))


def look(bench: Bench) -> ReplicaPicture:
    return picture_of(bench.replica.state, bench.clock().monotonic)


def test_a_proposal_and_the_votes_for_it_are_seen_as_they_come() -> None:
    one = bench()
    seen = look(one)
    assert (seen.current.view, seen.current.leader) == (1, one.cluster.leader(1))
    assert (seen.current.proposal, seen.before, seen.current.notarize) == (None, None, ())
    batch = one.cluster.batch(lane=1)
    one.hold(batch)
    waiting = {lane.lane: (lane.length, lane.waiting) for lane in look(one).lanes}
    assert waiting == {0: (0, 0), 1: (1, 1), 2: (0, 0), 3: (0, 0)}
    header = one.cluster.header(batches=[batch])
    one.propose(one.cluster.proposal(header))
    seen = look(one)
    assert seen.current.proposal == header
    said = {one.own or 0, one.cluster.leader(1)}  # a proposal carries its leader's vote
    assert set(seen.current.notarize) == said
    third = next(index for index in range(4) if index not in said)
    one.hear(N, 1, third, header.digest)
    seen = look(one)
    assert seen.current.view == 2
    assert seen.before is not None
    assert set(seen.before.notarize) == {*said, third}


def test_votes_to_finalize_are_seen_in_the_view_after_and_stay_when_the_block_is_final() -> None:
    one = bench()
    batch = one.cluster.batch(lane=1)
    one.hold(batch)
    header = one.cluster.header(batches=[batch])
    one.propose(one.cluster.proposal(header))
    one.certify(N, 1, header.digest)
    seen = look(one)
    assert seen.current.view == 2
    assert seen.before is not None
    assert seen.before.proposal == header
    assert len(seen.before.notarize) >= 3
    assert seen.before.finalize == (one.own,)
    one.certify(F, 1, header.digest)
    seen = look(one)
    assert (seen.height, seen.before and seen.before.proposal) == (1, header)
    assert seen.before is not None
    assert len(seen.before.finalize) >= 3
    assert [(lane.length, lane.waiting) for lane in seen.lanes][1] == (1, 0)


def test_a_block_is_seen_that_became_final_before_it_was_seen_notarized() -> None:
    one = bench()
    batch = one.cluster.batch(lane=1)
    one.hold(batch)
    header = one.cluster.header(batches=[batch])
    one.propose(one.cluster.proposal(header))
    one.certify(F, 1, header.digest)
    seen = look(one)
    assert (seen.height, seen.before and seen.before.proposal) == (1, header)


def test_a_view_that_is_given_up_shows_who_gave_it_up_and_how_long_patience_is() -> None:
    one = bench()
    assert look(one).view_in is None
    one.hold(one.cluster.batch(lane=1))
    one.tick(1.0)
    seen = look(one)
    assert seen.proposal_in == pytest.approx(PROPOSAL_DELTAS * seen.delta)
    assert seen.view_in == pytest.approx(VIEW_DELTAS * seen.delta)
    one.tick(2 * VIEW_DELTAS * seen.delta)
    seen = look(one)
    assert (seen.current.nullify, seen.strikes) == ((one.own,), 1)
    assert (seen.proposal_in, seen.view_in) == (None, None)
    assert seen.lasted == pytest.approx(one.clock().monotonic - one.replica.state.pacemaker.entered)
    one.certify(X, 1)
    seen = look(one)
    assert (seen.current.view, seen.current.nullify) == (2, ())
    assert seen.before is not None
    assert len(seen.before.nullify) >= 3
    assert seen.lasted == 0.0


def test_looking_changes_nothing() -> None:
    one, other = bench(), bench()
    for _ in range(3):
        look(one)
    batch = one.cluster.batch(lane=1)
    for each in (one, other):
        each.hold(batch)
        each.propose(each.cluster.proposal(each.cluster.header(batches=[batch])))
        look(one)
    assert one.replica.state.sizes == other.replica.state.sizes
    assert look(one) == look(other)
