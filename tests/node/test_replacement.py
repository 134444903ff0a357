"""Replacing the enclave's process, by seeds: slow processes, hanging ones, rotations meanwhile, and
an end of the host or of either process at every boundary (DESIGN §5, Grace; P10, T13). Each planted
bug is found by them."""

from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.node.planting import first_red, is_in_place, with_bug
from tests.node.replacement_world import FAULTS, Shape, World, check, run_seed
from tests.simulation.planted import Bug, read_catalogue

from strongroom.node.host import replacement_plan
from strongroom.node.host.replacement_plan import (
    LEARN_SECONDS,
    RANK_SECONDS,
    TRY_AGAIN_SECONDS,
    TRY_AGAIN_SECONDS_MAX,
    Abandon,
    Look,
    ReplacementPlan,
    Started,
    StartSuccessor,
    Teach,
    Tick,
)

SEEDS = 60
SEEDS_MAX = 200
"""Of which some must find each planted bug."""
ROOT = Path(__file__).resolve().parents[2]
BUGS = read_catalogue((Path(__file__).parent / "planted_replacement.txt").read_text())
BOUNDARIES = 12
"""Effects of one change that goes well, each with a boundary before and after it."""


def world_of(plan: Any = replacement_plan, **fields: Any) -> World:
    return World(Random(7), Shape(**fields), plan)


def test_seeds_come_to_rest_with_nothing_on_the_heap_that_is_to_be_erased() -> None:
    changes = sum(run_seed(seed).changes for seed in range(SEEDS))
    assert changes > SEEDS / 2


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("boundary", range(1, 2 * BOUNDARIES))
def test_a_fault_at_any_boundary_loses_nothing(kind: str, boundary: int) -> None:
    world = world_of(faults={boundary: kind}, took={"Teach": 5, "Repeat": 1})
    world.run(1_600)
    assert world.changes == 1 or world.first.heap == {1}


def test_a_rotation_and_an_anchor_go_by_while_the_next_process_learns() -> None:
    """It does not know the epoch that begins, and lacks a secret that blocks between need."""
    world = world_of(rotations=(10, 38), blocks=200, took={"Teach": 30})
    world.run(900)
    assert world.changes >= 2


def test_two_changes_close_together_go_one_after_the_other() -> None:
    world = world_of(rotations=(10, 11, 12, 13), blocks=200)
    world.run(900)
    assert 1 <= world.changes <= 4


def test_a_node_that_is_caught_up_by_outcomes_changes_nothing_until_it_executes() -> None:
    world = world_of(took={"Teach": 30}, followings=((70, 130), (140, 200)))
    world.run(900)
    assert world.started_at[0] >= 130 or world.starts > 1
    assert world.changes == 1


def learn_slowly(plan: Any = replacement_plan) -> None:
    """Learning takes longer than the first and the second successor have."""
    slow = int(2 * LEARN_SECONDS) + 100
    world = world_of(plan, slow_teaching=(slow,) * 20, blocks=80)
    world.run(20 * int(LEARN_SECONDS))
    check(world.changes == 1, "it never learned")


def test_a_long_ledger_is_learned_in_the_end() -> None:
    learn_slowly()


def fail_again_and_again(plan: Any = replacement_plan) -> None:
    """No successor can be started, twelve times; then one can."""
    machine, now, starts = plan.ReplacementPlan(), 0.0, list[float]()
    while len(starts) < 12:
        now += 1.0
        check(now < 3_000.0, "nobody tries any more")
        if machine.step(plan.Look(True, 0, True), now):
            starts.append(now)
            machine.step(plan.StepFailed("no memory"), now)
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    check(pauses[0] >= TRY_AGAIN_SECONDS, "again without a pause")
    check(pauses == sorted(pauses), "pauses do not grow")
    check(pauses[-1] == TRY_AGAIN_SECONDS_MAX, "pauses grow without end, or not at all")


def test_attempts_that_fail_are_repeated_ever_more_seldom_and_never_given_up() -> None:
    fail_again_and_again()


def take_turns(plan: Any = replacement_plan) -> None:
    """Four members whose change is due together, again and again."""
    machines = [plan.ReplacementPlan() for _ in range(4)]
    begun: list[float] = []
    for now in range(40):
        for rank, machine in enumerate(machines):
            due = now >= 3
            if machine.step(plan.Look(due, rank, True), float(now)):
                begun.append(now)
                machine.step(plan.StepFailed("for this test"), float(now))
        if len(begun) >= 4:
            break
    gaps = [later - earlier for earlier, later in pairwise(begun)]
    check(len(begun) == 4 and min(gaps) >= RANK_SECONDS, "two members change at a time")


def test_members_take_turns() -> None:
    take_turns()


def need_goes_and_comes_again(plan: Any = replacement_plan) -> None:
    machine = plan.ReplacementPlan()
    machine.step(plan.Look(True, 2, True), 0.0)
    machine.step(plan.Look(False, 2, True), 1.0)
    check(not machine.step(plan.Look(True, 2, True), 500.0), "an old turn counts for a new change")


def test_a_change_that_is_due_anew_waits_for_its_turn_anew() -> None:
    need_goes_and_comes_again()


def test_an_answer_to_a_step_that_was_given_up_is_ignored() -> None:
    plan = ReplacementPlan()
    assert plan.step(Look(True, 0, True), 0.0) == [StartSuccessor()]
    (given_up,) = plan.step(Tick(), LEARN_SECONDS)
    assert isinstance(given_up, Abandon)
    assert plan.step(Started(), LEARN_SECONDS) == []
    assert plan.step(Look(True, 0, True), LEARN_SECONDS + TRY_AGAIN_SECONDS) == [StartSuccessor()]
    assert plan.step(Started(), 700.0) == [Teach()]


# --- planted bugs ---------------------------------------------------------------------------------


SCENES = (take_turns, need_goes_and_comes_again, fail_again_and_again)


def find(bug: Bug) -> str:
    """Run those scenes, then seeds, until one is red; which, and why."""
    (plan,) = with_bug(bug, (replacement_plan,))
    scenes = [(scene.__name__, partial(scene, plan)) for scene in SCENES]
    seeds = [(f"seed {at}", partial(run_seed, at, plan)) for at in range(SEEDS_MAX)]
    slowly = (learn_slowly.__name__, partial(learn_slowly, plan))
    early = SEEDS_MAX // 4
    return first_red([*scenes, *seeds[:early], slowly, *seeds[early:]])


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
