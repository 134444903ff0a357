"""Asking other nodes for secrets and giving them, by seeds: slow, silent, ignorant and lying peers,
and an asker that ends at any boundary (DESIGN §5, KEYS; P8, T29). Each planted bug is found by
them."""

from functools import partial
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.node.keys_world import ASKER, KINDS, Shape, World, check, run_seed
from tests.node.planting import first_red, is_in_place, with_bug
from tests.simulation.planted import Bug, read_catalogue

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.types import PublicKey
from strongroom.node.membership import key_asking, key_giving
from strongroom.node.membership.key_asking import PATIENCE_SECONDS

SEEDS = 100
SEEDS_MAX = 300
"""Of which some must find each planted bug."""
ROOT = Path(__file__).resolve().parents[2]
BUGS = read_catalogue((Path(__file__).parent / "planted_keys.txt").read_text())
ENDS = 24


def world_of(asking: Any = key_asking, giving: Any = key_giving, **fields: Any) -> World:
    return World(Random(7), Shape(**fields), asking, giving)


def test_by_seeds_the_secret_comes_and_is_kept() -> None:
    for seed in range(SEEDS):
        run_seed(seed)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("honest", "slow")])
def test_peers_that_give_nothing_cost_their_turn_alone(kind: str) -> None:
    world = world_of(kinds=(kind, kind, "honest", kind))
    world.run(60.0)
    assert world.exchanges <= 4


def test_peers_slower_than_the_first_patience_are_waited_for() -> None:
    world = world_of(kinds=("slow", "slow"), slow=3 * PATIENCE_SECONDS)
    world.run(200.0)
    assert world.done


@pytest.mark.parametrize("boundary", range(1, ENDS))
def test_an_end_at_any_boundary_loses_nothing(boundary: int) -> None:
    world = world_of(
        kinds=("ignorant", "honest", "silent"), ends_at=frozenset({boundary}), lost=(3.0, 9.0)
    )
    world.run(120.0)
    assert world.disk >= {2}


def be_alone(asking: Any = key_asking, giving: Any = key_giving) -> None:
    """Nobody has a link for ten seconds."""
    world = world_of(asking, giving, linked_at=10.0)
    world.run(30.0)
    check(world.introduced >= 10, "nobody introduces it")


def test_a_node_without_links_is_introduced_first() -> None:
    be_alone()


def have_nothing_to_give(asking: Any = key_asking, giving: Any = key_giving) -> None:
    """None has what is needed, whether they say nothing or nonsense: they are asked in measure."""
    for kind in ("ignorant", "garbage"):
        world = world_of(asking, giving, kinds=(kind,) * 3)
        try:
            world.run(300.0)
        except AssertionError as never:
            check(str(never) == "the secret never comes", str(never))
        check(25 <= world.exchanges <= 150, f"{world.exchanges} exchanges in 300 seconds")


def test_nobody_is_asked_in_a_storm_nor_never_again() -> None:
    have_nothing_to_give()


def remember_many(asking: Any = key_asking, giving: Any = key_giving) -> None:
    """More askers than can be remembered: the newest are known, and memory is bounded."""
    machine = giving.KeyGiving()
    for number in range(3 * giving.ASKERS_MAX):
        peer = PublicKey(number.to_bytes(32, "big"))
        machine.step(giving.RequestCame(peer), float(number))
        machine.step(giving.ChallengeMade(peer, b"nonce"), float(number))
    check(len(machine._nonces) <= giving.ASKERS_MAX, "memory has no bound")
    check(len(machine._next_at) <= giving.ASKERS_MAX, "memory has no bound")
    check(bool(machine.step(giving.ProofCame(peer, b"proof"), 0.0)), "the newest is forgotten")


def test_what_a_giver_remembers_is_bounded() -> None:
    remember_many()


def answer_once(asking: Any = key_asking, giving: Any = key_giving) -> None:
    """One nonce, one proof; none without a challenge; two askers beside each other."""
    machine, other = giving.KeyGiving(), PublicKey(bytes(32))
    for peer in (ASKER, other):
        machine.step(giving.RequestCame(peer), 0.0)
    for peer, nonce in ((ASKER, b"one"), (other, b"two")):
        check(
            machine.step(giving.ChallengeMade(peer, nonce), 0.1)
            == [giving.SendChallenge(peer, nonce)],
            "no challenge is sent",
        )
    (effect,) = machine.step(giving.ProofCame(ASKER, b"proof"), 0.2)
    check(effect.nonce == b"one", "another's nonce")
    for peer in (ASKER, PublicKey(b"\1" * 32)):
        try:
            machine.step(giving.ProofCame(peer, b"proof"), 0.3)
        except PeerFault:
            continue
        check(False, "a proof is judged that answers no challenge")


def test_each_challenge_is_answered_once() -> None:
    answer_once()


# --- planted bugs ---------------------------------------------------------------------------------


SCENES = (be_alone, have_nothing_to_give, remember_many, answer_once)


def find(bug: Bug) -> str:
    """Run those scenes, then seeds, until one is red; which, and why."""
    asking, giving = with_bug(bug, (key_asking, key_giving))
    scenes = ((scene.__name__, partial(scene, asking, giving)) for scene in SCENES)
    seeds = ((f"seed {at}", partial(run_seed, at, asking, giving)) for at in range(SEEDS_MAX))
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
