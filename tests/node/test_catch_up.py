"""How a node arrives whose enclave cannot execute, by seeds: slow, silent and lying peers, quiet
and busy chains, and a crash at every boundary (PROTOCOL §6, §10 rows 32, 33; T34). Each planted bug
is found by them."""

from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.node.catch_up_chain import Shape, TrueChain
from tests.node.catch_up_world import (
    Broken,
    Disk,
    Peer,
    Plan,
    World,
    check,
    drip,
    empty,
    forged_leaf,
    forged_wish,
    peer_of,
    run_seed,
    unreadable,
)
from tests.node.planting import first_red, is_in_place, with_bug
from tests.simulation.planted import Bug, read_catalogue

from strongroom.consensus.types import Height, PublicKey
from strongroom.node.sync import catch_up, givers, snapshot_peer_search
from strongroom.node.sync.catch_up import CatchUp
from strongroom.node.sync.catch_up_events import (
    Apply,
    Began,
    Execute,
    MoreToRead,
    Tick,
    WasExecuted,
)
from strongroom.node.sync.snapshot_peer_search import (
    ANSWER_SECONDS,
    FetchSnapshot,
    SnapshotWhole,
    TrySnapshot,
)

SEEDS = 120
SEEDS_MAX = 400
"""Of which some must find each planted bug."""
ROOT = Path(__file__).resolve().parents[2]
BUGS = read_catalogue((Path(__file__).parent / "planted_catch_up.txt").read_text())
NEVER = 10**9
PEER = PublicKey(bytes(31) + b"p")


def world_of(shape: Shape, peers: list[Peer], **plan: Any) -> World:
    return World(Random(7), Plan(shape=shape, peers=peers, **{"stored": shape.blocks, **plan}))


def honest(numbers: int, **fields: Any) -> list[Peer]:
    random = Random(3)
    return [peer_of(number, random, **fields) for number in range(1, numbers + 1)]


def shape_of(blocks: int, **fields: Any) -> Shape:
    usual: dict[str, Any] = {"lag": 2, "stride": 1, "epoch_blocks": NEVER, "snapshot_blocks": NEVER}
    return Shape(**{"blocks": blocks, **usual, **fields})


@pytest.mark.parametrize("first", range(0, SEEDS, 30))
def test_in_every_world_it_arrives_and_nothing_false_is_recorded_or_shown_to_the_enclave(
    first: int,
) -> None:
    for seed in range(first, first + 30):
        run_seed(seed)


def test_a_newcomer_without_any_snapshot_applies_from_genesis_what_it_recorded_meanwhile() -> None:
    """64 blocks and more, and nobody has one: the history of what is recorded is not that of what
    is applied."""
    world = world_of(shape_of(130), honest(3))
    world.run(120.0)
    world.check_arrived()
    assert (world.loaded, world.enclave.confirmed) == (0, world.disk.link(130).anchor.height)


def test_certificates_far_apart_and_anchors_far_below_do_not_stop_it() -> None:
    """Ranges leave one certificate in 64 blocks; execution lags under load."""
    world = world_of(shape_of(2_000, lag=40, stride=64, epoch_blocks=900), honest(3), own=700)
    world.run(600.0)
    world.check_arrived()


@pytest.mark.parametrize("at", [20, 60])
def test_T45_a_joiner_comes_over_a_recovery_whose_epoch_no_state_wished(at: int) -> None:
    """In the middle of its ledger, or at its end; a liar beside is named as ever."""
    come_over_a_recovery(None, None, at=at)


def come_over_a_recovery(machine: Any, search: Any, *, at: int = 20) -> None:
    """A world in which members ended an epoch."""
    peers = honest(3)
    peers[0].lie = LIES["leaf"]
    shape = shape_of(60, recovered=at)
    plan = Plan(shape=shape, stored=60, own=1, peers=peers)
    found = (machine, search) if machine else ()
    world = World(Random(7), plan, *found)
    world.run(60.0)
    world.check_arrived()
    check(world.blamed == {peers[0].key}, "the liar alone is named")


