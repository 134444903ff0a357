"""What one enclave believes of another, of its predecessor, and of the headers that its host
shows."""

from dataclasses import replace
from typing import Any

import pytest
from tests.enclave.fixtures import REGION, key_named, manufacturer
from tests.enclave.hostile_host import Measured
from tests.enclave.service_world import Node, World, admitted, allowed, newer_boot

from strongroom.consensus.errors import AttestationError, OperatorFault, PeerFault
from strongroom.consensus.safety import GuardRefuses
from strongroom.consensus.statements import Kind, Statement, Vote
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, Height, PublicKey, View
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.keys.keys import ServiceSecret
from strongroom.enclave.keys.sealing import seal_state
from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.member.voting import Silenced

NONCE = bytes(range(32))


def rotated() -> World:
    """A service in epoch 1; n3 was away while its secret was agreed on."""
    world = World()
    world.commit()
    world.govern("rotate", compromised=False)
    world.turn_epoch(skip=("n3",))
    return world


def reason_of(judge: Node, evidence: bytes, world: World) -> str:
    with pytest.raises(AttestationError) as refused:
        judge.member.check_link(evidence, NONCE, world.tip.time_ms)
    return refused.value.reason


# --- links ----------------------------------------------------------------------------------------


def test_T20_an_enclave_that_meets_the_policy_and_was_not_admitted_opens_no_link() -> None:
    world = World()
    stranger = world.prepare("n9")
    allowed(world, "operator9", stranger.chip.chip_id)
    assert (
        reason_of(world.nodes["n0"], stranger.member.link_evidence(NONCE), world) == "not-a-member"
    )


def test_T20_T42_an_admitted_node_opens_a_link_with_the_keys_of_its_admission_and_no_others() -> (
    None
):
    world = World()
    joiner, judge = admitted(world), world.nodes["n0"]
    assert (
        judge.member.check_link(joiner.member.link_evidence(NONCE), NONCE, world.tip.time_ms)[1]
        == "n9"
    )
    keystore = joiner.member.keystore
    keystore.identity = replace(keystore.identity, tls_key=Digest(b"\x07" * 32))
    assert reason_of(judge, joiner.member.link_evidence(NONCE), world) == "keys-changed"


def test_T25_an_older_boot_opens_no_link_once_a_newer_one_stands_on_the_ledger() -> None:
    world = World()
    world.commit()
    old = world.nodes["n1"]
    new = newer_boot(world, "n1")
    assert reason_of(world.nodes["n0"], old.member.link_evidence(NONCE), world) == "keys-changed"
    assert world.nodes["n0"].member.check_link(
        new.member.link_evidence(NONCE), NONCE, world.tip.time_ms
    )


def test_T15_evidence_for_another_key_of_a_known_epoch_opens_no_link() -> None:
    world = World()
    one, judge = world.nodes["n1"], world.nodes["n0"]
    keystore, described = one.member.keystore, world.description
    other = replace(described, public_key_digest=Digest(b"\x07" * 32))
    claims: Any = type("Epochs", (), {"newest": other})()
    assert reason_of(judge, keystore.evidence(claims, NONCE, Height(0)), world) == "keys-changed"


# --- keys -----------------------------------------------------------------------------------------


def test_T23_keys_are_not_given_to_an_admitted_node_key_on_another_chip() -> None:
    world = World()
    joiner, chip = admitted(world), manufacturer().make_chip()
    allowed(world, "operator9", chip.chip_id)
    deployment = Deployment(
        name="n9",
        operator="operator9",
        chip_id=chip.chip_id,
        measurement=world.cluster.measurement,
        region=REGION,
    ).sign(key_named("operator9"))
    keystore = joiner.member.keystore
    moved = replace(keystore.state(), identity=replace(keystore.identity, deployment=deployment))
    copy = world.boot("n9", chip, seal_state(chip.sealing_secret(world.cluster.measurement), moved))
    giver = world.nodes["n0"]
    nonce = giver.member.keys_challenge()
    with pytest.raises(AttestationError) as refused:
        giver.member.keys_give(copy.member.keys_proof(nonce), nonce, world.tip.time_ms)
    assert refused.value.reason == "keys-changed"


def test_T2A_an_input_secret_that_derives_another_key_than_its_epochs_is_not_taken() -> None:
    world = rotated()
    late, giver = world.nodes["n3"], world.nodes["n0"]
    giver.member.keystore.keyring._secrets[Epoch(1)] = ServiceSecret.fresh().split(Epoch(1))
    nonce = giver.member.keys_challenge()
    evidence = late.member.keys_proof(nonce)
    with pytest.raises(PeerFault, match="another key"):
        late.member.keys_take(giver.member.keys_give(evidence, nonce, world.tip.time_ms))
    assert not late.member.keystore.keyring.opens(Epoch(1))


