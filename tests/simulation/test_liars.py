"""Fault matrix rows 7 to 17, 33, 45, 46 and 49: members that lie, one file each, and the
controls."""

from random import Random

import pytest
from tests.simulation.actors.chatterbox import Chatterbox
from tests.simulation.actors.edge_of_time import EdgeOfTime
from tests.simulation.actors.false_server import FalseServer
from tests.simulation.actors.forger import Forger
from tests.simulation.actors.forkers import Accomplice, ForkingLeader
from tests.simulation.actors.lane_forker import LaneForker
from tests.simulation.actors.nuller import Nuller
from tests.simulation.actors.replayer import Replayer
from tests.simulation.actors.selective import Selective
from tests.simulation.actors.spinner import Spinner
from tests.simulation.actors.stale_disk import StaleDisk
from tests.simulation.actors.twin import Twin
from tests.simulation.actors.withholder import Withholder
from tests.simulation.checkers import Violation
from tests.simulation.network import Network
from tests.simulation.scenes import Scene
from tests.simulation.world import LiarFactory

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import SignerIndex


def run(liar: LiarFactory, seed: int, size: int = 4, count: int = 1) -> Scene:
    scene = Scene(
        size, seed=seed, liars=dict.fromkeys(range(count), liar), network=Network(Random(seed))
    )
    scene.start()
    scene.load(20, every=0.1)
    scene.run(2.5)
    scene.settle(20.0)
    assert not scene.alarms()
    return scene


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("size", "count"), [(4, 1), (7, 2)])
def test_rows_7_8_T30_members_that_say_everything_fork_nothing_and_are_named(
    size: int, count: int, seed: int
) -> None:
    scene = run(Chatterbox, seed, size, count)
    assert scene.accused == set(range(count))


@pytest.mark.parametrize(("size", "count"), [(4, 1), (7, 2)])
def test_row_9_members_that_always_nullify_do_not_stop_honest_leaders(
    size: int, count: int
) -> None:
    scene = run(Nuller, 3, size, count)
    assert not scene.accused
    assert max(scene.heights()) > 5


@pytest.mark.parametrize("seed", range(4))
def test_rows_10_13_T33_T36_forged_votes_and_certificates_are_dropped_and_scored(seed: int) -> None:
    scene = run(Forger, seed)
    blamed = {peer for _, peer, _ in scene.faults}
    assert blamed == {SignerIndex(0)}
    assert not scene.views(Kind.NULLIFY) - {
        view for view in range(1, 1000) if scene.leader(view) == 0
    }


@pytest.mark.parametrize("seed", range(4))
def test_row_11_T31_replayed_messages_are_ignored(seed: int) -> None:
    run(Replayer, seed)


@pytest.mark.parametrize("seed", range(3))
def test_row_15_withheld_batches_are_fetched_from_whoever_has_them(seed: int) -> None:
    scene = Scene(4, seed=seed, liars={0: Withholder})
    scene.start()
    for number in range(6):
        scene.at(0.2 * number, lambda number=number: scene.submit(0, b"withheld %d" % number))  # type: ignore[misc]
    scene.load(10, every=0.1)
    scene.run(2.0)
    scene.settle(20.0)
    lengths = {replica.state.lane_lengths[0] for replica in scene.replicas}
    assert lengths == {6}


@pytest.mark.parametrize("seed", range(4))
def test_row_15_T35_a_forked_lane_freezes_and_the_others_go_on(seed: int) -> None:
    scene = Scene(4, seed=seed, liars={0: LaneForker})
    scene.start()
    for number in range(8):
        scene.at(0.2 * number, lambda number=number: scene.tempt(0, b"fork %d" % number))  # type: ignore[misc]
    scene.load(20, every=0.1)
    scene.run(3.0)
    scene.settle(20.0)
    ordered = [block.batches for block in scene.ledger.blocks.values()]
    assert len({digest for batches in ordered for digest in batches}) == sum(map(len, ordered))


def test_row_17_a_node_whose_execution_differs_stops_with_an_alarm_and_the_others_go_on() -> None:
    scene = Scene(4)
    scene.honest(2).wrong_root_from = 3
    scene.start()
    scene.load(20, every=0.1)
    scene.run(4.0)
    odd, rest = scene.honest(2).replica, [scene.honest(index).replica for index in (0, 1, 3)]
    assert "notarized block" in odd.state.alarm or "differs" in odd.state.alarm
    assert not any(replica.state.alarm for replica in rest)
    assert min(replica.state.final.height for replica in rest) > 8


