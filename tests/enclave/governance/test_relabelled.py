"""A node whose operator gives it another region's name (T58): the registry takes what the policy
allows, and what members forbid since gets no keys."""

import pytest
from tests.enclave.fixtures import REGION
from tests.enclave.governance.world import World

from strongroom.consensus.errors import AttestationError
from strongroom.enclave.governance.rules import misfit


def test_T58_a_node_that_names_a_region_outside_of_the_policy_stays_what_it_was() -> None:
    world = World()
    node = world.nodes[0]
    world.block()
    world.ok(world.attest(node))
    node.boot += 1
    assert world.refused(world.attest(node, region="mars")) == "region"
    known = world.governance.node(node.key)
    assert known is not None
    assert (known.region, known.boot) == (REGION, 1)


def test_T58_a_node_that_is_relabelled_is_shown_and_judged_by_its_new_region() -> None:
    world = World()
    world.decide("allow_region", region="asia")
    world.pass_time(3_600_000)
    world.keep_attested()
    node = world.nodes[0]
    world.block()
    world.ok(world.attest(node, region="asia", boot=2))
    shown = {one.name: one.region for one in world.governance.document().nodes}
    assert shown == {one.name: REGION for one in world.nodes} | {node.name: "asia"}
    world.governance.may_get_keys(node.key)
    world.decide("forbid_region", region="asia")
    known = world.governance.node(node.key)
    assert known is not None
    assert misfit(known, world.governance.policy) == "region"
    with pytest.raises(AttestationError):
        world.governance.may_get_keys(node.key)
    world.turn()
    assert world.governance.current.index_of(node.key) is None
    world.block()
    back = world.attest(node, region="asia", boot=3)
    assert world.refused(back) == "region"