def test_an_offer_is_made_anew_for_other_recipients() -> None:
    """One that names others than those who announced a key is refused for good (T2A)."""
    world = World()
    world.commit()
    world.govern("rotate", compromised=False)
    node = world.nodes["n0"]
    governance, duties = node.governance, node.member._duties
    due = governance.due
    assert due is not None
    first = duties._offer(governance, due)
    assert duties._offer(governance, due) == first

    def fewer(_: Any) -> tuple[tuple[PublicKey, bytes], ...]:
        return real(due)[1:]

    real = governance.recipients
    governance.recipients = fewer  # type: ignore[method-assign, assignment]
    assert duties._offer(governance, due) != first


# --- what a block may need ------------------------------------------------------------------------


def test_a_block_with_calls_of_the_epoch_before_is_executed_with_its_secret_or_not_at_all() -> None:
    world = World()
    session, opening = world.open("alice")
    world.commit(opening)
    world.govern("rotate", compromised=False)
    world.turn_epoch()
    node = world.nodes["n1"]
    before = (node.height, node.member._executor.state_digest())
    node.member.keystore.keyring.forget_input(Epoch(0))
    block = world.next_block((session.seal_call(world.call("payments.open", account="food"))[1],))
    with pytest.raises(KeysNeeded):
        node.member.execute([(block.header, block.batches)], block.certificate)
    assert (node.height, node.member._executor.state_digest()) == before


# --- hand-over ------------------------------------------------------------------------------------


def successor_of(world: World, node: Node) -> tuple[Lifecycle, bytes]:
    """A process that waits to go on with this node's boot, and its nonce."""
    core = Lifecycle(node.chip, Measured(world.cluster.measurement))  # type: ignore[arg-type]
    return core, core.unseal_successor(node.sealed, world.cluster.genesis)


def test_T30_what_was_forgotten_below_a_final_view_is_not_said_anew_by_a_successor() -> None:
    world = World()
    world.commit()
    node = world.nodes["n1"]
    core, nonce = successor_of(world, node)
    node.member.cast([Statement(Kind.NULLIFY, world.epoch, View(300), NO_DIGEST)])
    node.member.forget(world.epoch, View(300))
    heir = replace(node, core=core)
    world.catch_up(heir)
    world.freshen(heir)
    core.take_over(node.core.hand_over(nonce))
    with pytest.raises(GuardRefuses):
        heir.member.cast([Statement(Kind.FINALIZE, world.epoch, View(300), world.tip.digest)])


def test_a_vote_of_a_final_view_that_a_peer_shows_to_a_successor_does_not_silence_it() -> None:
    """It ended nodes: on a quiet chain peers hold as newest a vote that was forgotten long ago."""
    world = World()
    world.commit()
    node = world.nodes["n1"]
    core, nonce = successor_of(world, node)
    said = Statement(Kind.NULLIFY, world.epoch, View(300), NO_DIGEST)
    (signature,) = node.member.cast([said])
    node.member.forget(world.epoch, View(300))
    heir = replace(node, core=core)
    world.catch_up(heir)
    world.freshen(heir)
    index = world.description.index_of(node.key)
    assert index is not None
    core.take_over(node.core.hand_over(nonce))
    heir.member.voting.notice([Vote(said, index, signature)])
    assert heir.member.cast([Statement(Kind.NULLIFY, world.epoch, View(301), NO_DIGEST)])


@pytest.mark.parametrize("forgotten", [False, True])
def test_T30_what_was_said_in_an_epoch_that_a_successor_learns_of_later_is_not_contradicted(
    forgotten: bool,
) -> None:
    """A host may keep an epoch's beginning from the successor until it has taken over."""
    world = World()
    world.commit()
    node = world.nodes["n1"]
    core, nonce = successor_of(world, node)
    heir = replace(node, core=core)
    world.catch_up(heir)
    world.freshen(heir)
    world.govern("rotate", compromised=False)
    world.turn_epoch()
    said = Statement(Kind.NULLIFY, world.epoch, View(300), NO_DIGEST)
    node.member.cast([said])
    if forgotten:
        node.member.forget(world.epoch, View(300))
    core.take_over(node.core.hand_over(nonce))
    with pytest.raises(Silenced):
        heir.member.cast([said])
    for block in world.blocks[heir.height :]:
        heir.member.execute([(block.header, block.batches)], block.certificate)
    with pytest.raises(GuardRefuses):
        heir.member.cast([Statement(Kind.FINALIZE, world.epoch, View(300), world.tip.digest)])
    assert heir.member.cast([Statement(Kind.NULLIFY, world.epoch, View(301), NO_DIGEST)])


def test_T25_a_successor_of_one_boot_takes_nothing_over_from_another() -> None:
    world = World()
    world.commit()
    first = world.nodes["n1"]
    second = world.boot("n1", first.chip, first.member.sealed())
    core, nonce = successor_of(world, second)
    with pytest.raises(OperatorFault, match="older than boot"):
        core.take_over(first.core.hand_over(nonce))
