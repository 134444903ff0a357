"""Fault matrix rows 25, 32 and 34 to 39: sets and keys change under load, and nothing is lost,
doubled or forked."""

from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import combinations, pairwise

import pytest
from tests.simulation.actors.epoch_forger import EpochForger
from tests.simulation.actors.historian import Historian
from tests.simulation.actors.old_voter import OldVoter
from tests.simulation.actors.over_the_end import OverTheEnd
from tests.simulation.chaos import EPOCH_POINTS, POINTS
from tests.simulation.realm import GOVERN
from tests.simulation.scenes import QUICK, Scene
from tests.simulation.world import LiarFactory

from strongroom.consensus.batches import decode_payload
from strongroom.consensus.messages import (
    BatchMessage,
    CertificateMessage,
    Justify,
    Message,
    Propose,
    VoteMessage,
)
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import SignerIndex


def ask(scene: Scene, at: float, change: str, node: int = 0) -> None:
    """A member's client asks for a change after some seconds."""
    scene.at(at, lambda: scene.submit(node, GOVERN + b" " + change.encode()))


def converge(scene: Scene, seconds: float = 30.0) -> None:
    """All is final, and every honest node stands at the end of the newest epoch."""
    assert scene.run(seconds, lambda: scene.everything_final() and scene.everybody_is_there()), [
        (
            node.role.index,
            node.epoch,
            node.replica.state.view,
            node.replica.state.final.height,
            node.unbatched,
        )
        for node in scene.honest_nodes
    ]


def sets(scene: Scene) -> list[set[int]]:
    """The seats of every epoch that came to be."""
    return [set(scene.realm.seats_of(scene.epochs[epoch])) for epoch in sorted(scene.epochs)]


def ordered(scene: Scene, node: int) -> Counter[bytes]:
    """How often each transaction stands in a node's blocks."""
    blocks = scene.honest(node).store.blocks
    return Counter(
        tx
        for _, batches, _ in blocks
        for batch in batches
        for tx in decode_payload(batch.payload, batch.header.count)
    )


def ends(scene: Scene) -> list[int]:
    """Heights of the terminal blocks."""
    blocks = scene.ledger.blocks
    return [
        height
        for height in sorted(blocks)[:-1]
        if blocks[height + 1].header.epoch > blocks[height].header.epoch
    ]


def terminals(scene: Scene) -> set[bytes]:
    """Digests of the headers that would end epoch 0, proposed by anybody."""
    return {
        header.digest
        for header in scene.omniscient.headers()
        if header.epoch == 0 and header.next_epoch != scene.members.digest
    }


def without_batches_of_3(sender: SignerIndex, _: SignerIndex, message: Message) -> bool:
    """A network that loses the batches of node 3 in epoch 0."""
    return not (
        isinstance(message, BatchMessage) and sender == 3 and message.batch.header.epoch == 0
    )


def test_row_34_join_leave_rotate_and_replace_under_load_lose_and_double_nothing() -> None:
    scene = Scene(4, reserves=2)
    scene.start()
    scene.load(60, every=0.03)
    for at, change in ((0.2, "join 4"), (0.6, "leave 1"), (1.0, "replace 2 5"), (1.4, "rotate")):
        ask(scene, at, change)
    scene.run(2.0)
    converge(scene)
    assert sets(scene) == [{0, 1, 2, 3}, {0, 1, 2, 3, 4}, {0, 2, 3, 4}, {0, 3, 4, 5}, {0, 3, 4, 5}]
    assert len(ends(scene)) == 4
    for node in range(6):
        times = ordered(scene, node)
        assert {times[tx] for tx, origin in scene.submitted.items() if origin in (0, 3)} == {1}, (
            "members all along"
        )
    keys = [
        {validator.vote_key for validator in scene.epochs[epoch].validators}
        for epoch in scene.epochs
    ]
    assert not set.intersection(*keys), "each epoch has vote keys of its own"
    assert not scene.faults


