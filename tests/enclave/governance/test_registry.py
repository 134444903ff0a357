"""Nodes: admission, re-attestation, catching up, leaving, offences (T20, T25, T27, T29, T2A,
T2B)."""

from typing import Any

import pytest
from tests.enclave.governance.world import NodeActor, World, hybrid, joiner

from strongroom.consensus import equivocation as offences
from strongroom.consensus.batches import BatchHeader
from strongroom.consensus.errors import AttestationError
from strongroom.consensus.statements import Kind, Statement, Vote
from strongroom.consensus.types import Digest, Epoch, Lane, Sequence, SignerIndex, View
from strongroom.enclave.governance import admission, public
from strongroom.enclave.governance.records import Node
from strongroom.enclave.primitives import digest

DELAY_MS = 3_600_000


def allowed(world: World, name: str = "new") -> NodeActor:
    """A joiner whose chip the policy has taken up; every validator has attested again since."""
    node = joiner(name)
    world.decide("allow_chip", operator="operator0", chip=node.applicant.chip.chip_id)
    world.pass_time(DELAY_MS)
    world.keep_attested()
    return node


def registered(world: World, node: NodeActor) -> Node:
    found = world.governance.node(node.key)
    assert found is not None
    return found


def refusal_of_keys(world: World, node: NodeActor) -> str:
    with pytest.raises(AttestationError) as caught:
        world.governance.may_get_keys(node.key)
    return caught.value.reason


# --- admission ---


def test_evidence_over_a_recent_block_admits_a_node() -> None:
    """T29: only then it may have ledger secrets."""
    world = World()
    node = allowed(world)
    assert refusal_of_keys(world, node) == "not-admitted"
    evidence = world.evidence(node)
    world.ok(world.say(node, public.ATTEST, (evidence, "https://a:1", "a:2")))
    entry = registered(world, node)
    assert (entry.status, entry.name, entry.rpc, entry.peer) == (
        "joining",
        "new",
        "https://a:1",
        "a:2",
    )
    assert entry.evidence_digest == digest(evidence)
    assert entry.simulated
    world.governance.may_get_keys(node.key)


def test_what_the_policy_does_not_take_is_refused_with_its_reason_and_no_other_text() -> None:
    """T27: the same bytes on every replica."""
    world = World()
    envelope = world.attest(joiner("new"))
    ((good, answer),) = world.block(envelope)
    assert (good, answer[0]) == (False, "chip-unknown")
    assert "chip" not in answer[1]


def test_a_policy_that_changed_judges_the_next_evidence() -> None:
    """T24."""
    world = World()
    node = allowed(world)
    world.decide("allow_measurement", measurement=bytes(48))
    node.measurement = bytes(48)
    assert world.refused(world.attest(node)) == "measurement"
    world.pass_time(DELAY_MS)
    world.ok(world.attest(node))


def test_evidence_is_signed_with_the_node_key_that_it_names() -> None:
    """T20, T2B: somebody else's evidence admits nobody."""
    world = World()
    node, thief = allowed(world), joiner("thief")
    assert (
        world.refused(world.say(thief, public.ATTEST, (world.evidence(node), "", "")))
        == "other-node"
    )


def test_evidence_for_another_chain_or_challenge_is_refused() -> None:
    """T20."""
    world = World()
    node = allowed(world)
    assert world.refused(world.attest(node, chain=bytes(32))) == "chain"
    assert world.refused(world.attest(node, nonce=bytes(32))) == "nonce"
    assert world.refused(world.say(node, public.ATTEST, (b"none", "", ""))) == "malformed"


def test_evidence_over_a_block_that_is_not_recent_is_refused() -> None:
    """T20: expired evidence."""
    world = World()
    node = allowed(world)
    old = world.attest(node)
    for _ in range(1024):
        world.block()
    assert world.refused(old) == "too-old"
    world.ok(world.attest(node))


