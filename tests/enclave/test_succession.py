"""Epochs in real enclaves: rotation, joining, leaving, forgetting, taking over (DESIGN §5; P10,
T13, T25, T29, T33)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import ANY

import pytest
from tests.enclave.chain import codes
from tests.enclave.service_world import PEER, RPC, Node, World, admitted, attested, newer_boot

from strongroom.consensus.errors import AttestationError, OperatorFault, PeerFault
from strongroom.consensus.safety import GuardRefuses
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, Height, View
from strongroom.enclave.attestation.report import measurement_digest
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.execution.executor import Diverged
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.keys.keys import ServiceSecret
from strongroom.enclave.keys.sealing import unseal_state
from strongroom.enclave.member.lifecycle import Lifecycle, OutOfOrder
from strongroom.enclave.member.member import Superseded
from strongroom.enclave.member.stage import Need
from strongroom.enclave.member.starts import Starts
from strongroom.enclave.member.voting import Silenced


def rotated() -> World:
    """A service in epoch 1, by a vote to rotate."""
    world = World()
    world.commit()
    world.govern("rotate", compromised=False)
    world.turn_epoch()
    return world


def test_a_rotation_gives_every_member_the_same_new_secret_and_new_vote_keys() -> None:
    world = World()
    before = world.description
    world.commit()
    world.govern("rotate", compromised=False)
    world.turn_epoch()
    assert world.epoch == 1
    assert {one.node_key for one in world.description.validators} == {
        one.node_key for one in before.validators
    }
    assert not {one.vote_key for one in world.description.validators} & {
        one.vote_key for one in before.validators
    }
    keys = {node.member.keystore.keyring.of(Epoch(1)).public_key for node in world.nodes.values()}
    assert keys == {world.public_key()}
    world.commit()
    assert {node.height for node in world.nodes.values()} == {world.tip.height}


def test_calls_in_sessions_of_the_epoch_before_go_on_for_its_grace_and_openings_do_not() -> None:
    world = World()
    session, opening = world.open("alice", world.call("payments.open", account="rent"))
    world.commit(opening)
    world.govern("rotate", compromised=False)
    stale, late = world.open("bob")
    world.turn_epoch()
    _, call = session.seal_call(world.call("payments.open", account="food"))
    _, later = session.seal_call(world.call("payments.open", account="cars"))
    outcome = world.commit(call, late)
    assert codes(outcome) == ["executed", "wrong epoch"]
    outcome = world.commit(later, after_ms=61_000)
    assert codes(outcome) == ["wrong epoch"]
    _, fresh = world.open("bob")
    assert codes(world.commit(fresh)) == ["executed"]
    assert stale is not None


def test_a_rotation_after_a_compromise_has_no_grace() -> None:
    world = World()
    session, opening = world.open("alice")
    world.commit(opening)
    world.govern("rotate", compromised=True)
    world.turn_epoch()
    _, call = session.seal_call(world.call("payments.open", account="food"))
    assert codes(world.commit(call)) == ["wrong epoch"]


def test_P10_T13_after_the_grace_no_enclave_holds_what_opens_the_past() -> None:
    world = rotated()
    opened = world.nodes["n0"].member.keystore.keyring
    assert opened.opens(Epoch(0))
    world.commit(after_ms=61_000)
    world.commit()
    world.commit()
    for node in world.nodes.values():
        assert node.member.duties(world.wall_ms)[3] == Need.SUCCESSOR
        node.sealed = node.member.sealed()
        secret = node.chip.sealing_secret(world.cluster.measurement)
        state = unseal_state(secret, node.sealed)
        assert [one.epoch for one in state.secrets if one.opens] == [1]
        assert [one.epoch for one in state.secrets] == [0, 1]
        _, votes, wraps = state.keys.seeds()
        assert min(votes) >= 1
        assert min(wraps) >= 2


def test_P10_an_erasure_that_waits_for_an_anchor_is_work_for_the_chain() -> None:
    world = rotated()
    node = world.nodes["n0"]
    world.commit(after_ms=61_000)
    assert node.member.duties(world.wall_ms)[2] == 1, "past: the host wakes the chain"
    world.commit()
    deadline, need = node.member.duties(world.wall_ms)[2:]
    assert (deadline != 1, need) == (True, Need.SUCCESSOR)


def test_T13_a_restart_from_an_old_disk_forgets_what_the_ledger_has_outlived() -> None:
    world = rotated()
    old = world.nodes["n3"].sealed
    node = world.nodes.pop("n3")
    world.commit(after_ms=61_000)
    world.commit()
    world.commit()
    again = world.boot("n3", node.chip, old)
    assert again.core.learner.keystore.keyring.opens(Epoch(0))
    world.nodes["n3"] = again
    world.catch_up(again)
    world.freshen(again)
    assert not again.core.learner.keystore.keyring.opens(Epoch(0))


def test_T33_the_vote_key_of_an_ended_epoch_signs_nothing_more() -> None:
    world = rotated()
    statement = Statement(Kind.NULLIFY, Epoch(0), View(500), NO_DIGEST)
    for node in world.nodes.values():
        with pytest.raises(Silenced):
            node.member.cast([statement])


def test_a_terminal_block_that_opens_another_epoch_than_the_state_wishes_halts_the_enclave() -> (
    None
):
    world = World()
    world.commit()
    block = world.next_block(next_epoch=Digest(b"\x07" * 32))
    with pytest.raises(Diverged, match="wishes"):
        world.nodes["n0"].member.execute([(block.header, ())], block.certificate)


def test_a_dead_contributor_delays_the_next_epoch_by_two_seconds_a_rank() -> None:
    world = World()
    world.commit()
    world.govern("rotate", compromised=False)
    first = world.description.validators[0].node_key
    name = next(node.name for node in world.nodes.values() if node.key == first)
    world.turn_epoch(skip=(name,))
    assert world.epoch == 1
    late = world.nodes[name]
    assert late.member.duties(world.wall_ms)[3] == Need.KEYS
    assert not late.member.keystore.keyring.opens(Epoch(1))
    _keys(world, asker=late, giver=next(node for node in world.nodes.values() if node.name != name))
    assert late.member.keystore.keyring.opens(Epoch(1))


def test_T2A_a_member_that_was_wrapped_another_secret_is_not_ready_and_asks_a_peer() -> None:
    world = World()
    world.commit()
    world.govern("rotate", compromised=False)
    keys = [one.node_key for one in world.description.validators]
    by_key = {node.key: node for node in world.nodes.values()}
    liar, victim = by_key[keys[0]], by_key[keys[3]]
    honest, before = liar.member._duties._wraps, world.description.validators[3].vote_key

    def cheating(governance: Any, due: Any, service: Any) -> Iterator[tuple[Any, bytes]]:
        other = ServiceSecret.fresh()
        for (member, wrap), (_, swapped) in zip(
            honest(governance, due, service), honest(governance, due, other), strict=True
        ):
            yield member, swapped if member == victim.key else wrap

    liar.member._duties._wraps = cheating  # type: ignore[method-assign]
    world.turn_epoch()
    assert world.description.validators[3].vote_key == before, (
        "it was not ready: it keeps its last vote key"
    )
    assert victim.member.duties(world.wall_ms)[3] == Need.KEYS
    assert not victim.member.keystore.keyring.opens(Epoch(1))
    _keys(world, asker=victim, giver=by_key[keys[1]])
    assert victim.member.keystore.keyring.of(Epoch(1)).public_key == world.public_key()


def test_the_next_rotation_works_for_a_member_that_missed_the_last_one() -> None:
    world = World()
    world.commit()
    world.govern("rotate", compromised=False)
    name = "n2"
    world.turn_epoch(skip=(name,))
    late = world.nodes[name]
    _keys(world, asker=late, giver=world.nodes["n1"])
    world.catch_up(late)
    world.finish(late)
    world.commit(*world.duties(), after_ms=1_000)
    world.govern("rotate", nonce=b"2", compromised=False)
    world.turn_epoch()
    assert late.member.keystore.keyring.opens(Epoch(2))


# --- restart --------------------------------------------------------------------------------------


def test_a_restart_replays_write_sets_over_epochs_and_goes_on() -> None:
    world = rotated()
    session, opening = world.open("alice", world.call("payments.open", account="rent"))
    world.commit(opening)
    node = world.nodes.pop("n1")
    world.commit(world.open("bob")[1])
    sealed = node.member.sealed()
    again = world.boot("n1", node.chip, sealed)
    world.nodes["n1"] = again
    world.catch_up(again)
    world.finish(again)
    assert again.height == world.tip.height
    _, call = session.seal_call(world.call("payments.open", account="food"))
    assert codes(world.commit(call)) == ["executed"]


def test_a_secret_that_was_sealed_before_its_epoch_began_is_found_after_a_restart() -> None:
    """The host stores the sealed state with an offer's secret before `ready`, and perhaps not again
    for a while."""
    world = rotated()
    node = world.nodes["n1"]
    again = world.boot("n1", node.chip, node.sealed)
    assert not again.core.learner.keystore.keyring.opens(Epoch(1))
    again.core.learner.extend(world.entries)
    assert again.core.learner.keystore.keyring.opens(Epoch(1))


def test_an_epoch_that_was_not_shown_is_asked_for() -> None:
    world = rotated()
    world.commit()
    node = world.nodes["n1"]
    again = world.boot("n1", node.chip, node.member.sealed())
    with pytest.raises(PeerFault, match="EPOCHS"):
        world.freshen(again)


def test_T25_an_older_boot_stops_when_a_newer_one_stands_on_the_ledger() -> None:
    world = World()
    world.commit()
    old = world.nodes["n1"]
    newer_boot(world, "n1")
    assert old.member.duties(world.wall_ms)[3] == Need.SUPERSEDED
    with pytest.raises(Superseded):
        old.member.cast([Statement(Kind.NULLIFY, Epoch(0), View(900), NO_DIGEST)])
    with pytest.raises(Superseded):
        old.member.sign_batch(world.tip.digest)


# --- joining and leaving --------------------------------------------------------------------------


def _operator_key(name: str) -> bytes:
    from tests.enclave.fixtures import key_named

    return bytes(key_named(name).public)


def _keys(world: World, *, asker: Node, giver: Node) -> None:
    """The KEYS exchange."""
    nonce = giver.member.keys_challenge()
    evidence = asker.core.active.keys_proof(nonce)
    asker.sealed = asker.core.active.keys_take(
        giver.member.keys_give(evidence, nonce, world.tip.time_ms)
    )


def joined(world: World) -> Node:
    joiner = admitted(world)
    _keys(world, asker=joiner, giver=world.nodes["n0"])
    world.commit()
    world.catch_up(joiner)
    world.freshen(joiner)
    world.nodes[joiner.name] = joiner
    for _ in range(3):
        world.commit(*world.duties(), after_ms=1_000)
        world.catch_up(joiner)
    return joiner


def test_a_joiner_gets_ledger_secrets_catches_up_is_synced_and_becomes_a_validator() -> None:
    world = World()
    joiner = admitted(world)
    with pytest.raises(KeysNeeded):
        joiner.core.active.apply([world.blocks[0].header], [world.outcomes[0]])
    _keys(world, asker=joiner, giver=world.nodes["n0"])
    ring = joiner.core.active.keystore.keyring
    assert [(one.epoch, one.opens) for one in ring.all()] == [(0, False)]
    world.commit()
    world.catch_up(joiner)
    world.freshen(joiner)
    world.nodes["n9"] = joiner
    for _ in range(40):
        world.commit(*world.duties(), after_ms=1_000)
        world.catch_up(joiner)
        if world.epoch == 1:
            break
    assert joiner.key in {one.node_key for one in world.description.validators}
    world.finish(joiner)
    assert ring.opens(Epoch(1))
    session, opening = world.open("alice")
    assert codes(world.commit(opening)) == ["executed"]
    assert joiner.height == world.tip.height
    assert joiner.member.status()[4], "it may vote"
    assert session is not None


def test_a_node_that_joined_by_write_sets_opens_the_next_envelope_of_a_session_opened_before() -> (
    None
):
    world = World()
    session, opening = world.open("alice")
    world.commit(opening)
    joiner = admitted(world)
    _keys(world, asker=joiner, giver=world.nodes["n0"])
    world.commit()
    world.catch_up(joiner)
    world.freshen(joiner)
    world.nodes["n9"] = joiner
    for _ in range(40):
        world.commit(*world.duties(), after_ms=1_000)
        world.catch_up(joiner)
        if world.epoch == 1:
            break
    world.finish(joiner)
    _, call = session.seal_call(world.call("payments.open", account="food"))
    assert codes(world.commit(call)) == ["executed"]
    assert joiner.height == world.tip.height


def test_T24_an_upgrade_goes_node_by_node_once_governance_allows_the_new_code() -> None:
    """DESIGN §5, Upgrade: the newcomer runs M2, the old one leaves, and clients name the code that
    a validator runs."""
    world, newer = World(), bytes(range(1, 49))
    joiner = world.prepare("n9", measurement=newer)
    world.govern("allow_operator", operator="operator9", key=_operator_key("operator9"))
    world.govern("allow_chip", operator="operator9", chip=joiner.chip.chip_id)
    refused = world.say(
        joiner.core.active.attest(Height(world.tip.height), world.tip.digest, RPC, PEER)
    )
    assert refused == (False, ["measurement", ANY])
    early = world.call("payments.open", account="early")
    named = early._replace(measurement=bytes(measurement_digest(newer)))
    session, opening = world.open("alice", named)
    assert world.result(session, 0, opening, world.commit(opening)).code == "other measurement"
    world.govern("allow_measurement", measurement=newer)
    world.must(joiner.core.active.attest(Height(world.tip.height), world.tip.digest, RPC, PEER))
    _keys(world, asker=joiner, giver=world.nodes["n0"])
    world.commit()
    world.catch_up(joiner)
    world.freshen(joiner)
    world.nodes["n9"] = joiner
    leaver = world.nodes["n3"]
    world.must(leaver.member.leave())
    for _ in range(60):
        world.commit(*world.duties(), after_ms=1_000)
        if world.description.index_of(leaver.key) is None and "n3" in world.nodes:
            del world.nodes["n3"]
            world.commit(after_ms=61_000)  # the grace of epoch 0: a newcomer has no part in it
        world.catch_up(joiner)
        if joiner.member._need() == Need.KEYS:
            _keys(world, asker=joiner, giver=world.nodes["n0"])
            world.catch_up(joiner)
        if world.description.index_of(joiner.key) is not None:
            break
    assert world.description.index_of(joiner.key) is not None
    assert world.description.index_of(leaver.key) is None
    world.finish(joiner)
    session, opening = world.open("alice", named)
    assert world.result(session, 0, opening, world.commit(opening)).ok
    assert joiner.height == world.tip.height


def test_T29_no_secret_for_a_node_that_is_not_admitted() -> None:
    world = World()
    world.commit()
    stranger = world.prepare("n9")
    giver = world.nodes["n0"]
    nonce = giver.member.keys_challenge()
    with pytest.raises(AttestationError):
        giver.member.keys_give(stranger.core.active.keys_proof(nonce), nonce, world.tip.time_ms)


def test_T20_T29_evidence_answers_one_challenge_once() -> None:
    world = World()
    joiner = admitted(world)
    giver = world.nodes["n0"]
    nonce = giver.member.keys_challenge()
    evidence = joiner.core.active.keys_proof(nonce)
    giver.member.keys_give(evidence, nonce, world.tip.time_ms)
    with pytest.raises(AttestationError, match="challenge"):
        giver.member.keys_give(evidence, nonce, world.tip.time_ms)


def test_T2B_keys_that_no_enclave_of_the_set_signed_are_not_taken() -> None:
    """A host sees the one-time key in the evidence, and could wrap secrets of its own choice to
    it."""
    world = World()
    joiner = admitted(world)
    giver = world.nodes["n0"]
    nonce = giver.member.keys_challenge()
    evidence = joiner.core.active.keys_proof(nonce)
    stranger = world.prepare("n8")
    with pytest.raises(PeerFault, match="no validator"):
        joiner.core.active.keys_take(_wrapped_by(world, stranger, evidence, nonce))
    evidence = joiner.core.active.keys_proof(nonce)
    with pytest.raises(PeerFault, match="did not sign"):
        joiner.core.active.keys_take(_wrapped_by(world, stranger, evidence, nonce, named=giver.key))
    with pytest.raises(PeerFault, match="no keys were asked for"):
        joiner.core.active.keys_take(giver.member.keys_give(evidence, nonce, world.tip.time_ms))


def _wrapped_by(
    world: World, giver: Node, evidence: bytes, nonce: bytes, named: bytes = b""
) -> bytes:
    from strongroom.consensus import codec, labels
    from strongroom.enclave.attestation.claims import Claims
    from strongroom.enclave.attestation.evidence import Evidence
    from strongroom.enclave.member.key_release import _signed
    from strongroom.enclave.primitives import hybrid_seal

    claims = Claims.decode(Evidence.decode(evidence).claims)
    payload = codec.encode(((0, 0, b"", bytes(32)),))
    keystore = giver.core.learner.keystore
    signature = keystore.sign(labels.KEY_RELEASE, _signed(claims.node_key, nonce, payload))
    plaintext = codec.encode((named or keystore.node_key, signature, payload))
    info = labels.bound(labels.KEY_RELEASE, world.chain, claims.node_key + nonce)
    return hybrid_seal(claims.wrap_keys[0][1], plaintext, info)


def test_an_evicted_node_never_learns_the_next_secret() -> None:
    world = World()
    world.commit()
    world.govern("remove_node", node="n3")
    gone = world.nodes["n3"]
    world.turn_epoch()
    assert world.description.index_of(gone.key) is None
    assert not gone.member.keystore.keyring.opens(Epoch(1))
    giver = world.nodes["n0"]
    nonce = giver.member.keys_challenge()
    with pytest.raises(AttestationError):
        giver.member.keys_give(gone.member.keys_proof(nonce), nonce, world.tip.time_ms)


# --- replacing the process ------------------------------------------------------------------------


def erasing() -> tuple[World, Node]:
    """A service past the grace of epoch 0, and a node of it that was told so."""
    world = rotated()
    world.commit(after_ms=61_000)
    world.commit()
    world.commit()
    node = world.nodes["n1"]
    attested(world, node)
    node.sealed = node.member.sealed()
    return world, node


def successor_of(world: World, node: Node) -> tuple[Lifecycle, bytes]:
    core = Lifecycle(node.chip, world.measured)  # type: ignore[arg-type]
    return core, core.unseal_successor(node.sealed, world.cluster.genesis)


def test_P10_a_successor_goes_on_in_the_same_boot_without_what_was_erased() -> None:
    world, node = erasing()
    core, nonce = successor_of(world, node)
    heir = replace(node, core=core)
    world.catch_up(heir)
    world.freshen(heir)
    with pytest.raises(OutOfOrder):
        heir.member.cast([])
    vote = Statement(Kind.NULLIFY, world.epoch, View(300), NO_DIGEST)
    node.member.cast([vote])
    handed = node.core.hand_over(nonce)
    with pytest.raises(OutOfOrder):
        _ = node.core.active
    heir.sealed = core.take_over(handed)
    looked: list[int] = []
    core.on_slice = lambda: looked.append(heir.height)
    for block in world.blocks[heir.height :]:
        heir.member.execute([(block.header, block.batches)], block.certificate)
    assert heir.member.keystore.boot == 1
    assert not heir.member.keystore.keyring.opens(Epoch(0))
    with pytest.raises(GuardRefuses):
        heir.member.cast([Statement(Kind.FINALIZE, world.epoch, View(300), world.tip.digest)])
    world.nodes["n1"] = heir
    assert codes(world.commit(world.open("alice")[1])) == ["executed"]
    assert looked[-1:] == [world.tip.height - 1], "its door answers between slices, too"
    assert heir.member.duties(world.wall_ms)[3] == Need.NOTHING


def test_T25_a_number_that_was_taken_before_the_hand_over_is_taken_for_the_successor() -> None:
    """The predecessor sees its number under another's evidence while its successor learns."""
    world, node = erasing()
    core, nonce = successor_of(world, node)
    heir = replace(node, core=core)
    world.catch_up(heir)
    world.freshen(heir)
    entry = node.governance.node(node.key)
    assert entry is not None
    another = replace(entry, boot=node.member.keystore.boot, evidence_digest=NO_DIGEST)
    another = replace(another, attested_height=entry.attested_height or Height(1))
    assert not node.member.starts.is_over(another), "it takes the next"
    core.take_over(node.core.hand_over(nonce))
    keystore = heir.member.keystore
    assert (keystore.boot, keystore.state().boot) == (another.boot + 1,) * 2
    assert not heir.member.starts.is_over(another)
    assert heir.member.starts.is_over(replace(another, boot=keystore.boot)), "once a start"