def test_row_34_several_changes_in_one_block_are_one_next_set() -> None:
    scene = Scene(7, reserves=2)
    scene.start()
    for change in ("join 7", "leave 3"):
        ask(scene, 0.2, change)
    scene.load(20, every=0.03)
    scene.run(1.0)
    converge(scene)
    assert sets(scene) == [{0, 1, 2, 3, 4, 5, 6}, {0, 1, 2, 4, 5, 6, 7}]


def test_row_34_what_the_terminal_block_left_unordered_is_batched_again_by_its_origin() -> None:
    """The batch reaches nobody before the epoch ends; in the next one its envelope does."""
    scene = Scene(4)
    scene.network.filter = without_batches_of_3
    scene.start()
    scene.submit(3, b"held back")
    ask(scene, 0.05, "rotate")
    scene.run(0.5)
    converge(scene)
    (place,) = [
        (header.epoch, batch.header.lane)
        for header, batches, _ in scene.honest(0).store.blocks
        for batch in batches
        if b"held back" in batch.payload
    ]
    assert place == (1, 3)


def test_R0_whoever_begins_an_epoch_later_hears_then_what_was_said_before() -> None:
    """The first view of an epoch is not lost because two of four execute its end more slowly."""
    proposers = set()
    for slow in combinations(range(4), 2):
        scene = Scene(4)
        for node in slow:
            scene.honest(node).execution_delay = 0.05
        scene.start()
        scene.load(12, every=0.03)
        ask(scene, 0.1, "rotate")
        scene.run(1.0)
        converge(scene)
        first = next(
            (node, said) for node, said in scene.said if said.epoch == 1 and said.view == 1
        )
        if first[0] not in slow:
            proposers.add(first[0])
            assert (1, 1) not in scene.given_up
    assert proposers


@pytest.mark.parametrize("point", EPOCH_POINTS)
def test_row_34_a_crash_at_the_switch_does_not_lose_what_must_be_batched_again(point: str) -> None:
    scene = Scene(4)
    scene.network.filter = without_batches_of_3
    scene.start()
    scene.submit(3, b"held back")
    scene.crash_at(3, point, 1)
    ask(scene, 0.05, "rotate")
    scene.run(0.5)
    assert 3 in scene.down
    scene._lost.clear()  # its client does not come back
    scene.restart(3)
    converge(scene)


@pytest.mark.parametrize("hidden", [Kind.NOTARIZE, Kind.FINALIZE])
def test_row_35_a_terminal_block_notarized_here_and_nullified_there_opens_exactly_one_next_epoch(
    hidden: Kind,
) -> None:
    scene = Scene(4, reserves=1)
    state = {"until": 0.0}

    def hide(_: SignerIndex, receiver: SignerIndex, message: Message) -> bool:
        match message:
            case VoteMessage(vote):
                about = vote.statement
            case CertificateMessage(certificate):
                about = certificate.statement
            case Justify():
                return scene.now > state["until"]
            case _:
                return True
        if not terminals(scene) or about.epoch or about.kind is not hidden or receiver % 2:
            return True
        state["until"] = state["until"] or scene.now + 1.0
        return scene.now > state["until"]

    scene.network.filter = hide
    scene.start()
    scene.load(10, every=0.05)
    ask(scene, 0.1, "replace 1 4")
    scene.run(1.0)
    converge(scene)
    assert sets(scene) == [{0, 1, 2, 3}, {0, 2, 3, 4}]


@pytest.mark.parametrize("liar", range(4))
def test_row_36_a_child_of_a_terminal_block_is_refused_and_the_epoch_ends_all_the_same(
    liar: int,
) -> None:
    scene = Scene(4, liars={liar: OverTheEnd})
    built: set[bytes] = set()
    hidden_until = [0.0]

    def hide(sender: SignerIndex, _: SignerIndex, message: Message) -> bool:
        """Nobody finalises the terminal block until the liar had its turn."""
        ends = terminals(scene)
        if (
            isinstance(message, Propose)
            and sender == liar
            and message.header.epoch == 0
            and message.header.parent in ends
        ):
            built.add(message.header.digest)
        if not ends or built:
            return True
        hidden_until[0] = hidden_until[0] or scene.now + 1.0
        kind = message.vote.statement.kind if isinstance(message, VoteMessage) else None
        kind = message.certificate.kind if isinstance(message, CertificateMessage) else kind
        return scene.now > hidden_until[0] or not (
            isinstance(message, Justify) or kind is Kind.FINALIZE
        )

    scene.network.filter = hide
    scene.start()
    scene.load(10, every=0.05, nodes=[node for node in range(4) if node != liar])
    ask(scene, 0.35, "rotate", node=(liar + 1) % 4)
    scene.run(2.0)
    converge(scene)
    assert built
    assert not any(said.digest in built for _, said in scene.said)


