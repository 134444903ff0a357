"""`gov simulate` says what a change does to nodes, and then exactly that happens."""

from typing import Any

import pytest
from tests.enclave.fixtures import key_named
from tests.enclave.governance.world import NodeActor, World, joiner

from strongroom.consensus import codec
from strongroom.enclave.governance.document import Document
from strongroom.node.client.effects import NEXT_EVIDENCE, NOW, effects_on_nodes, epochs_needed


def simulated(
    world: World, change: str, **arguments: Any
) -> tuple[list[tuple[str, str, str]], int]:
    """[(node, when, what)], and how many epochs it takes."""
    state = Document.read(codec.decode(codec.encode(world.governance.document())))
    listed = tuple(arguments.items())
    found = effects_on_nodes(
        state, ((change, listed),), state.simulate(((change, listed),))[-1].after
    )
    return [(one.node, one.when, one.what) for one in found], epochs_needed(found, state)


def with_a_node_in(region: str) -> tuple[World, NodeActor]:
    """Four founders, and a fifth validator elsewhere, of operator0."""
    world = World()
    node = joiner("new")
    node.region = region
    world.decide("allow_chip", operator="operator0", chip=node.applicant.chip.chip_id)
    world.decide("allow_region", region=region)
    world.pass_time(3_600_000)
    world.keep_attested()
    world.ok(world.attest(node))
    world.ok(world.synced(node))
    world.turn(node)
    assert world.governance.current.index_of(node.key) is not None
    return world, node


def is_in(world: World, node: NodeActor) -> bool:
    return world.governance.current.index_of(node.key) is not None


OUT = "suspended, then out of the set"


def test_a_region_that_is_forbidden_takes_its_validators_out() -> None:
    world, node = with_a_node_in("us-east")
    assert simulated(world, "forbid_region", region="us-east") == ([("new", NOW, OUT)], 1)
    world.decide("forbid_region", region="us-east")
    assert world.governance.is_suspended(world.governance.node(node.key))  # type: ignore[arg-type]
    world.turn()
    assert not is_in(world, node)


@pytest.mark.parametrize("change", ["forbid_chip", "forbid_operator"])
def test_chips_and_operators_that_are_forbidden_take_their_validators_out(change: str) -> None:
    world, node = with_a_node_in("us-east")
    operator: dict[str, Any] = {"operator": "operator0"}
    chip = operator | {"chip": node.applicant.chip.chip_id}
    both = [("n0", NOW, OUT), ("new", NOW, OUT)]
    if change == "forbid_chip":
        assert simulated(world, change, **chip) == (both[1:], 1)
    else:
        state = simulated(world, "forbid_operator", operator="operator1")
        assert state == ([("n1", NOW, OUT)], 1)


def test_a_new_key_of_an_operator_takes_its_nodes_out_at_their_next_attestation() -> None:
    world, node = with_a_node_in("us-east")
    key = bytes(key_named("another key").public)
    names, epochs = simulated(world, "allow_operator", operator="operator0", key=key)
    assert names == [("n0", NEXT_EVIDENCE, OUT), ("new", NEXT_EVIDENCE, OUT)]
    assert epochs == 2
    world.decide("allow_operator", operator="operator0", key=key)
    world.pass_time(3_600_000)
    assert (
        world.refused(world.attest(node, vote_key=world.registered_vote(node)))
        == "operator-signature"
    )


def test_a_shorter_age_suspends_whose_evidence_is_older_and_keeps_a_quorum() -> None:
    world = World()
    world.pass_time(400_000)
    names, epochs = simulated(world, "set_max_age", max_age_ms=60_000)
    assert [what for _, _, what in names].count("suspended until it attests again") == 1
    assert [what for _, _, what in names].count(
        "an alarm until it attests again: a quorum must stay"
    ) == 3
    assert epochs == 0


def test_a_revoked_key_makes_everybody_attest_again() -> None:
    world = World()
    world.block()
    names, _ = simulated(world, "revoke_key", key=bytes(32))
    assert {node for node, _, _ in names} == {"n0", "n1", "n2", "n3"}
    world.decide("revoke_key", key=bytes(32))
    assert (
        len([node for node in world.governance.nodes() if world.governance.is_suspended(node)]) == 1
    )


def test_removal_names_the_one_node_and_what_changes_no_node_names_none() -> None:
    world = World()
    assert simulated(world, "remove_node", node="n2") == ([("n2", NOW, OUT)], 1)
    assert simulated(world, "allow_region", region="asia") == ([], 0)
    assert simulated(world, "set_limit", name="grace_ms", value=5) == ([], 0)