def test_evidence_that_was_held_back_for_the_maximum_age_is_refused() -> None:
    """T20: age is of the block that it answers, not of its arrival."""
    world = World()
    node = allowed(world)
    old = world.attest(node)
    world.pass_time(600_000)
    assert world.refused(old) == "too-old"


def test_evidence_of_a_block_to_come_is_refused() -> None:
    world = World()
    node = allowed(world)
    assert world.refused(world.attest(node, claimed_height(world, 1))) == "too-old"


def claimed_height(world: World, ahead: int) -> int:
    height = world.tip.height + ahead
    world.digests[height] = Digest(bytes(32))
    return height


def test_no_two_nodes_have_one_name_tls_key_chip_or_vote_key() -> None:
    """T23, T25."""
    world = World()
    node, first = allowed(world), world.nodes[0]
    tls = registered(world, first).tls_key
    assert world.refused(world.attest(node, node="n0")) == "taken"
    assert world.refused(world.attest(node, tls_key=tls)) == "taken"
    assert world.refused(world.attest(node, vote_key=first.vote_key(0))) == "taken"
    assert world.refused(world.attest(node, vote_key=node.key)) == "taken"
    clone = joiner("clone", operator=first.applicant.operator, chip=first.applicant.chip)
    assert world.refused(world.attest(clone)) == "taken"


def test_the_registry_is_bounded_and_forgets_who_was_removed_long_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "NODES_MAX", 5)
    world = World()
    node = allowed(world)
    world.ok(world.attest(node))
    envelope = world.attest(node)
    world.ok(world.say(node, public.LEAVE, ()))
    other = joiner("other", chip=node.applicant.chip)
    assert world.refused(world.attest(other)) == "full"
    for _ in range(1024):
        world.block()
    world.ok(world.attest(other))
    assert world.governance.node(node.key) is None
    assert world.refused(envelope) == "too-old"


# --- attesting again ---


def test_a_node_attests_again_and_is_fresh() -> None:
    world = World()
    first = world.nodes[0]
    world.pass_time(300_000)
    world.ok(world.attest(first))
    entry = registered(world, first)
    assert entry.status == "validator"
    assert entry.attested_height == world.tip.height - 1
    assert entry.attested_ms == world.genesis.header.time_ms + 300_000
    assert entry.vote_key == first.vote_key(0)


def test_a_replay_of_evidence_is_refused() -> None:
    """T20."""
    world = World()
    world.block()
    envelope = world.attest(world.nodes[0])
    world.ok(envelope)
    assert world.refused(envelope) == "older-boot"


def test_a_newer_boot_counts_and_the_older_one_is_refused_from_then_on() -> None:
    """T25."""
    world = World()
    first = world.nodes[0]
    world.block()
    world.ok(world.attest(first, boot=2))
    assert registered(world, first).boot == 2
    world.block()
    assert world.refused(world.attest(first, boot=1)) == "older-boot"


@pytest.mark.parametrize("claimed", [{"node": "n9"}, {"tls_key": bytes(32)}])
def test_a_known_node_key_keeps_its_name_and_tls_key(claimed: dict[str, Any]) -> None:
    """T20, T25: wrong TLS key."""
    world = World()
    world.block()
    assert world.refused(world.attest(world.nodes[0], **claimed)) == "other-node"


def test_a_known_node_key_keeps_its_chip_and_operator() -> None:
    """T23."""
    world = World()
    world.block()
    first, second = world.nodes[:2]
    moved = joiner(first.name, operator=second.applicant.operator, chip=second.applicant.chip)
    stolen = NodeActor(
        type(first.applicant)(
            name=first.name,
            chip=moved.applicant.chip,
            operator=moved.applicant.operator,
            operator_key=moved.applicant.operator_key,
            keys=first.applicant.keys,
        )
    )
    assert world.refused(world.attest(stolen)) == "other-node"


