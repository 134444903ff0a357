"""Fault matrix rows 40 to 43 and 51: quiet chains, batches known to one, slow execution, floods."""

from dataclasses import replace
from random import Random

import pytest
from tests.simulation.actors.actor import ActorEvent, Liar, Send
from tests.simulation.actors.puppet import Puppet
from tests.simulation.network import Network, kind_of, view_of
from tests.simulation.scenes import DELTA, QUICK, Scene
from tests.simulation.world import LiarFactory

from strongroom.consensus.messages import BatchMessage, Message, VoteMessage
from strongroom.consensus.replica.events import Now, Received
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import SignerIndex


def test_row_40_idle_for_an_hour_makes_no_block_and_no_timer_then_a_transaction_is_final_soon() -> (
    None
):
    scene = Scene(4)
    scene.start()
    scene.load(3)
    scene.settle(3.0)
    scene.run(2.0)
    heights, words = scene.heights(), len(scene.said)
    assert [replica.deadline() for replica in scene.replicas] == [None] * 4
    scene.run(3600.0)
    assert scene.heights() == heights
    assert len(scene.said) == words
    leader = scene.replicas[0].state.leader
    scene.submit(leader, b"after an hour")
    begun = scene.now
    assert scene.run(1.0, scene.everything_final)
    assert scene.now - begun <= 5 * DELTA


def test_row_40_a_block_is_executed_anchored_and_receipted_and_then_it_is_quiet() -> None:
    scene = Scene(4)
    scene.start()
    scene.submit(0, b"one")
    scene.run(2.0)
    blocks = [block.header for block in scene.ledger.blocks.values()]
    loaded = next(header for header in blocks if header.batch_count)
    assert blocks[-1].anchor.height >= loaded.height
    assert len(blocks) <= 3
    assert not any(replica.state.has_work for replica in scene.replicas)


def test_row_40_an_anchor_that_waits_a_little_shares_the_next_transactions_block() -> None:
    patient = replace(QUICK, anchor_gap=3 * DELTA)
    blocks = {}
    for settings in (QUICK, patient):
        scene = Scene(4, settings=settings)
        scene.start()
        for number in range(5):
            scene.submit(0, b"payment %d" % number)
            assert scene.run(1.0, scene.everything_final)
        scene.run(2.0)
        assert not any(replica.state.has_work for replica in scene.replicas)
        blocks[settings.anchor_gap] = max(scene.heights())
    assert blocks[patient.anchor_gap] < blocks[QUICK.anchor_gap]


def test_row_41_a_transaction_known_to_one_follower_is_relayed_and_ordered() -> None:
    for follower in range(4):
        scene = Scene(4)
        origin = (follower + 1) % 4

        def only(
            _: SignerIndex, receiver: SignerIndex, message: Message, follower: int = follower
        ) -> bool:
            return not isinstance(message, BatchMessage) or receiver == follower

        scene.network.filter = only
        scene.start()
        scene.submit(origin, b"one")
        scene.run(0.02)
        scene.crash(origin)
        scene.network.heal()
        begun = scene.now
        scene.settle(5.0)
        assert scene.now - begun < 14 * QUICK.delta0


def test_row_41_a_relay_that_is_lost_is_repeated() -> None:
    scene = Scene(4)
    scene.network.filter = lambda _, __, message: not isinstance(message, BatchMessage)
    scene.start()
    holder = next(index for index in range(4) if index != scene.leader(1))
    scene.submit(holder, b"one")
    scene.run(2.0)
    scene.network.heal()
    scene.settle(5.0)


@pytest.mark.parametrize("slow", [1, 4])
def test_row_42_slow_execution_throttles_without_spin_and_with_bounded_memory(slow: int) -> None:
    scene = Scene(4)
    for index in range(slow):
        scene.honest(index).execution_delay = 0.5
    scene.start()
    scene.load(100, every=0.02)
    scene.run(4.0)
    lags = [
        replica.state.final.height - scene.honest(index).replica.state.final.anchor.height
        for index, replica in enumerate(scene.replicas)
    ]
    loaded = [block.header for block in scene.ledger.blocks.values() if block.header.batch_count]
    for header in loaded:
        between = [other for other in loaded if header.anchor.height < other.height < header.height]
        assert len(between) < 8
    assert len(scene.ledger.blocks) < 3 * len(loaded) + 30, "no empty spin"
    scene.settle(60.0)
    assert lags


class Flood(Liar):
    """Votes for every view it can name, at every tick of anything."""

    def on_event(self, event: ActorEvent, now: object) -> list[Send]:
        random = self.role.random
        views = [random.randint(1, 10_000) for _ in range(20)]
        digest = self.role.anchor.digest
        kinds = [random.choice([Kind.NOTARIZE, Kind.FINALIZE]) for _ in views]
        return [
            Send(None, VoteMessage(self.vote(kind, view, digest)))
            for kind, view in zip(kinds, views, strict=True)
        ]


