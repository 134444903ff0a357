"""Fault matrix rows 27 to 31: partitions, loss, duplication, delay classes, clocks."""

from random import Random

import pytest
from tests.simulation.chaos import DELAY_CLASSES
from tests.simulation.network import Network
from tests.simulation.scenes import Scene

from strongroom.consensus.types import SignerIndex


@pytest.mark.parametrize("groups", [({0, 1}, {2, 3}), ({0}, {1}, {2, 3}), ({0}, {1}, {2}, {3})])
def test_row_27_without_a_quorum_nothing_is_committed_and_after_healing_everything_is(
    groups: tuple[set[int], ...],
) -> None:
    scene = Scene(4)
    scene.start()
    scene.load(4)
    scene.settle(3.0)
    scene.run(0.5)
    before = scene.heights()
    scene.network.partition(*groups)
    scene.load(8)
    scene.run(5.0)
    assert scene.heights() == before
    scene.network.heal()
    scene.settle(10.0)


def test_row_27_the_side_with_a_quorum_goes_on() -> None:
    scene = Scene(4)
    scene.start()
    scene.network.partition({0, 1, 2}, {3})
    scene.load(10, nodes=[0, 1, 2])
    scene.run(4.0)
    assert min(scene.heights()[:3]) >= 5
    assert scene.heights()[3] == 0
    scene.network.heal()
    scene.settle(10.0)


@pytest.mark.parametrize("seed", range(4))
def test_row_27_partitions_that_rotate_and_pass_one_way(seed: int) -> None:
    scene = Scene(4, seed=seed)
    scene.start()
    scene.load(20, every=0.2)
    random = Random(seed)
    for turn in range(12):
        scene.run(0.4)
        if turn % 2:
            scene.network.partition({turn % 4}, {index for index in range(4) if index != turn % 4})
        else:
            pairs = [(SignerIndex(a), SignerIndex(b)) for a in range(4) for b in range(4) if a != b]
            scene.network.cut = set(random.sample(pairs, 4))
    scene.network.heal()
    scene.settle(20.0)


@pytest.mark.parametrize("seed", range(4))
def test_row_28_T31_loss_of_30_percent_with_duplicates_and_reordering(seed: int) -> None:
    network = Network(Random(seed), delay=(0.001, 0.08), loss=0.3, duplication=0.3, salt=seed)
    scene = Scene(4, seed=seed, network=network)
    scene.start()
    scene.load(12, every=0.2)
    scene.run(3.0)
    scene.settle(60.0)


@pytest.mark.parametrize("seed", range(6))
def test_row_29_delay_classes_for_each_view_kind_and_receiver(seed: int) -> None:
    scene = Scene(4, seed=seed, network=Network(Random(seed), classes=DELAY_CLASSES, salt=seed))
    scene.start()
    scene.load(10, every=0.2)
    scene.run(8.0)
    scene.network.heal()
    scene.settle(20.0)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_row_29_delay_classes_for_a_thousand_views(seed: int) -> None:
    """The classes are drawn anew in every round. What they lose is lost for ever, however often it
    is repeated: one draw that keeps every NULLIFY of one view from everybody would otherwise end
    the run there, rightly."""
    network = Network(Random(seed), classes=DELAY_CLASSES, salt=seed)
    scene = Scene(4, seed=seed, network=network)
    scene.start()
    scene.load(4000, every=0.2)
    reached, idle = 0, 0
    while reached < 1000:
        network.salt += 1000
        scene.run(20.0)
        before, reached = reached, max(int(replica.state.view) for replica in scene.replicas)
        idle = 0 if reached > before else idle + 1
        assert idle < 3, (reached, scene.heights())
    network.heal()
    scene.settle(60.0)


def test_row_31_a_clock_that_jumps_ahead_makes_nobody_else_wait_for_long() -> None:
    scene = Scene(4)
    scene.start()
    scene.load(10)
    scene.run(1.0)
    scene.skew_ms[0] = 3_600_000
    scene.load(20, every=0.1)
    scene.run(3.0)
    scene.settle(10.0)
    assert scene.replicas[1].state.final.time_ms < scene.clock(1).wall_ms + 1000


def test_row_31_a_pause_of_a_minute_ends_in_a_vote_again() -> None:
    scene = Scene(4)
    scene.start()
    scene.network.partition({0, 1, 2}, {3})
    scene.load(60, every=1.0, nodes=[0, 1, 2])
    scene.run(60.0)
    scene.network.heal()
    scene.settle(10.0)
    assert len(set(scene.heights())) == 1