def archived_below(first: int) -> tuple[Disk, CatchUp]:
    """A node without snapshots whose archive is away, and what it does."""
    truth = TrueChain(Random(7), shape_of(300))
    disk = Disk(truth, 300)
    for block in truth.blocks[:250]:
        disk.tree.append(block.leaf)
    disk.first = Height(first)
    machine = CatchUp(disk)
    machine.step(Began(Height(0), Height(0)), 0.0)
    return disk, machine


def test_while_a_peers_snapshot_is_hoped_for_no_archived_header_is_read() -> None:
    """A node whose archive is away comes back without it."""
    _, machine = archived_below(150)
    effects = machine.step(Tick((PEER,)), 0.0)
    assert FetchSnapshot(PEER) in effects
    while machine.is_reading:
        effects += machine.step(MoreToRead(), 0.0)
    tried = machine.step(SnapshotWhole(), 0.1)
    assert [type(one) for one in tried] == [TrySnapshot], "newer headers prove it"


def test_when_nobody_has_a_snapshot_the_archive_is_needed_and_peers_are_asked_again() -> None:
    disk, machine = archived_below(150)
    machine.step(Tick((PEER,)), 0.0)
    machine.step(Tick((PEER,)), 1.1 * ANSWER_SECONDS)
    with pytest.raises(Broken, match="block 1 of 300 is read"):
        machine.step(Tick((PEER,)), 1.2 * ANSWER_SECONDS)
    machine.seek_again()
    assert FetchSnapshot(PEER) in machine.step(Began(Height(0), Height(0)), 100.0)
    disk.first = Height(1)
    machine.step(Tick((PEER,)), 100 + 1.1 * ANSWER_SECONDS)
    effects = machine.step(Tick((PEER,)), 100 + 1.2 * ANSWER_SECONDS)
    assert Execute() in effects, "the archive is back: from its beginning on"
    lacks = machine.step(WasExecuted(Height(0), refused=True), 120.0)
    assert [one.first for one in lacks if isinstance(one, Apply)] == [1]


def test_it_arrives_while_the_chain_grows_under_load() -> None:
    world = world_of(
        shape_of(3_000, lag=20, stride=17, epoch_blocks=900),
        honest(3),
        stored=2_000,
        growth=20.0,
        opens_from=2_050,
    )
    world.run(40.0)
    assert world.done
    assert world.disk.newest < 3_000, "it arrived before the load ended"


@pytest.mark.parametrize("offers", ["unnamed", "nothing", "contradicts", "forged"])
def test_on_a_quiet_chain_nothing_waits_for_a_further_block(offers: str) -> None:
    """PROTOCOL §7: the newest snapshot is named by the newest block alone, and nobody makes the one
    that anchors it."""
    world = world_of(shape_of(72, snapshot_blocks=8), honest(4, offers=offers))
    world.run(4 * (ANSWER_SECONDS + 1.0) + 20.0)
    world.check_arrived()


def test_a_good_snapshot_is_loaded_and_what_lies_above_is_applied() -> None:
    world = world_of(shape_of(300, snapshot_blocks=50), honest(3, offers="good"))
    world.run(60.0)
    world.check_arrived()
    assert world.loaded == 200


LIES: dict[str, Callable[..., Any]] = {
    "leaf": forged_leaf(Random(1)),
    "wish": forged_wish,
    "unreadable": unreadable,
}


@pytest.mark.parametrize("kind", LIES)
@pytest.mark.parametrize("first", [1, 2, 3])
def test_T34_a_lying_peer_is_named_and_asked_no_more(kind: str, first: int) -> None:
    """T34: whichever of the peers it is, and whatever it changes; the enclave sees nothing of
    it."""
    peers = honest(3)
    peers[first - 1].lie = LIES[kind]
    world = world_of(
        shape_of(400, lag=12, stride=17, epoch_blocks=100), peers, own=1, stored=50, growth=20.0
    )
    world.run(120.0)
    world.check_arrived()
    assert world.blamed == {peers[first - 1].key}