def test_row_43_T31_a_flood_of_votes_for_future_views_is_bounded() -> None:
    scene = Scene(4, liars={0: Flood})
    scene.start()
    scene.load(5, every=0.05)
    scene.run(0.5)
    scene.settle(5.0)
    assert all(replica.state.sizes["votes"] <= 4 * 3 * 130 for replica in scene.replicas)


def test_row_51_n_everywhere_and_x_by_b_nodes_without_further_work_ends_final_and_receipted() -> (
    None
):
    scene = Scene(4)
    leader = scene.leader(1)
    late = [index for index in range(4) if index != leader][:2]

    def finalize_votes_are_slow(_: SignerIndex, receiver: SignerIndex, message: Message) -> bool:
        if not isinstance(message, VoteMessage):
            return True
        statement = message.vote.statement
        return not (statement.view == 1 and statement.kind is Kind.NOTARIZE and receiver in late)

    def certificates_too(sender: SignerIndex, receiver: SignerIndex, message: Message) -> bool:
        hidden = (
            type(message).__name__ in ("CertificateMessage", "Justify", "Propose")
            and receiver in late
        )
        return finalize_votes_are_slow(sender, receiver, message) and not (
            hidden and sender != leader
        )

    scene.network.filter = certificates_too
    scene.start()
    scene.submit(leader, b"only one")
    scene.run(0.45)
    scene.network.heal()
    scene.settle(10.0)
    scene.run(2.0)
    anchored = {replica.state.final.anchor.height for replica in scene.replicas}
    loaded = [
        block.header.height for block in scene.ledger.blocks.values() if block.header.batch_count
    ]
    assert min(anchored) >= max(loaded)
    assert not any(replica.state.has_work for replica in scene.replicas)


def test_memory_does_not_grow_with_the_chain() -> None:
    scene = Scene(4)
    scene.start()
    scene.load(300, every=0.03)
    scene.run(2.0)
    early = [dict(replica.state.sizes) for replica in scene.replicas]
    scene.run(7.5)
    scene.settle(5.0)
    assert min(scene.heights()) > 250
    for before, replica in zip(early, scene.replicas, strict=True):
        for name, size in replica.state.sizes.items():
            assert size <= before[name] + 20, name
    assert all(len(node.disk.log) < 80_000 for node in scene.honest_nodes)


class LateNews(Network):
    """Until all is well, some members learn late what others say of one view, and that the one
    below it is final."""

    def __init__(self, late: set[int], view: int) -> None:
        super().__init__(Random(1), delay=(DELTA, DELTA), salt=1)
        self.late, self.view = late, view

    def delays(self, sender: SignerIndex, receiver: SignerIndex, message: Message) -> list[float]:
        kind, at = kind_of(message), view_of(message)
        if kind == "vote-FINALIZE" and at == self.view - 1:
            return [10 * QUICK.delta0 if receiver in self.late else 1.6 * QUICK.delta0]
        if receiver in self.late and at >= self.view and kind not in ("Propose", "vote-NULLIFY"):
            return [10 * QUICK.delta0]
        return super().delays(sender, receiver, message)


class NeverFinal(Puppet):
    """Votes for every block, and neither says nor counts what is for a view's end or its
    finality."""

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        if isinstance(event, Received) and kind_of(event.message) == "vote-FINALIZE":
            return []
        return super().on_event(event, now)

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        return [
            send
            for send in sends
            if kind_of(send.message) not in ("vote-FINALIZE", "vote-NULLIFY", "Justify")
        ]


@pytest.mark.parametrize("lying", [False, True])
def test_a_chain_does_not_rest_below_an_empty_block_that_can_become_neither_final_nor_null(
    lying: bool,
) -> None:
    """Honest delays suffice: some have said X of its view when they learn that it is notarized, the
    others F."""
    empty = 3
    scene = Scene(4)
    followers = [index for index in range(4) if index != scene.leader(empty)]
    late = set(followers[:1] if lying else followers[:2])
    liars: dict[int, LiarFactory] = {followers[1]: NeverFinal} if lying else {}
    network = LateNews(late, empty)
    scene = Scene(4, liars=liars, network=network)
    scene.start()
    scene.submit(scene.leader(1), b"only one")
    scene.run(5 * QUICK.delta0)
    assert {Kind.NOTARIZE, Kind.FINALIZE} <= {
        said.kind for _, said in scene.said if said.view == empty
    }
    assert {
        scene.honest(index).replica.state.final_view
        for index in range(4)
        if index not in late | set(liars)
    } == {empty - 1}
    scene.run(8 * QUICK.delta0)
    network.late = set()
    words = {(node in late, said.kind) for node, said in scene.said if said.view == empty}
    assert (True, Kind.NULLIFY) in words
    assert (True, Kind.FINALIZE) not in words
    assert scene.run(20.0, lambda: scene.everything_notarized_is_final), [
        (replica.state.view, replica.state.final_view, replica.state.newest_notarized)
        for replica in scene.replicas
    ]
    heights = scene.heights()
    scene.run(600.0)
    assert scene.heights() == heights, "and then it is quiet"
    assert scene.everything_notarized_is_final
    assert not any(replica.state.has_work for replica in scene.replicas)