@pytest.mark.parametrize("point", [*EPOCH_POINTS, *POINTS[2:]])
def test_row_37_a_crash_at_every_boundary_of_the_switch_with_the_old_log_present(
    point: str,
) -> None:
    for count in range(1, 7):
        scene = Scene(4, seed=count, reserves=1)
        scene.start()
        scene.load(12, every=0.04)
        victim = count % 4
        for number in range(3):
            ask(scene, 0.1 + 0.15 * number, f"rotate {number}", node=(victim + 1) % 4)
        passes = 1 if point in EPOCH_POINTS else count
        scene.at(0.02 * count, partial(scene.crash_at, victim, point, passes))
        scene.run(0.8)
        if victim in scene.down:
            scene.restart(victim)
        converge(scene)
        assert len(scene.epochs) >= 2


@pytest.mark.parametrize("point", EPOCH_POINTS)
def test_row_37_all_crash_in_the_switch_and_go_on_in_one_epoch(point: str) -> None:
    scene = Scene(4, reserves=1)
    scene.start()
    scene.load(8, every=0.04)
    ask(scene, 0.1, "replace 0 4", node=1)
    for node in range(4):
        scene.crash_at(node, point, 1)
    scene.run(1.0)
    assert len(scene.down) == 4
    for node in range(4):
        scene.restart(node)
    converge(scene)
    assert sets(scene)[-1] == {1, 2, 3, 4}


def test_row_38_a_joiner_that_is_offline_does_not_stop_the_chain_and_votes_when_it_comes() -> None:
    scene = Scene(4, reserves=1)
    scene.start(4)
    scene.load(20, every=0.05, nodes=[0, 1, 2, 3])
    ask(scene, 0.2, "join 4")
    scene.run(2.0)
    scene.settle(10.0)
    assert scene.honest(0).epoch == 1
    scene.restart(4)
    converge(scene)
    before = len(scene.said)
    scene.load(8, every=0.1)
    scene.run(1.5)
    assert 4 in {node for node, _ in scene.said[before:]}


def test_a_node_that_is_no_member_yet_observes_and_its_clients_are_served_through_members() -> None:
    scene = Scene(4, reserves=1)
    scene.start()
    scene.load(10, every=0.05)
    scene.at(0.2, lambda: scene.submit(4, b"from outside"))
    scene.run(1.0)
    converge(scene)
    assert scene.honest(4).own is None
    assert not [node for node, _ in scene.said if node == 4]


@pytest.mark.parametrize("liar", [OldVoter, Historian])
def test_row_39_a_removed_validator_votes_on_and_is_ignored_and_still_served(
    liar: type[OldVoter] | type[Historian],
) -> None:
    scene = Scene(5, reserves=1, liars={1: liar})
    scene.start()
    scene.load(40, every=0.05)
    ask(scene, 0.3, "leave 1")
    ask(scene, 0.8, "join 5")
    scene.run(2.5)
    converge(scene)
    assert sets(scene) == [{0, 1, 2, 3, 4}, {0, 2, 3, 4}, {0, 2, 3, 4, 5}]
    removed = scene.actors[SignerIndex(1)]
    assert isinstance(removed, liar)
    assert removed.inner.epoch == 2, "it follows as an observer"
    signers = [
        commit.certificate.signers
        for commit in scene.ledger.blocks.values()
        if commit.certificate is not None
    ]
    assert signers


