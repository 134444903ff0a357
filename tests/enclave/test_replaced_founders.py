"""A newcomer knows genesis, and today's validators are others: what it walks is the succession of
epochs (T20, T24).

Chips, operators and code of those who took the founders' places stand in no policy that a newcomer
can know: only in the ledger, which it has not executed yet.
"""

from collections.abc import Callable
from random import Random

import pytest
from tests.enclave.hostile_values import forged_evidence
from tests.enclave.service_world import Node, World, allowed, attested

from strongroom.consensus.errors import AttestationError, PeerFault
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.member.stage import Need

NONCE = bytes(range(32))
NEWER = bytes(range(1, 49))
"""Code that genesis does not know."""


def give_keys(world: World, *, asker: Node, giver: Node) -> None:
    nonce = giver.member.keys_challenge()
    shown = asker.core.active.keys_proof(nonce)
    asker.sealed = asker.core.active.keys_take(
        giver.member.keys_give(shown, nonce, world.tip.time_ms)
    )


def newcomer(world: World, name: str, operator: str, measurement: bytes | None = None) -> Node:
    """Admitted by the ledger; it has seen nothing but genesis."""
    made = world.prepare(name, operator, measurement)
    allowed(world, operator, made.chip.chip_id)
    attested(world, made)
    return made


def replace(world: World, gone: str, name: str, operator: str) -> Node:
    """A node of another operator, chip and code joins; then `gone` leaves."""
    made = newcomer(world, name, operator, NEWER)
    catch_up(world, made)
    world.nodes[name] = made
    until(world, made, lambda: world.description.index_of(made.key) is not None)
    world.finish(made)
    old = world.nodes[gone]
    world.must(old.member.leave())
    until(world, made, lambda: world.description.index_of(old.key) is None)
    del world.nodes[gone]
    return made


def catch_up(world: World, node: Node) -> None:
    node.core.learner.extend(world.entries)
    give_keys(world, asker=node, giver=giver_for(world, node))
    world.commit()
    world.catch_up(node)
    world.freshen(node)


def giver_for(world: World, node: Node) -> Node:
    return next(one for one in world.voters() if one is not node)


def until(world: World, made: Node, done: Callable[[], bool]) -> None:
    for _ in range(60):
        if done():
            return
        world.commit(*world.duties(), after_ms=1_000)
        world.catch_up(made)
        if made.member._need() == Need.KEYS:
            give_keys(world, asker=made, giver=giver_for(world, made))
            world.catch_up(made)
    raise AssertionError("the epoch does not turn")


def replaced(*gone: str) -> World:
    """These founders' places are taken by n5, n6 …"""
    world = World()
    world.commit()
    world.govern("allow_measurement", measurement=NEWER)
    for number, name in enumerate(gone, start=5):
        replace(world, name, f"n{number}", f"operator{number}")
        world.commit(after_ms=61_000)
        world.commit()
    return world


def judged(judge: Node, shown: Node, world: World) -> bool:
    """Does it open a link? By today's policy (True), or by certificates alone (False)."""
    return judge.core.learner.check_link(
        shown.member.link_evidence(NONCE), NONCE, world.tip.time_ms
    )[4]


def reason(judge: Node, evidence: bytes, world: World) -> str:
    with pytest.raises(AttestationError) as caught:
        judge.core.learner.check_link(evidence, NONCE, world.tip.time_ms)
    return caught.value.reason