@pytest.mark.parametrize("seed", range(3))
def test_row_33_T34_a_lying_server_is_switched_away_from(seed: int) -> None:
    scene = Scene(4, seed=seed, liars={0: FalseServer})
    scene.start(3)
    scene.load(60, every=0.05, nodes=[1, 2])
    scene.run(4.0)
    scene.restart(3)
    scene.settle(20.0)
    scene.run(1.0)
    assert len(set(scene.heights())) == 1


@pytest.mark.parametrize("liar", [Twin, StaleDisk, Selective])
@pytest.mark.parametrize("seed", range(3))
def test_rows_25_45_T30_twins_stale_disks_and_choosy_senders_fork_nothing(
    liar: LiarFactory, seed: int
) -> None:
    run(liar, seed)


def forked(size: int, liars: dict[int, LiarFactory], apart: tuple[set[int], set[int]]) -> Violation:
    """Conspirators work on two groups that do not hear of each other."""
    for seed in range(40):
        scene = Scene(size, seed=seed, liars=liars)
        one, two = apart
        scene.network.cut = {(SignerIndex(a), SignerIndex(b)) for a in one for b in two} | {
            (SignerIndex(b), SignerIndex(a)) for a in one for b in two
        }
        scene.omniscient.liars = (
            frozenset()
        )  # count honest words alone: the ledgers must show the fork by themselves
        try:
            scene.start()
            scene.load(6, every=0.1)
            scene.run(4.0)
        except Violation as violation:
            return violation
    raise AssertionError("no fork in 40 seeds")


def test_row_46_control_f_plus_1_liars_fork_and_the_checker_reports_and_names_them() -> None:
    violation = forked(4, {0: ForkingLeader, 1: Accomplice}, ({2}, {3}))
    assert violation.check == "agreement"
    assert {0, 1} <= violation.culprits


def test_row_49_control_one_equivocator_forks_three() -> None:
    violation = forked(3, {0: ForkingLeader}, ({1}, {2}))
    assert violation.check == "agreement"
    assert violation.culprits == {0}


def conspire(seeds: range) -> None:
    for seed in seeds:
        scene = Scene(4, seed=seed, liars={0: ForkingLeader, 1: Accomplice})
        scene.start()
        scene.load(6, every=0.1)
        scene.run(3.0)


def test_row_46_control_the_omniscient_check_sees_it_before_it_happens() -> None:
    with pytest.raises(Violation) as caught:
        conspire(range(20))
    assert caught.value.check in ("one certificate per view", "X excludes F", "one chain")


def test_T34_nothing_of_a_forged_range_is_kept() -> None:
    from strongroom.consensus.messages import Range
    from strongroom.consensus.replica.ranges import check_range

    scene = Scene(4)
    scene.start(3)
    scene.load(10, every=0.05, nodes=[0, 1, 2])
    scene.run(2.0)
    blocks = [(header, batches) for header, batches, _ in scene.honest(0).store.blocks[:5]]
    certificate = scene.honest(0).store.blocks[4][2]
    assert certificate is not None
    fresh = Scene(4)
    genesis, cut = fresh.anchor, Scene(4).start().replicas[0].state.final_cut
    assert len(check_range(Range(tuple(blocks), certificate), genesis, cut).headers) == 5
    loaded = next(index for index, (_, batches) in enumerate(blocks) if batches)
    header, batches = blocks[loaded]
    forged = [
        blocks[1:],
        blocks[:-1],
        [*blocks[:loaded], (header, ()), *blocks[loaded + 1 :]],
        [*blocks[:loaded], (header, batches + batches), *blocks[loaded + 1 :]],
    ]
    for wrong in forged:
        with pytest.raises(PeerFault):
            check_range(Range(tuple(wrong), certificate), genesis, cut)


@pytest.mark.parametrize("liar", [EdgeOfTime, Spinner])
@pytest.mark.parametrize(("size", "count"), [(4, 1), (7, 2)])
def test_T32_members_that_play_with_times_and_empty_blocks_neither_stop_a_chain_nor_make_it_spin(
    liar: LiarFactory, size: int, count: int
) -> None:
    """T32: times at the edges of what is voted for; empty blocks without any work, shown to some,
    never finished by their leader."""
    scene = run(liar, 3, size, count)
    assert not scene.accused
    scene.run(10.0)
    heights, words = scene.heights(), len(scene.said)
    scene.run(600.0)
    assert (scene.heights(), len(scene.said)) == (heights, words), "and then it is quiet"
    scene.load(3, every=0.1)
    scene.settle(30.0)
