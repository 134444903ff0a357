"""What links tell a replica (R11, R12): a leader that is cut off is soon skipped, and whoever is
back is told."""

import pytest
from tests.consensus.bench import Bench, Cluster, F, N, X

from strongroom.consensus.messages import Justify
from strongroom.consensus.replica.events import BatchRelay, Linked, Unlinked
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import SignerIndex

GRACE = Settings(delta0=0.1, skip_after=5.0, link_grace=0.1)


def linked(*but: int, settings: Settings = GRACE) -> Bench:
    """A replica that leads neither of the first two views, linked to all peers but some."""
    cluster = Cluster()
    own = next(index for index in range(4) if index not in (cluster.leader(1), cluster.leader(2)))
    bench = Bench(cluster, own, settings=settings)
    for peer in range(4):
        if peer not in (own, *but):
            bench.step(Linked(SignerIndex(peer)))
    return bench


def test_R11_a_leader_whose_link_is_lost_is_skipped_after_the_grace_and_not_before() -> None:
    bench = linked()
    bench.hold(bench.cluster.batch(lane=bench.own or 0))
    bench.tick(0.21)
    bench.step(Unlinked(bench.cluster.leader(1)))
    deadline = bench.replica.deadline()
    assert deadline == pytest.approx(bench.now + 0.1)
    bench.tick(0.09)
    assert not bench.said(X, 1)
    bench.tick(0.011)
    assert bench.said(X, 1)


def test_R11_the_grace_is_never_below_delta() -> None:
    bench = linked(settings=Settings(delta0=0.3, skip_after=5.0, link_grace=0.0))
    bench.hold(bench.cluster.batch(lane=bench.own or 0))
    bench.step(Unlinked(bench.cluster.leader(1)))
    bench.tick(0.29)
    assert not bench.said(X, 1)
    bench.tick(0.02)
    assert bench.said(X, 1)


def test_R11_a_link_that_flaps_within_the_grace_costs_its_leader_nothing() -> None:
    bench = linked()
    bench.hold(bench.cluster.batch(lane=bench.own or 0))
    for _ in range(3):
        bench.step(Unlinked(bench.cluster.leader(1)))
        bench.tick(0.06)
        bench.step(Linked(bench.cluster.leader(1)))
        bench.tick(0.05)
    assert not bench.said(X, 1)


def test_R11_no_quorum_linked_no_work_or_a_candidate_in_hand_means_no_skip() -> None:
    idle = linked()
    idle.step(Unlinked(idle.cluster.leader(1)))
    idle.tick(3.0)
    assert not idle.said(X, 1)
    assert idle.replica.deadline() is None

    cluster = Cluster()
    alone = linked(cluster.leader(2))
    alone.hold(alone.cluster.batch(lane=alone.own or 0))
    alone.step(Unlinked(alone.cluster.leader(1)))
    alone.tick(0.35)
    assert not alone.said(X, 1)

    served = linked()
    batch = served.cluster.batch(lane=1)
    served.hold(batch)
    served.propose(served.cluster.proposal(served.cluster.header(batches=[batch])))
    served.step(Unlinked(served.cluster.leader(1)))
    served.tick(0.3)
    assert not served.said(X, 1)


def test_R12_whoever_is_linked_again_is_told_at_once_where_one_stands_and_why() -> None:
    bench = linked()
    peer = next(index for index in range(4) if index != bench.own)
    assert not bench.step(Linked(SignerIndex(peer))).send, "it was linked all along"
    bench.certify(X, 1)
    bench.step(Unlinked(SignerIndex(peer)))
    (send,) = bench.step(Linked(SignerIndex(peer))).send
    assert isinstance(send.message, Justify)
    assert send.to == peer
    assert [(held.kind, held.view) for held in send.message.certificates] == [(X, 1)]


def test_R12_nothing_is_said_to_a_new_link_before_anything_happened_and_never_by_an_observer() -> (
    None
):
    bench = linked()
    bench.step(Unlinked(SignerIndex(3 if bench.own != 3 else 2)))
    assert not bench.step(Linked(SignerIndex(3 if bench.own != 3 else 2))).send
    observer = Bench(Cluster(), None)
    header = observer.cluster.header()
    observer.propose(observer.cluster.proposal(header))
    observer.certify(N, 1, header.digest)
    observer.certify(F, 1, header.digest)
    assert not observer.step(Linked(SignerIndex(0))).send
    assert (observer.replica.deadline() or observer.now + 1) > observer.now, "no busy loop"


def test_batches_are_relayed_again_over_new_links_once_per_delta() -> None:
    bench = linked()
    batch = bench.cluster.batch(lane=bench.own or 0)
    bench.tick(1.0)
    bench.hold(batch)
    assert bench.tick(0.21).relay == [BatchRelay(batch.digest)]
    peers = [SignerIndex(index) for index in range(4) if index != bench.own]
    for peer in peers[:2]:
        bench.step(Unlinked(peer))
    assert bench.step(Linked(peers[0])).relay == [BatchRelay(batch.digest)]
    assert not bench.step(Linked(peers[1])).relay
    assert bench.replica.deadline() <= bench.now + 0.1  # type: ignore[operator]
    assert bench.tick(0.1).relay == [BatchRelay(batch.digest)]
