"""A node's folder that is carried elsewhere opens nothing (T58): sealed keys belong to their chip,
and what is not in the policy gets none."""

import pytest
from tests.enclave.fixtures import REGION, manufacturer
from tests.enclave.service_world import PEER, RPC, World, allowed

from strongroom.consensus.errors import AttestationError, StrongroomError
from strongroom.consensus.types import Height


def told(world: World, envelope: bytes) -> str:
    ok, value = world.say(envelope)
    assert not ok
    assert isinstance(value, list)
    return str(value[0])


def test_T58_a_backup_on_another_machine_does_not_open() -> None:
    world = World()
    world.commit()
    node = world.nodes["n1"]
    sealed = node.member.sealed()
    with pytest.raises(StrongroomError):
        world.boot("n1", manufacturer().make_chip(), sealed)
    assert world.boot("n1", node.chip, sealed).key == node.key, "its own chip opens it"


def test_T58_an_enclave_elsewhere_is_admitted_nowhere_and_given_nothing() -> None:
    world = World()
    world.commit()
    giver = world.nodes["n0"].member
    machine, region = world.prepare("n8"), world.prepare("n9", region="mars")
    allowed(world, "operator9", region.chip.chip_id)
    for joiner, reason in ((machine, "chip-unknown"), (region, "region")):
        core = joiner.core.active
        attest = core.attest(Height(world.tip.height), world.tip.digest, RPC, PEER)
        assert told(world, attest) == reason
        nonce = giver.keys_challenge()
        with pytest.raises(AttestationError) as refused:
            giver.keys_give(core.keys_proof(nonce), nonce, world.tip.time_ms)
        assert refused.value.reason in (reason, "not-admitted")
    assert {node.region for node in world.nodes["n0"].governance.nodes()} == {REGION}