def test_a_removed_node_does_not_come_back_under_its_key() -> None:
    """T29."""
    world = World()
    node = allowed(world)
    world.ok(world.attest(node))
    world.ok(world.say(node, public.LEAVE, ()))
    assert refusal_of_keys(world, node) == "removed"
    assert world.refused(world.attest(node, boot=2)) == "removed"
    assert world.refused(world.say(node, public.LEAVE, ())) == "removed"


def test_attesting_again_wipes_no_offence() -> None:
    world = World()
    convict(world, two_votes(world))
    world.ok(world.attest(world.nodes[1]))
    assert registered(world, world.nodes[1]).offence
    assert refusal_of_keys(world, world.nodes[1]) == "removed"


# --- catching up ---


def test_a_joiner_that_executed_what_everybody_did_is_synced() -> None:
    world = World()
    node = allowed(world)
    world.ok(world.attest(node))
    envelope = world.synced(node)
    assert world.ok(envelope) == ("new", "synced")
    assert world.governance.wrap_key(node.key, Epoch(1)) == node.wrap_key(1)
    assert world.refused(envelope) == "twice"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"root": bytes(32)}, "other-history"),
        ({"root": bytes(31)}, "malformed"),
        ({"epoch": 2}, "wrong-epoch"),
        ({"epoch": 0}, "wrong-epoch"),
        ({"wrap_key": bytes(1215)}, "malformed"),
        ({"wrap_key": b"\xff" * 1216}, "malformed"),
        ({"height": 10_000}, "too-old"),
        ({"height": -1}, "too-old"),
    ],
)
def test_a_joiner_with_another_history_epoch_or_key_is_not_synced(
    changed: dict[str, Any], code: str
) -> None:
    """T2A, T2B."""
    world = World()
    node = allowed(world)
    world.ok(world.attest(node))
    assert world.refused(world.synced(node, **changed)) == code


def test_catching_up_must_be_recent() -> None:
    world = World()
    node = allowed(world)
    world.ok(world.attest(node))
    old = world.synced(node)
    for _ in range(1025):
        world.block()
    assert world.refused(old) == "too-old"


def test_only_an_admitted_joiner_says_that_it_is_synced() -> None:
    world = World()
    assert world.refused(world.synced(joiner("new"))) == "not-a-node"
    assert world.refused(world.synced(world.nodes[0])) == "not-a-node"


# --- leaving and refreshing ---


def test_a_validator_leaves_with_its_epoch_and_the_last_one_stays() -> None:
    world = World(1)
    assert world.refused(world.say(world.nodes[0], public.LEAVE, ())) == "last"
    world = World()
    leaving = world.say(world.nodes[2], public.LEAVE, ())
    assert world.ok(leaving) == ("n2", "leaving")
    assert world.refused(leaving) == "twice"
    world.turn()
    assert registered(world, world.nodes[2]).status == "removed"
    assert len(world.governance.current.validators) == 3


def test_a_refresh_opens_an_epoch_and_no_node_may_churn() -> None:
    """T2A."""
    world = World()
    refresh = world.say(world.nodes[0], public.REFRESH, (0,))
    world.ok(refresh)
    due = world.governance.due
    assert due is not None
    assert (due.reason, due.epoch) == ("refresh", 1)
    assert world.refused(refresh) == "too-soon"
    world.turn()
    assert world.refused(refresh) == "wrong-epoch"
    assert world.refused(world.say(world.nodes[0], public.REFRESH, (1,))) == "too-soon"
    world.ok(world.say(world.nodes[1], public.REFRESH, (1,)))
    world.turn()
    world.pass_time(600_000)
    world.ok(world.say(world.nodes[0], public.REFRESH, (2,)))


def test_only_a_validator_refreshes() -> None:
    world = World()
    node = allowed(world)
    world.ok(world.attest(node))
    assert world.refused(world.say(node, public.REFRESH, (0,))) == "not-a-node"


# --- offences ---