@pytest.mark.parametrize("lie", [drip, empty])
def test_a_peer_that_gives_little_or_nothing_costs_its_turn_alone(lie: Callable[..., Any]) -> None:
    peers = honest(4)
    peers[0].lie = lie
    world = world_of(shape_of(1_000), peers, own=1)
    world.run(60.0)
    world.check_arrived()
    assert world.blamed == set()


def test_peers_slower_than_the_first_patience_are_waited_for() -> None:
    world = world_of(shape_of(200), honest(3, delay=lambda: 9.0), own=1)
    world.run(300.0)
    world.check_arrived()


def test_keys_that_come_late_are_enough_on_a_quiet_chain() -> None:
    world = world_of(shape_of(100), honest(3), keys_at=90.0)
    world.run(150.0)
    world.check_arrived()
    assert world.enclave.confirmed > 0


def test_a_disk_that_contradicts_a_quorum_halts_and_names_no_peer() -> None:
    world = world_of(shape_of(100, lag=3), honest(3), own=40)
    world.disk.tree = type(world.disk.tree)([b"another history".ljust(32)] * 41)
    world.enclave.applied = world.enclave.confirmed = 0
    with pytest.raises(Broken, match="halts"):
        world.run(60.0)
    assert world.blamed == set()


@pytest.mark.parametrize("boundary", range(0, 120, 3))
def test_a_crash_at_any_boundary_loses_nothing(boundary: int) -> None:
    """PROTOCOL §5: what was recorded is there, and the enclave begins where replay brings it."""

    class CrashesAt(World):
        def _may_crash(self) -> bool:
            self.boundaries += 1
            if self.boundaries == boundary:
                self._begin()
                return True
            return False

    plan = Plan(
        shape=shape_of(200, lag=9, stride=17, epoch_blocks=60),
        stored=200,
        peers=honest(3),
        opens_from=190,
    )
    world = CrashesAt(Random(5), plan)
    world.run(120.0)
    world.check_arrived()


# --- planted bugs ---------------------------------------------------------------------------------


def use_a_snapshot(machine: Any, search: Any) -> None:
    """A world in which one is of use."""
    plan = Plan(shape=shape_of(300, snapshot_blocks=50), stored=300, peers=honest(3, offers="good"))
    world = World(Random(7), plan, machine, search)
    world.run(60.0)
    check(world.loaded == 200, "the snapshot of 200 is not used")


def name_a_liar(machine: Any, search: Any) -> None:
    """A world in which the first peer lies."""
    peers = honest(3)
    peers[0].lie = LIES["leaf"]
    world = World(
        Random(7), Plan(shape=shape_of(40), stored=40, own=1, peers=peers), machine, search
    )
    world.run(60.0)
    check(world.blamed == {peers[0].key}, "the liar is not named")


def find(bug: Bug) -> str:
    """Run those worlds, then seeds, until one is red; which, and why."""
    _, search, machine = with_bug(bug, (givers, snapshot_peer_search, catch_up))
    worlds = (use_a_snapshot, name_a_liar, come_over_a_recovery)
    scenes = ((world.__name__, partial(world, machine, search)) for world in worlds)
    seeds = ((f"seed {at}", partial(run_seed, at, machine, search)) for at in range(SEEDS_MAX))
    return first_red(chain(scenes, seeds))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_planted_bug_has_its_place_in_the_source(bug: Bug) -> None:
    assert is_in_place(bug)


@pytest.mark.parametrize("bug", BUGS[:3], ids=lambda bug: bug.name)
def test_a_sample_of_planted_bugs_is_found(bug: Bug) -> None:
    assert find(bug)


@pytest.mark.long
@pytest.mark.parametrize("bug", BUGS[3:], ids=lambda bug: bug.name)
def test_every_planted_bug_is_found(bug: Bug) -> None:
    assert find(bug)