def test_those_who_leave_may_be_all_who_know_the_epoch_that_began() -> None:
    scene = Scene(1, reserves=1)
    scene.start()
    scene.submit(0, b"govern: replace 0 1")
    scene.run(1.0)
    scene.load(3, nodes=[0, 1])
    scene.run(0.2)
    converge(scene)
    assert sets(scene) == [{0}, {1}]
    assert {node for node, said in scene.said if said.epoch == 1} == {1}


def test_row_25_a_node_that_lost_its_log_says_nothing_until_its_refresh_opens_an_epoch() -> None:
    scene = Scene(4)
    scene.start()
    scene.load(30, every=0.05)
    scene.run(0.5)
    scene.crash(2)
    scene.lose_log(2)
    scene.restart(2)
    before = len(scene.said)
    scene.run(2.0)
    converge(scene)
    said = [statement for node, statement in scene.said[before:] if node == 2]
    assert {statement.epoch for statement in said} == {1}
    assert sets(scene) == [{0, 1, 2, 3}] * 2


def test_row_25_a_lost_log_stays_lost_over_another_crash() -> None:
    scene = Scene(4)
    scene.start()
    scene.load(10, every=0.05)
    scene.run(0.3)
    scene.crash(2)
    scene.lose_log(2)
    scene.network.partition({0, 1, 3}, {2})
    scene.restart(2)
    scene.run(0.3)
    scene.crash(2)
    scene.restart(2)
    assert scene.honest(2).amnesiac
    assert not scene.honest(2).replica.state.voting
    scene.network.heal()
    converge(scene)


@pytest.mark.parametrize("liars", [{}, {0: EpochForger}])
def test_row_32_a_laggard_of_many_blocks_and_five_epochs_catches_up_whoever_lies_to_it(
    liars: dict[int, LiarFactory],
) -> None:
    scene = Scene(4, reserves=2, liars=liars)
    scene.start(3)
    scene.load(150, every=0.03, nodes=[1, 2])
    for number, change in enumerate(
        ("join 4", "replace 2 5", "rotate 1", "replace 5 2", "rotate 2", "rotate 3")
    ):
        ask(scene, 0.3 + 0.7 * number, change, node=1)
    scene.run(5.0)
    scene.settle(10.0)
    assert len(scene.epochs) >= 6
    assert scene.honest(1).replica.state.final.height > 40
    scene.restart(3)
    began = scene.now
    converge(scene)
    assert scene.now - began < 10
    before = len(scene.said)
    scene.load(8, every=0.1, nodes=[1, 2])
    scene.run(1.5)
    assert 3 in {node for node, _ in scene.said[before:]}


def test_T33_forged_ends_of_epochs_are_refused_and_their_teller_is_blamed() -> None:
    scene = Scene(4, reserves=1, liars={2: EpochForger})
    scene.start()
    scene.load(20, every=0.05)
    ask(scene, 0.3, "replace 1 4")
    scene.run(3.0)
    converge(scene)
    assert {peer for _, peer, _ in scene.faults} == {2}
    assert sets(scene) == [{0, 1, 2, 3}, {0, 2, 3, 4}]


# --- links, and a damaged store -------------------------------------------------------------------


@pytest.mark.parametrize("links", [True, False])
def test_R11_a_lost_link_costs_less_than_silence(links: bool) -> None:
    scene = Scene(4, links=links, settings=replace(QUICK, link_grace=0.06))
    scene.start()
    scene.load(8, every=0.05)
    scene.run(0.6)
    victim = scene.replicas[0].state.leader
    scene.crash(victim)
    scene.load(20, every=0.1, nodes=[node for node in range(4) if node != victim])
    gaps = commit_gaps(scene, 1.9)
    assert (max(gaps) < 0.3) is links


def commit_gaps(scene: Scene, seconds: float) -> list[float]:
    """Seconds between final blocks from now on, as one live node sees them."""
    node = next(node for node in scene.honest_nodes if node.role.index not in scene.down)
    times, end = [scene.now], scene.now + seconds
    while scene.now < end:
        height = node.replica.state.final.height
        scene.run(end - scene.now, lambda at=height: node.replica.state.final.height > at)  # type: ignore[misc]
        times.append(scene.now)
    return [after - before for before, after in pairwise(times)]