def two_votes(world: World, index: int = 1, epoch: int = 0, kind: Kind = Kind.NOTARIZE) -> bytes:
    node = world.nodes[index]
    key = node.applicant.keys.vote(Epoch(0))
    votes = []
    for byte in (1, 2):
        statement = Statement(kind, Epoch(epoch), View(3), Digest(bytes((byte,)) * 32))
        votes.append(
            Vote(
                statement, SignerIndex(index), key.sign(statement.signed_bytes(world.genesis.chain))
            )
        )
    return offences.encode_evidence(offences.VoteEvidence(*votes))


def two_batches(world: World, index: int = 1) -> bytes:
    headers = [
        BatchHeader(
            epoch=Epoch(0),
            lane=Lane(index),
            sequence=Sequence(0),
            previous=world.genesis.header.digest,
            count=1,
            size=size,
            payload_digest=Digest(bytes(32)),
        )
        for size in (1, 2)
    ]
    one, two = [
        (header, world.nodes[index].node.sign(header.signed_bytes(world.genesis.chain)))
        for header in headers
    ]
    return offences.encode_evidence(offences.BatchEvidence(*one, *two))


def convict(world: World, evidence: bytes) -> Any:
    return world.ok(public.evidence_envelope(evidence))


def test_an_offence_takes_a_node_out_of_the_next_epoch() -> None:
    """T30."""
    world = World()
    assert convict(world, two_votes(world)) == ("n1", 0, "two votes in epoch 0")
    due = world.governance.due
    assert due is not None
    assert (due.reason, world.nodes[1].key in due.members) == ("set", False)
    world.turn()
    assert registered(world, world.nodes[1]).status == "removed"
    assert world.governance.document().offences[0].what == "two votes in epoch 0"


def test_a_validator_that_is_alone_stays_whatever_it_did() -> None:
    """Never an empty set."""
    world = World(1)
    convict(world, two_votes(world, index=0))
    assert world.governance.due is None


def test_an_offence_is_noted_once_per_node_and_epoch() -> None:
    world = World()
    convict(world, two_votes(world))
    assert world.refused(public.evidence_envelope(two_batches(world))) == "twice"
    convict(world, two_batches(world, index=2))


def test_an_offence_of_the_epoch_before_still_counts_and_older_ones_do_not() -> None:
    world = World()
    evidence = two_votes(world)
    world.decide("rotate", compromised=False)
    world.turn()
    late = two_votes(world, index=2)
    convict(world, evidence)
    world.turn()
    assert world.refused(public.evidence_envelope(late)) == "wrong-epoch"


def test_what_contradicts_nothing_convicts_nobody() -> None:
    world = World()
    evidence = bytearray(two_votes(world))
    evidence[-1] ^= 1
    assert world.refused(public.evidence_envelope(bytes(evidence))) == "proves-nothing"
    assert world.refused(public.evidence_envelope(b"none")) == "malformed"
    assert world.refused(public.evidence_envelope(two_votes(world, epoch=7))) == "wrong-epoch"


def test_governance_removes_a_node_at_once_from_keys_and_with_the_epoch_from_the_set() -> None:
    """T29."""
    world = World()
    world.decide("remove_node", node="n3")
    assert refusal_of_keys(world, world.nodes[3]) == "removed"
    assert world.governance.current.index_of(world.nodes[3].key) is not None
    world.turn()
    assert world.governance.current.index_of(world.nodes[3].key) is None


def test_a_wrap_key_of_an_admission_is_for_the_next_epoch_only() -> None:
    world = World()
    node = allowed(world)
    wraps = ((Epoch(0), hybrid("a")), (Epoch(1), hybrid("b")), (Epoch(2), hybrid("c")))
    world.ok(world.attest(node, wrap_keys=wraps))
    assert [world.governance.wrap_key(node.key, Epoch(epoch)) for epoch in range(3)] == [
        None,
        hybrid("b"),
        None,
    ]
