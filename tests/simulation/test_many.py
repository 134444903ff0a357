"""Sixteen nodes: large batches over two hops, certificates from a few, and what it costs when those
are dead, lie or are cut off (PROTOCOL §3, §7; R2)."""

from collections import Counter
from hashlib import sha256
from itertools import count
from random import Random

import pytest
from tests.simulation.actors.false_forwarder import FalseForwarder
from tests.simulation.network import Network, kind_of
from tests.simulation.scenes import QUICK, Scene
from tests.simulation.world import LiarFactory, silent

from strongroom.consensus.batches import Batch, BatchHeader
from strongroom.consensus.messages import BatchMessage, Forward, Message
from strongroom.consensus.replica.events import Linked, Unlinked
from strongroom.consensus.replica.relay import FIRST_TURN
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import Digest, Epoch, Lane, Sequence, Signature, SignerIndex
from strongroom.node.ordering.forwarding import ForwardBounds

SIZE = 16
LARGE = bytes(ForwardBounds().bytes_min)
ROOM = 64 * len(LARGE)
WIDE = Settings(delta0=0.25, retry=1.0, skip_after=3.5)


class Counted(Network):
    """Counts what is sent, by kind and sender."""

    sent: Counter[tuple[str, SignerIndex]]

    def delays(self, sender: SignerIndex, receiver: SignerIndex, message: Message) -> list[float]:
        self.sent[kind_of(message), sender] += 1
        return super().delays(sender, receiver, message)


def cluster(
    liars: dict[int, LiarFactory] | None = None,
    *,
    delay: float = 0.01,
    settings: Settings = QUICK,
    seed: int = 1,
    down: tuple[int, ...] = (),
) -> tuple[Scene, Counted]:
    """Sixteen nodes that have heard each other."""
    network = Counted(Random(seed), delay=(delay, delay), salt=seed)
    network.sent = Counter()
    scene = Scene(SIZE, seed=seed, liars=liars, settings=settings, network=network)
    for node in scene.honest_nodes:
        node.lane_bytes_max, node.log_bytes_max = ROOM, 64 * ROOM
    scene.start(*down)
    scene.run(1.5)
    network.sent.clear()
    return scene, network


def origin_of(scene: Scene, *but: int) -> int:
    """An honest node that leads none of the next views."""
    soon = next_leaders(scene, 8)
    return next(seat for seat in range(SIZE) if seat not in (*soon, *but, *scene.liars))


def next_leaders(scene: Scene, count: int) -> list[int]:
    """Who leads from the current view on."""
    view = max(int(replica.state.view) for replica in scene.replicas)
    return [scene.leader(view + turn) for turn in range(count)]


def copies(network: Counted, sender: int) -> int:
    """Batches that one node sent, for itself or another."""
    sender = SignerIndex(sender)
    return network.sent["BatchMessage", sender] + network.sent["Forward", sender]


def share(scene: Scene, *but: int) -> tuple[SignerIndex, ...]:
    """As many validators as a relay passes a batch on to, and not these nodes."""
    indexes = {scene.honest(seat).own for seat in but}
    return tuple(SignerIndex(index) for index in range(SIZE) if index not in indexes)[:3]


def test_an_origin_sends_a_large_batch_to_few_and_every_node_gets_it_once() -> None:
    scene, network = cluster()
    origin = origin_of(scene)
    began = scene.now
    scene.submit(origin, LARGE)
    scene.settle()
    assert copies(network, origin) == 4
    assert sum(copies(network, seat) for seat in range(SIZE)) == SIZE - 1
    assert not any(kind == "BatchRequest" for kind, _ in network.sent)
    assert scene.now - began < 0.045, "batch, proposal, N and F: the second hop costs no delay"


def test_a_small_batch_goes_to_all_at_once() -> None:
    scene, network = cluster()
    scene.submit(0, b"small")
    scene.settle()
    assert network.sent["BatchMessage", SignerIndex(0)] == SIZE - 1
    assert not any(kind == "Forward" for kind, _ in network.sent)


