"""What links tell a replica (R11, R12): a leader that is cut off is soon skipped, and whoever is
back is told."""

from dataclasses import replace

import pytest
from tests.consensus.bench import Bench, Cluster, F, N, X

from strongroom.consensus.messages import Justify, StatusBody
from strongroom.consensus.messages import Status as StatusMessage
from strongroom.consensus.replica.events import BatchRelay, Linked, Received, Unlinked
from strongroom.consensus.replica.relay import FIRST_TURN, has_turn
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import (
    NO_DIGEST,
    Epoch,
    Height,
    Sequence,
    Signature,
    SignerIndex,
    View,
)

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
    assert bench.tick(0.21).relay == [BatchRelay(batch.digest, late=True)]
    peers = [SignerIndex(index) for index in range(4) if index != bench.own]
    for peer in peers[:2]:
        bench.step(Unlinked(peer))
    to_one, to_other = (BatchRelay(batch.digest, (peer,), late=True) for peer in peers[:2])
    assert bench.step(Linked(peers[0])).relay == [to_one]
    assert not bench.step(Linked(peers[1])).relay
    assert bench.replica.deadline() <= bench.now + 0.1  # type: ignore[operator]
    assert bench.tick(0.1).relay == [to_other]


def test_over_a_new_link_a_young_batch_goes_to_that_peer_alone_and_is_not_late() -> None:
    bench = linked()
    bench.tick(1.0)
    bench.tick(0.11)
    batch, peer = bench.cluster.batch(lane=bench.own or 0), SignerIndex(3 if bench.own != 3 else 2)
    bench.hold(batch)
    bench.step(Unlinked(peer))
    assert bench.step(Linked(peer)).relay == [BatchRelay(batch.digest, (peer,))]
    relays = [relay for _ in range(3) for relay in bench.tick(0.1).relay]
    assert relays[0] == BatchRelay(batch.digest, late=True), "the others' turn is still to come"


def test_another_origins_young_batch_is_not_sent_again_by_all_when_a_link_flaps() -> None:
    cluster = Cluster(16)
    batch, peer = cluster.batch(lane=5), SignerIndex(3)
    senders = []
    for own in {*range(16)} - {3, 5}:
        bench = Bench(cluster, own, settings=GRACE)
        for other in {*range(16)} - {own}:
            bench.step(Linked(SignerIndex(other)))
        bench.tick(1.0)
        bench.tick(0.11)
        bench.hold(batch)
        bench.step(Unlinked(peer))
        relays = bench.step(Linked(peer)).relay
        assert all(relay.to == (peer,) for relay in relays)
        senders += [own] * bool(relays)
    assert FIRST_TURN - 2 <= len(senders) <= FIRST_TURN


def status(cluster: Cluster, lane: int, length: int) -> StatusBody:
    """A claim to hold so much of one lane."""
    lanes = tuple(Sequence(length if at == lane else 0) for at in range(cluster.size))
    return StatusBody(Epoch(0), View(1), View(0), Height(0), NO_DIGEST, Height(0), lanes, Height(1))


def seconds_until_relay(bench: Bench, liars: tuple[int, ...] = (), lane: int = 5) -> float:
    """Until a batch is relayed that this replica alone holds: others say that they lack it, but for
    these."""
    began = bench.now
    while bench.now < began + 30.0:
        for peer in {*range(bench.cluster.size)} - {bench.own, lane}:
            body = status(bench.cluster, lane, int(peer in liars))
            bench.step(Received(SignerIndex(peer), StatusMessage(body, Signature(bytes(64)))))
        for _ in range(10):
            if bench.tick(0.1).relay:
                return bench.now - began
    return float("inf")


@pytest.mark.parametrize("size", [4, 16])
def test_R14_whoever_alone_holds_a_batch_does_not_take_a_dead_origin_for_another_holder(
    size: int,
) -> None:
    """Nor as many liars as there may be: it waits for no turn."""
    cluster = Cluster(size)
    lane = 2
    batch = cluster.batch(lane=lane)
    for own in {*range(size)} - {lane}:
        bench = Bench(cluster, own, settings=replace(GRACE, retry=1.0))
        for peer in {*range(size)} - {own}:
            bench.step(Linked(SignerIndex(peer)))
        bench.tick(1.0)
        bench.hold(batch)
        body = status(cluster, lane, 1)
        bench.step(Received(SignerIndex(lane), StatusMessage(body, Signature(bytes(64)))))
        bench.step(Unlinked(SignerIndex(lane)))
        others = sorted({*range(size)} - {own, lane})
        liars = tuple(others[: cluster.members.quorum.faults])
        assert seconds_until_relay(bench, liars, lane) <= 2.6


@pytest.mark.parametrize("own", [None, 0, 1, 7, 12])
def test_whoever_casts_nothing_sends_a_batch_that_it_alone_holds_a_retry_later(
    own: int | None,
) -> None:
    cluster = Cluster(16)
    bench = Bench(cluster, own, settings=replace(GRACE, retry=1.0), voting=False)
    batch = cluster.batch(lane=5)
    bench.hold(batch)
    assert 0.2 <= seconds_until_relay(bench) <= 1.4
    bench = Bench(cluster, None, settings=replace(GRACE, retry=1.0), voting=False)
    bench.hold(batch)
    assert bench.replica.deadline() == pytest.approx(bench.now + 0.2)
    holders = tuple(range(6, 13))
    assert seconds_until_relay(bench, holders) == float("inf"), "enough others hold it"
    assert seconds_until_relay(bench) <= 0.2, "what it was asked before does not bind it"


def test_which_few_relay_a_batch_does_not_depend_on_what_each_has_retried_before() -> None:
    cluster, relaying, drawn = Cluster(16), set[int](), set[int]()
    for own in {*range(16)} - {5}:
        bench = Bench(cluster, own, settings=replace(GRACE, retry=0.5))
        first = cluster.batch(lane=4, body=b"%d" % own)
        bench.hold(first)
        for _ in range(10 * (own % 5)):
            bench.tick(0.1)
        bench.tick(0.45)
        last = cluster.batch(lane=5)
        bench.hold(last)
        relays = [relay for _ in range(3) for relay in bench.tick(0.07).relay]
        if any(relay.digest == last.digest for relay in relays):
            relaying.add(own)
        if has_turn(SignerIndex(own), 16, int.from_bytes(last.digest[:4])):
            drawn.add(own)
    assert len(drawn) in (FIRST_TURN - 1, FIRST_TURN)
    assert relaying == drawn
