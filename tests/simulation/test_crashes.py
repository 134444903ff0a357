"""Fault matrix rows 18 to 26: certificates split, crashes at every boundary, torn logs, all down at
once (T40, P3)."""

from random import Random

import pytest
from tests.simulation.actors.actor import Liar
from tests.simulation.actors.honest import STATUS_INTERVAL
from tests.simulation.network import Network
from tests.simulation.scenes import Scene
from tests.simulation.world import START

from strongroom.consensus.messages import (
    BatchMessage,
    CertificateMessage,
    Justify,
    Message,
    Status,
    VoteMessage,
)
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import SignerIndex

N, X, F = Kind.NOTARIZE, Kind.NULLIFY, Kind.FINALIZE


def speaks(message: Message, kind: Kind, views: set[int]) -> bool:
    """Does a message carry votes or certificates of a kind in some views?"""
    match message:
        case VoteMessage(vote):
            return vote.statement.kind is kind and vote.statement.view in views
        case CertificateMessage(certificate):
            return certificate.kind is kind and certificate.view in views
        case Justify(_, _, certificates, votes):
            said = [vote.statement for vote in votes] + [
                certificate.statement for certificate in certificates
            ]
            return any(statement.kind is kind and statement.view in views for statement in said)
        case _:
            return False


@pytest.mark.parametrize("knowing", [{0}, {0, 1}, {1, 3}, {2}])
def test_row_18_some_hold_n_others_x_twice_in_a_row_and_the_next_honest_leader_finalises(
    knowing: set[int],
) -> None:
    scene = Scene(4)

    def split(_: SignerIndex, receiver: SignerIndex, message: Message) -> bool:
        hidden = N if receiver not in knowing else X
        return not speaks(message, hidden, {1, 2})

    scene.network.filter = split
    scene.start()
    scene.load(4, every=0.02)
    scene.run(4.0)
    scene.network.heal()
    scene.settle(10.0)


def test_row_19_a_late_notarization_of_a_nullified_view_is_never_finalised() -> None:
    scene = Scene(4)
    scene.network.filter = lambda _, __, message: not speaks(message, N, {1})
    scene.start()
    scene.load(2)
    scene.run(1.5)
    nullifiers = {node for node, said in scene.said if (said.kind, said.view) == (X, 1)}
    assert len(nullifiers) >= 3
    scene.network.heal()
    scene.settle(10.0)
    scene.run(3.0)
    assert not {node for node, said in scene.said if (said.kind, said.view) == (F, 1)} & nullifiers


@pytest.mark.parametrize("point", ["appended", "durable", "sending"])
def test_row_20_after_x_and_a_restart_n_brings_no_f(point: str) -> None:
    scene = Scene(4)
    victim = next(index for index in range(4) if index not in (scene.leader(1), scene.leader(2)))
    scene.network.filter = lambda _, receiver, message: (
        receiver != victim or not speaks(message, N, {1})
    )
    scene.network.cut = {(SignerIndex(scene.leader(1)), SignerIndex(victim))}
    scene.start()
    scene.submit(victim, b"one")
    scene.crash_at(victim, point, 1 if point != "sending" else 2)
    scene.run(2.0)
    if victim in scene.down:
        scene.restart(victim)
    scene.network.heal()
    scene.settle(10.0)


def test_row_21_all_crash_after_x_with_exactly_q_alive_and_the_nullification_forms() -> None:
    scene = Scene(4, liars={0: Liar})
    scene.start()
    live = [1, 2, 3]
    scene.network.filter = lambda _, __, message: not speaks(message, X, set(range(1, 50)))
    scene.load(3, nodes=live)
    scene.run(3.0)
    for index in live:
        scene.crash(index)
    scene.network.heal()
    for index in live:
        scene.restart(index)
    scene.settle(20.0)