def test_T25_evidence_over_block_0_is_a_founders_in_its_first_boot_alone() -> None:
    """Every host may attest over block 0: a clone that did is seen like any other."""
    node = World().nodes["n1"]
    entry = node.governance.node(node.key)
    assert entry is not None
    genesis = replace(entry, boot=1, attested_height=Height(0), evidence_digest=NO_DIGEST)
    keystore = node.member.keystore
    for seen, expected in (
        (genesis, 1),
        (replace(genesis, admitted_height=Height(4)), 2),
        (replace(genesis, boot=2), 3),
    ):
        keystore.boot = seen.boot
        assert not Starts(keystore).is_over(seen)
        assert keystore.boot == expected


def test_T25_a_hand_over_is_for_one_successor_once() -> None:
    world, node = erasing()
    first, nonce = successor_of(world, node)
    second, _ = successor_of(world, node)
    handed = node.core.hand_over(nonce)
    with pytest.raises(OperatorFault, match="another successor"):
        second.take_over(handed)
    first.take_over(handed)
    with pytest.raises(OutOfOrder):
        first.take_over(handed)


def test_a_successor_that_was_given_what_is_to_be_erased_does_not_take_over() -> None:
    world = rotated()
    node = world.nodes["n1"]
    node.sealed = node.member.sealed()
    core, nonce = successor_of(world, node)
    world.commit(after_ms=61_000)
    world.commit()
    world.commit()
    world.catch_up(replace(node, core=core))
    handed = node.core.hand_over(nonce)
    sealed = core.take_over(handed)
    state = unseal_state(node.chip.sealing_secret(world.cluster.measurement), sealed)
    assert [one.epoch for one in state.secrets if one.opens] == [1]
    assert core.active.duties(world.wall_ms)[3] == Need.SUCCESSOR, (
        "its heap had the secret: it is replaced as well"
    )


def test_codes_are_the_public_ones() -> None:
    assert Code.WRONG_EPOCH.text == "wrong epoch"


def test_clocks_that_were_put_back_below_the_blocks_time_hold_up_no_epoch() -> None:
    """Ranks wait by their own clock from when they saw the epoch due; nothing waits for the chain's
    time."""
    world = World()
    world.commit()
    world.govern("rotate", compromised=False)
    back_ms = world.wall_ms - 5 * 3_600_000
    said = {node.name: len(node.member.duties(back_ms)[1]) for node in world.nodes.values()}
    assert sum(said.values()) == 1, "the first rank offers at once"
    later = {
        node.name: len(node.member.duties(back_ms + 60_000)[1]) for node in world.nodes.values()
    }
    assert sum(later.values()) == len(world.nodes), "and all others in their turn"