@pytest.mark.parametrize(
    "gone", [("n0", "n1"), ("n0", "n1", "n2", "n3")], ids=["two of four", "all four"]
)
def test_a_newcomer_joins_after_founders_were_replaced(gone: tuple[str, ...]) -> None:
    world = replaced(*gone)
    joiner = newcomer(world, "n9", "operator9")
    others = [node for node in world.nodes.values() if node.name in ("n5", "n6")]
    assert {reason(joiner, node.member.link_evidence(NONCE), world) for node in others} == {
        "measurement"
    }
    with pytest.raises(PeerFault):
        world.freshen(joiner)
    joiner.core.learner.extend(world.entries)
    assert [judged(joiner, node, world) for node in others] == [False, False]
    assert joiner.core.learner.check_link(
        others[0].member.link_evidence(NONCE), NONCE, world.tip.time_ms
    )[3] == ("certified validator, not judged yet (SIMULATED)")
    catch_up(world, joiner)
    assert [judged(joiner, node, world) for node in others] == [True, True]
    world.nodes["n9"] = joiner
    until(world, joiner, lambda: world.description.index_of(joiner.key) is not None)
    world.finish(joiner)
    assert joiner.height == world.tip.height


@pytest.mark.parametrize("seed", range(2))
def test_seeds_founders_are_replaced_one_by_one_and_after_each_a_newcomer_arrives(
    seed: int,
) -> None:
    """In any order, by nodes of old and new code, whatever code the newcomer runs: it walks the
    succession from genesis, links to every validator of today, gets fresh heads of a quorum and a
    peer's keys, and comes to the newest state that a quorum anchored."""
    random, world = Random(seed), World()
    world.commit()
    world.govern("allow_measurement", measurement=NEWER)
    for number, gone in enumerate(random.sample(["n0", "n1", "n2", "n3"], 3), start=5):
        replace(world, gone, f"n{number}", f"operator{number}")
        world.commit(after_ms=61_000)
        for _ in range(random.randint(1, 4)):
            world.commit()
        code = random.choice((None, NEWER))
        joiner = newcomer(world, f"n{number}0", f"operator{number}0", code)
        joiner.core.learner.extend(world.entries)
        founders = {"n0", "n1", "n2", "n3"}
        assert {node.name: judged(joiner, node, world) for node in world.voters()} == {
            node.name: node.name in founders for node in world.voters()
        }
        catch_up(world, joiner)
        assert joiner.height >= world.tip.anchor.height > 0
        assert all(judged(joiner, node, world) for node in world.voters())


def test_certificates_open_a_link_for_validators_of_the_newest_epoch_alone() -> None:
    """T20: neither for an admitted node, nor for one that was removed, nor over another nonce or
    chain."""
    world = replaced("n0")
    joiner, stranger = newcomer(world, "n9", "operator9"), newcomer(world, "n8", "operator8", NEWER)
    joiner.core.learner.extend(world.entries)
    assert reason(joiner, stranger.member.link_evidence(NONCE), world) == "measurement"
    member = world.nodes["n5"]
    assert reason(joiner, member.member.link_evidence(bytes(32)), world) == "nonce"
    world.govern("remove_node", node="n5")
    world.turn_epoch()
    joiner.core.learner.extend(world.entries)
    assert reason(joiner, member.member.link_evidence(NONCE), world) == "measurement"


def test_certificates_excuse_no_keys_that_the_epoch_does_not_name() -> None:
    """T33, T42: a host with another chip may claim a validator's node key; its vote key it does not
    know."""
    world = replaced("n0")
    joiner = newcomer(world, "n9", "operator9")
    joiner.core.learner.extend(world.entries)
    member = world.nodes["n5"]
    claims = Claims.decode(Evidence.decode(member.member.link_evidence(NONCE)).claims)
    applicant = world.cluster.applicants[2]
    shown = forged_evidence(applicant, claims, measurement=NEWER, vote_key=bytes(32))
    assert reason(joiner, shown, world) == "keys-changed"


def test_whoever_knows_the_newest_policy_judges_by_it_alone() -> None:
    """A validator whose code was forbidden opens no link to those who executed that."""
    world = replaced("n0")
    world.govern("forbid_measurement", measurement=NEWER)
    judge, member = world.nodes["n1"], world.nodes["n5"]
    assert world.description.index_of(member.key) is not None
    assert reason(judge, member.member.link_evidence(NONCE), world) == "measurement"