def test_R12_a_healed_partition_goes_on_at_once() -> None:
    scene = Scene(4, links=True)
    scene.start()
    scene.load(4)
    scene.run(0.5)
    scene.at(0.0, lambda: scene.network.partition({0, 1}, {2, 3}))
    scene.at(0.2, lambda: scene.submit(0, b"in the dark"))
    scene.at(2.03, scene.network.heal)
    scene.run(2.04)
    began = scene.now
    scene.settle(10.0)
    assert scene.now - began < 0.2, "without a word to the new link it would be a retry interval"


def test_a_damaged_store_is_filled_again_and_contradicts_nothing() -> None:
    for keep in (0, 3, 9):
        scene = Scene(4)
        scene.start()
        scene.load(20, every=0.05)
        scene.run(1.0)
        scene.honest(2).rotate(scene.clock(2))
        scene.crash(2)
        scene.cut_back(2, keep)
        scene.restart(2)
        converge(scene)
        assert not scene.alarms()


def test_R16_a_store_cut_back_over_an_epochs_end_does_not_vote_in_the_old_epoch_again() -> None:
    scene = Scene(4)
    scene.start()
    scene.load(30, every=0.05)
    ask(scene, 0.3, "rotate")
    scene.run(1.0)
    assert scene.honest(2).epoch == 1
    scene.crash(2)
    scene.cut_back(2, 2)
    scene.restart(2)
    assert scene.honest(2).epoch == 0
    before = len(scene.said)
    converge(scene)
    assert {said.epoch for node, said in scene.said[before:] if node == 2} <= {1}


def test_R16_own_batches_of_a_later_epoch_outlive_a_store_cut_back_over_its_beginning() -> None:
    """Others hold them, and nobody has ordered them: a lane that forgot them would fork itself."""
    scene = Scene(4)
    scene.start()
    scene.load(5, every=0.05)
    ask(scene, 0.3, "rotate")
    scene.run(1.0)
    converge(scene)
    first, lane = scene.honest(0), 2
    scene.submit(lane, b"not ordered yet")

    def is_held() -> bool:
        held = [batch.header for batch in first.pool.all()]
        return any((header.epoch, header.lane) == (1, lane) for header in held)

    assert scene.run(1.0, is_held)
    for node in range(4):
        scene.crash(node)
    scene.cut_back(lane, 2)
    for node in range(4):
        scene.restart(node)
    assert scene.honest(lane).epoch == 0
    scene.submit(lane, b"said later")
    converge(scene)


def test_R16_the_new_epochs_log_says_first_that_the_old_one_is_over() -> None:
    scene = Scene(4)
    scene.start()
    scene.load(5, every=0.05)
    ask(scene, 0.3, "rotate")
    scene.run(1.0)
    converge(scene)
    for node in range(4):
        scene.crash(node)
    scene.cut_back(2, 2)
    scene.restart(2)
    assert (scene.honest(2).epoch, scene.honest(2).replica.state.voting) == (0, False)
    for node in (0, 1, 3):
        scene.restart(node)
    converge(scene)


@pytest.mark.parametrize("rotated", [False, True], ids=["began anew", "and anew again"])
def test_R16_a_store_cut_back_over_two_ends_votes_in_neither_of_the_old_epochs_again(
    rotated: bool,
) -> None:
    """The log knows the end of the newest one at most: the one before stands nowhere in it."""
    scene = Scene(4)
    scene.start()
    scene.load(40, every=0.05)
    ask(scene, 0.3, "rotate 1")
    ask(scene, 1.2, "rotate 2")
    scene.run(2.1)
    converge(scene)
    assert scene.honest(2).epoch == 2
    if rotated:
        scene.honest(2).rotate(scene.clock(2))
    for node in range(4):
        scene.crash(node)
    scene.cut_back(2, 2)
    scene.restart(2)
    assert (scene.honest(2).epoch, scene.honest(2).replica.state.voting) == (0, False)
    before = len(scene.said)
    for node in (0, 1, 3):
        scene.restart(node)
    converge(scene)
    assert {said.epoch for node, said in scene.said[before:] if node == 2} <= {2}