def test_row_22_all_crash_after_n_and_only_a_node_without_data_holds_the_certificate() -> None:
    """The data of whatever was notarized is durable at q − f honest members (PROTOCOL §5), so it is
    found again."""
    scene = Scene(4)
    leader = scene.leader(1)
    witness = next(index for index in range(4) if index not in (leader, scene.leader(2)))

    def only_the_witness_learns(_: SignerIndex, receiver: SignerIndex, message: Message) -> bool:
        if receiver == witness:
            return not isinstance(message, BatchMessage)
        return not speaks(message, N, {1})

    scene.network.filter = only_the_witness_learns
    scene.start()
    scene.submit(leader, b"one")
    scene.run(0.1)
    assert scene.honest(witness).replica.state.newest_notarized is not None
    for index in range(4):
        scene.crash(index)
    scene.network.heal()
    for index in range(4):
        scene.restart(index)
    scene.settle(10.0)


POINTS = (
    "stepped",
    "appended",
    "durable",
    "sending",
    "block appended",
    "block stored",
    "batch stored",
)


@pytest.mark.parametrize("point", POINTS)
def test_row_23_T40_a_crash_at_every_boundary_contradicts_nothing_and_loses_nothing(
    point: str,
) -> None:
    for count in range(1, 9):
        scene = Scene(4, seed=count)
        scene.start()
        victim = scene.leader(1 + count % 2)
        scene.crash_at(victim, point, count)
        scene.load(6, every=0.05, nodes=[index for index in range(4) if index != victim])
        scene.run(1.0)
        if victim in scene.down:
            scene.restart(victim)
        scene.settle(10.0)


@pytest.mark.parametrize("seed", range(10))
def test_row_23_all_crash_again_and_again_and_nothing_acknowledged_is_lost(seed: int) -> None:
    scene = Scene(4, seed=seed, network=Network(Random(seed), delay=(0.002, 0.03)))
    scene.start()
    scene.load(24, every=0.05)
    for round_number in range(3):
        scene.run(0.3 + 0.07 * seed)
        for index in range(4):
            scene.crash_at(index, "", 1 + (seed + index + round_number) % 7)
        scene.run(0.2)
        scene.stop_crashing()
        for index in range(4):
            scene.crash(index)
        for index in sorted(range(4), key=lambda index: (index + seed) % 4):
            scene.restart(index)
    scene.run(1.0)
    scene.settle(20.0)


def test_row_24_a_torn_tail_is_cut_and_costs_no_promise() -> None:
    for seed in range(6):
        scene = Scene(4, seed=seed)
        scene.start()
        scene.load(10, every=0.03)
        scene.run(0.2)
        victim = seed % 4
        scene.crash(victim)
        scene.honest(victim).disk.log._bytes += b"\x00\x00\x01\x00torn"
        scene.restart(victim)
        scene.settle(10.0)


def test_a_node_that_was_down_votes_again_after_it_has_caught_up() -> None:
    scene = Scene(4)
    scene.start(3)
    scene.load(80, every=0.03, nodes=[0, 1, 2])
    scene.run(4.0)
    scene.restart(3)
    scene.settle(10.0)
    scene.load(8, every=0.1)
    before = len(scene.said)
    scene.run(1.5)
    scene.settle(5.0)
    assert 3 in {node for node, _ in scene.said[before:]}


@pytest.mark.long
def test_row_32_a_laggard_of_ten_thousand_blocks_catches_up() -> None:
    scene = Scene(4)
    scene.start(3)
    scene.load(5000, every=0.06, nodes=[0, 1, 2])
    scene.run(305.0)
    assert min(scene.heights()) > 9_900
    scene.restart(3)
    begun = scene.now
    scene.settle(120.0)
    assert scene.now - begun < 60


def test_a_node_that_starts_at_the_moment_its_old_timer_was_due_has_a_timer() -> None:
    """The world's own: its timer before the crash and the new one are due at one moment."""
    told: list[float] = []
    scene = Scene(4)

    def note(sender: SignerIndex, _: SignerIndex, message: Message) -> bool:
        if isinstance(message, Status) and sender == 0:
            told.append(scene.now)
        return True

    scene.network.filter = note
    scene.start()
    scene.run(0.5)
    scene.crash(0)
    scene.run(0.5)
    assert scene.now == START + STATUS_INTERVAL
    told.clear()
    scene.restart(0)
    scene.run(1.5)
    assert sorted(set(told)) == [scene.now - 1.5, scene.now - 0.5]
