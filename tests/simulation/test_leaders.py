"""Fault matrix rows 1 to 6 and 16: good, dead, slow, two-faced and wrong leaders."""

import pytest
from tests.simulation.actors.actor import Liar
from tests.simulation.actors.equivocator import Equivocator
from tests.simulation.actors.false_leader import FLAWS, FalseLeader
from tests.simulation.actors.silent_proposer import SilentProposer
from tests.simulation.actors.slow_drip import SlowDrip
from tests.simulation.scenes import DELTA, QUICK, Scene

from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.statements import Kind


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 10])
def test_row_1_under_load_everything_is_final_everywhere_and_nobody_nullifies(size: int) -> None:
    scene = Scene(size)
    scene.start()
    scene.load(30, every=0.03)
    scene.run(1.0)
    scene.settle(3.0)
    assert len(set(scene.heights())) == 1
    assert not scene.views(Kind.NULLIFY)
    assert all(replica.state.strikes == 0 for replica in scene.replicas)


@pytest.mark.long
def test_row_1_thirty_members() -> None:
    scene = Scene(30)
    scene.start()
    scene.load(10)
    scene.run(0.6)
    scene.settle(3.0)
    assert not scene.views(Kind.NULLIFY)


def test_row_1_a_transaction_at_the_leader_is_final_everywhere_after_three_message_delays() -> None:
    scene = Scene(4)
    scene.start()
    scene.submit(scene.leader(1), b"first")
    begun = scene.now
    assert scene.run(1.0, scene.everything_final)
    assert scene.now - begun == pytest.approx(3 * DELTA)


def test_row_2_a_dead_leader_costs_no_timeout_once_its_silence_is_known() -> None:
    for dead in ([0], [0, 1]):
        scene = Scene(4 if len(dead) == 1 else 7, liars=dict.fromkeys(dead, Liar))
        scene.start()
        scene.load(20, every=0.1)
        scene.run(3.0)
        scene.settle(5.0)
        slowest = 0.0
        for number in range(12):
            begun = scene.now
            scene.submit(scene.honest_nodes[number % 3].role.index, b"warm %d" % number)
            assert scene.run(2.0, scene.everything_final)
            slowest = max(slowest, scene.now - begun)
            scene.run(0.3)
        assert slowest < 4 * QUICK.delta0, "no view waits for t_prop"


@pytest.mark.parametrize("reached", range(8))
def test_row_3_a_leader_that_dies_while_it_speaks_to_the_kth_leaves_the_view_final_or_nullified(
    reached: int,
) -> None:
    scene = Scene(4)
    scene.start()
    first = scene.leader(1)
    scene.crash_at(first, "sending", reached + 1)
    scene.submit(first, b"cut short")
    scene.run(3.0)
    scene.restart(first)
    scene.settle()
    assert len(set(scene.heights())) == 1


def test_row_4_a_silent_proposer_costs_at_most_t_prop_and_delta_does_not_grow() -> None:
    scene = Scene(4, liars={2: SilentProposer})
    scene.start()
    scene.load(60, every=0.1)
    scene.run(6.0)
    scene.settle(5.0)
    assert all(replica.state.strikes <= 1 for replica in scene.replicas)
    assert all(replica.state.delta == QUICK.delta0 for replica in scene.replicas)


def test_row_5_a_leader_that_proposes_just_in_time_does_not_stop_the_chain() -> None:
    scene = Scene(4, liars={1: SlowDrip})
    scene.start()
    scene.load(30, every=0.1)
    scene.run(3.0)
    scene.settle(5.0)


@pytest.mark.parametrize("seed", range(12))
def test_row_6_T30_an_equivocating_leader_never_splits_the_chain_and_is_named(seed: int) -> None:
    scene = Scene(4, seed=seed, liars={seed % 4: Equivocator})
    scene.start()
    scene.load(20, every=0.1)
    scene.run(2.5)
    scene.settle(10.0)
    assert scene.accused <= scene.liars
    assert len({replica.state.final.digest for replica in scene.replicas}) == 1


def test_row_6_T30_evidence_of_two_faces_is_found() -> None:
    accused = set()
    for seed in range(6):
        scene = Scene(4, seed=seed, liars={0: Equivocator})
        scene.start()
        scene.load(20, every=0.1)
        scene.run(3.0)
        accused |= scene.accused
    assert accused == {0}


@pytest.mark.parametrize("seed", range(len(FLAWS)))
def test_row_16_T32_no_invalid_block_is_ever_notarized(seed: int) -> None:
    scene = Scene(4, seed=seed, liars={seed % 4: FalseLeader})
    scene.start()
    scene.load(30, every=0.1)
    scene.run(3.5)
    scene.settle(10.0)
    proposers = {block.header.proposer for block in scene.ledger.blocks.values()}
    assert not proposers & scene.liars
    assert not scene.alarms()


def test_row_30_a_delta_ten_times_too_small_grows_until_it_fits() -> None:
    scene = Scene(4, settings=Settings(delta0=0.001, retry=0.3, skip_after=5.0))
    scene.network.delay = (0.01, 0.02)
    scene.start()
    scene.load(40, every=0.1)
    scene.run(5.0)
    scene.settle(20.0)
    assert max(replica.state.delta for replica in scene.replicas) <= 0.256


def test_R11_three_dead_of_ten_do_not_slow_the_rest() -> None:
    scene = Scene(10, liars={1: Liar, 4: Liar, 8: Liar})
    scene.start()
    scene.load(40, every=0.1)
    scene.run(5.0)
    scene.settle(5.0)
    begun = scene.now
    scene.submit(0, b"late")
    assert scene.run(2.0, scene.everything_final)
    assert scene.now - begun < 20 * DELTA