@pytest.mark.parametrize("dead", [1, 3, 5])
def test_dead_relays_cost_a_question_and_no_batch(dead: int) -> None:
    scene, _ = cluster()
    origin = origin_of(scene)
    victims = [seat for seat in next_leaders(scene, 4 + dead) if seat != origin][1 : 1 + dead]
    for seat in victims:
        scene.crash(seat)
    for number in range(4):
        scene.submit(origin, LARGE + b"%d" % number)
    scene.settle()


@pytest.mark.parametrize("seed", range(4))
def test_relays_that_pass_on_nothing_or_another_batch_cost_time_alone(seed: int) -> None:
    probe, _ = cluster(seed=seed)
    liars: dict[int, LiarFactory] = dict.fromkeys(next_leaders(probe, 5), FalseForwarder)
    scene, _ = cluster(liars, seed=seed)
    origin = origin_of(scene)
    for number in range(3):
        scene.submit(origin, LARGE + b"%d" % number)
    scene.settle()
    twins = {tx for node in scene.honest_nodes for tx in node.store.seen} - set(scene.submitted)
    assert not {tx for tx in twins if tx.startswith(b"passed on")}


def test_after_a_batch_that_stayed_unordered_its_origin_sends_to_all_itself() -> None:
    scene, network = cluster()
    origin = origin_of(scene)
    network.filter = lambda sender, _, message: (
        not (
            isinstance(message, BatchMessage | Forward)
            and (sender != origin or isinstance(message, Forward))
        )
    )
    scene.submit(origin, LARGE + b"1")
    scene.settle()
    network.filter = None
    network.sent.clear()
    scene.submit(origin, LARGE + b"2")
    scene.settle()
    assert network.sent["BatchMessage", SignerIndex(origin)] == SIZE - 1


def test_a_relay_passes_on_nothing_that_is_not_its_senders_and_nothing_twice() -> None:
    scene, network = cluster()
    origin = origin_of(scene)
    relay, other = [seat for seat in range(SIZE) if seat != origin][:2]
    scene.submit(origin, LARGE)
    scene.settle()
    lane = int(scene.honest(origin).own or 0)
    batch = next(
        held
        for block in scene.honest(relay).store.blocks
        for held in block[1]
        if int(held.header.lane) == lane
    )
    network.sent.clear()
    some = share(scene, origin, relay)
    for sender in (origin, other):
        scene.tell(sender, relay, Forward(batch, some))
    scene.run(0.5)
    assert copies(network, relay) == 0
    assert [fault[:2] for fault in scene.faults] == [(relay, other)]


def test_a_relay_passes_on_nothing_that_its_origin_did_not_sign() -> None:
    scene, network = cluster()
    origin, relay = 0, 1
    header = BatchHeader(
        epoch=Epoch(0),
        lane=Lane(origin),
        sequence=Sequence(0),
        previous=scene.anchor.digest,
        count=1,
        size=len(LARGE),
        payload_digest=Digest(sha256(LARGE).digest()),
    )
    forged = Batch(header, LARGE, Signature(bytes(64)))
    scene.tell(origin, relay, Forward(forged, (SignerIndex(5), SignerIndex(6))))
    scene.run(0.5)
    assert copies(network, relay) == 0
    assert [fault[:2] for fault in scene.faults] == [(relay, origin)]


def test_T35_an_origin_has_nobody_pass_on_more_than_a_share() -> None:
    scene, network = cluster()
    origin = origin_of(scene)
    network.filter = lambda sender, _, __: sender != origin
    scene.submit(origin, LARGE)
    scene.run(0.05)
    lane = int(scene.honest(origin).own or 0)
    (batch,) = scene.honest(origin).pool.all()
    assert int(batch.header.lane) == lane
    network.filter = None
    network.sent.clear()
    everybody = tuple(SignerIndex(seat) for seat in range(SIZE))
    relays = sorted({*range(SIZE)} - {origin})
    for relay in relays:
        scene.tell(origin, relay, Forward(batch, everybody))
    scene.run(0.05)
    assert sum(copies(network, relay) for relay in relays) == 0
    assert {fault[:2] for fault in scene.faults} == {(relay, origin) for relay in relays}


def test_a_flapping_link_has_nobody_else_send_and_no_origin_distrust_its_relays() -> None:
    """T35: one node's links come and go each half second; others' batches travel as before."""
    scene, network = cluster(delay=0.05, settings=WIDE)
    until, flapping, made = scene.now + 3.0, SignerIndex(SIZE - 1), count()

    def submit() -> None:
        number = next(made)
        scene.submit(number % (SIZE - 1), LARGE + b"%d" % number)
        if scene.now < until:
            scene.at(0.02, submit)

    def flap() -> None:
        for seat in range(SIZE - 1):
            scene._push(scene.now, "link", SignerIndex(seat), Unlinked(flapping))
            scene._push(scene.now + 0.01, "link", SignerIndex(seat), Linked(flapping))
        if scene.now < until:
            scene.at(0.5, flap)

    submit()
    flap()
    scene.run(3.0)
    sent = Counter[str]()
    for (kind, _), number in network.sent.items():
        sent[kind] += number
    batches = next(made)
    assert sent["Forward"] >= 3 * batches, "nobody sends to all"
    assert sent["BatchMessage"] + sent["Forward"] < 1.5 * batches * (SIZE - 1)


def test_a_partition_of_relays_and_origin_heals() -> None:
    scene, network = cluster()
    origin = origin_of(scene)
    aside = {origin, *next_leaders(scene, 4)}
    network.partition(aside, set(range(SIZE)) - aside)
    for number in range(3):
        scene.submit(origin, LARGE + b"%d" % number)
    scene.run(2.0)
    network.heal()
    scene.settle()


def test_on_slow_links_a_few_send_each_certificate_and_not_everybody() -> None:
    """Links of 100 ms: whoever has a certificate shows it later than Δ/2."""
    scene, network = cluster(delay=0.1, settings=WIDE)
    height = max(scene.heights())
    scene.load(30, every=0.05)
    scene.run(3.0)
    blocks = max(scene.heights()) - height
    sent = sum(count for (kind, _), count in network.sent.items() if "certificate" in kind)
    assert blocks > 5
    assert 0 < sent <= 2 * (blocks + 2) * FIRST_TURN * (SIZE - 1)


def test_batches_that_wait_are_relayed_by_a_few_and_their_origin_and_not_by_everybody() -> None:
    scene, network = cluster()
    network.filter = lambda _, __, message: not kind_of(message).startswith(("Propose", "vote"))
    scene.submit(0, b"waits")
    scene.run(2.1 * QUICK.delta0 + 0.02)
    relays = [seat for seat in range(SIZE) if network.sent["BatchMessage", SignerIndex(seat)]]
    assert 0 in relays
    assert len(relays) <= 1 + FIRST_TURN
    network.filter = None
    scene.settle()


def test_a_batch_that_one_node_alone_holds_is_ordered_though_its_origin_is_gone() -> None:
    for holder in (3, 9, 14):
        scene, network = cluster()
        network.filter = lambda _, receiver, message, holder=holder: (
            not isinstance(message, BatchMessage | Forward) or receiver == holder
        )
        scene.submit(0, b"known to one")
        scene.run(0.02)
        scene.crash(0)
        network.filter = None
        scene.settle()


def test_a_third_of_the_nodes_that_are_silent_stop_no_large_batch() -> None:
    scene, _ = cluster({seat: silent for seat in (1, 4, 7, 10, 13)})
    for number in range(4):
        scene.submit(origin_of(scene), LARGE + b"%d" % number)
    scene.settle()
