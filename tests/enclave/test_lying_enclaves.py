"""Other enclaves lie: what they attest to, wrap, sign and hand over ends no honest one (T2A, T31).

A liar here has a validator's chip, node key and vote key, and writes whatever it likes. An honest
enclave answers at its serve, as it does in a process: with an answer or a typed refusal, and never
with an error that nobody had foreseen.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave.chain import codes
from tests.enclave.hostile_values import (
    BAD_HYBRID_KEYS,
    LEAVES,
    LOW_ORDER_POINTS,
    TUPLES,
    forged_evidence,
    like,
)
from tests.enclave.service_world import Node, World

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import InvariantBroken, NotCanonical, OperatorFault
from strongroom.consensus.types import Epoch
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.door.refusals import Refusal, RefusalKind
from strongroom.enclave.door.requests import Op, decode_answer, encode_request
from strongroom.enclave.door.serve import answer_to
from strongroom.enclave.door.shapes import Fields
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.governance.succession import WRAP_BYTES_MAX
from strongroom.enclave.member.key_release import _signed
from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.member.stage import ALWAYS
from strongroom.enclave.primitives import (
    DoesNotOpen,
    HybridKey,
    Secret,
    check_hybrid,
    digest,
    hybrid_seal,
)
from strongroom.enclave.sessions.intake import Intake

NONCE = bytes(range(32))


def asked(core: Lifecycle, op: Op, *arguments: object) -> object:
    """What comes out of the door: an answer, or a refusal that somebody had foreseen."""
    answer: object
    try:
        answer = decode_answer(answer_to(core, encode_request(op, *arguments)))
    except Refusal as refusal:
        answer = refusal
    assert not (isinstance(answer, Refusal) and answer.kind == RefusalKind.UNFORESEEN), answer
    return answer


@cache
def shared() -> World:
    world = World()
    world.commit()
    return world


def claims_of(node: Node, nonce: bytes) -> Claims:
    return Claims.decode(Evidence.decode(node.member.link_evidence(nonce)).claims)


def lying(world: World, index: int, challenge: bytes, /, **changed: object) -> bytes:
    """Evidence of the validator `index` over a nonce, with claims as a liar writes them."""
    applicant = world.cluster.applicants[index]
    claims = claims_of(world.nodes[applicant.name], challenge)
    return forged_evidence(applicant, claims, measurement=world.cluster.measurement, **changed)


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", LOW_ORDER_POINTS, ids=range(len(LOW_ORDER_POINTS)))
def test_a_point_of_low_order_is_no_key(point: bytes) -> None:
    whole = HybridKey(Secret.fresh()).public
    check_hybrid(whole)
    with pytest.raises(NotCanonical, match="low order"):
        check_hybrid(whole[:1184] + point)
    with pytest.raises(DoesNotOpen):
        hybrid_seal(whole[:1184] + point, b"", b"")


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=3, max_size=3), st.integers(0, 383))
def test_a_coefficient_beyond_the_modulus_makes_no_key_whatever_the_library_says(
    three: bytes, at: int
) -> None:
    """FIPS 203 §7.2: two coefficients of 12 bits in three bytes, each below 3329."""
    whole = HybridKey(Secret(bytes(32))).public
    changed = whole[: 3 * at] + three + whole[3 * at + 3 :]
    number = int.from_bytes(three, "little")
    if number & 0xFFF < 3329 and number >> 12 < 3329:
        check_hybrid(changed)
        hybrid_seal(changed, b"", b"")
    else:
        with pytest.raises(NotCanonical, match="out of range"):
            check_hybrid(changed)


@pytest.mark.parametrize("bad", BAD_HYBRID_KEYS, ids=range(len(BAD_HYBRID_KEYS)))
def test_T29_a_one_time_key_that_takes_nothing_is_refused_and_ends_nobody(bad: bytes) -> None:
    world = shared()
    giver = world.nodes["n0"].core
    nonce = giver.active.keys_challenge()
    shown = lying(world, 1, nonce, wrap_keys=((0, bad),))
    answer = asked(giver, Op.KEYS_GIVE, shown, nonce, int(world.tip.time_ms))
    assert isinstance(answer, Refusal)
    assert answer.kind == RefusalKind.NOT_CANONICAL


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_T31_whatever_an_asker_of_keys_or_a_link_attests_to_is_judged(data: st.DataObject) -> None:
    world, judge = shared(), shared().nodes["n0"].core
    nonce = judge.active.keys_challenge()
    claims = claims_of(world.nodes["n1"], nonce)
    names = data.draw(
        st.lists(st.sampled_from(list(Claims.__dataclass_fields__)), min_size=1, max_size=3)
    )
    wrap_key = st.sampled_from([*BAD_HYBRID_KEYS, HybridKey(Secret(bytes(32))).public])
    wraps = st.lists(st.tuples(LEAVES, wrap_key), max_size=3).map(tuple)
    changed = {
        name: data.draw(wraps | TUPLES if name == "wrap_keys" else like(getattr(claims, name)))
        for name in names
    }
    shown = lying(world, 1, nonce, **changed)
    asked(judge, Op.KEYS_GIVE, shown, nonce, int(world.tip.time_ms))
    asked(
        judge,
        Op.CHECK_LINK,
        shown,
        nonce,
        data.draw(st.sampled_from([0, int(world.tip.time_ms), 2**64 - 1])),
    )


def taken(payload: bytes, *, signed: bool = True) -> object:
    """What n1 makes of this payload, wrapped by n0."""
    world, asker, giver = shared(), shared().nodes["n1"].core, shared().nodes["n0"]
    claims = Claims.decode(Evidence.decode(asker.active.keys_proof(NONCE)).claims)
    signature = giver.member.keystore.sign(
        labels.KEY_RELEASE, _signed(claims.node_key, NONCE, payload)
    )
    plaintext = codec.encode((giver.key, signature, payload)) if signed else payload
    info = labels.bound(labels.KEY_RELEASE, world.chain, claims.node_key + NONCE)
    return asked(asker, Op.KEYS_TAKE, hybrid_seal(claims.wrap_keys[0][1], plaintext, info))


def whole_keys() -> tuple[int, int, bytes, bytes]:
    secrets = shared().nodes["n0"].member.keystore.keyring.all()[0]
    assert secrets.input is not None
    return 0, 0, secrets.input.reveal(), secrets.ledger.reveal()


@pytest.mark.parametrize("number", [-(2**63), -1, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1])
def test_T2A_a_number_at_its_bounds_in_given_keys_is_refused(number: int) -> None:
    epoch, generation, own, ledger = whole_keys()
    assert isinstance(taken(codec.encode(((epoch, generation, own, ledger),))), bytes)
    assert isinstance(taken(codec.encode(((number, generation, own, ledger),))), Refusal)
    assert isinstance(taken(codec.encode(((epoch, number, own, ledger),))), Refusal)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_T2A_T31_whatever_a_giver_of_keys_wraps_is_taken_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, 3))
    one_changed = [
        like(part) if at == here else st.just(part) for here, part in enumerate(whole_keys())
    ]
    entry = st.one_of(st.tuples(*one_changed), TUPLES)
    given_ = data.draw(st.lists(entry, max_size=3).map(tuple) | LEAVES)
    taken(codec.encode(given_), signed=data.draw(st.integers(0, 4)) > 0)


# --- heads and epochs -----------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_T05_T31_whatever_members_sign_as_heads_is_counted_or_not(data: st.DataObject) -> None:
    world, judge = shared(), shared().nodes["n0"].core
    nonce = judge.active.challenge()
    newest = world.blocks[-1]
    body = (nonce, 0, newest.header.encoded, newest.certificate.to_wire(), None, ())
    heads = []
    for name in ("n1", "n2", "n3"):
        fields = tuple(
            data.draw(like(part)) if data.draw(st.integers(0, 3)) == 0 and part else part
            for part in body
        )
        signed = labels.bound(labels.HEAD, world.chain, codec.encode(fields))
        node = world.nodes[name].member.keystore.keys.node
        heads.append((fields, node.public, node.sign(signed)))
    asked(judge, Op.FRESHEN, tuple(heads), data.draw(st.just(()) | TUPLES))
    entry = (
        newest.header.encoded,
        newest.certificate.to_wire(),
        world.description.encode(),
        world.public_key(),
    )
    asked(judge, Op.EPOCHS, (tuple(data.draw(like(part)) for part in entry),))


# --- offers ---------------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_T2A_T31_whatever_an_offerer_wraps_the_others_go_on_with_their_duties(
    data: st.DataObject,
) -> None:
    world = World()
    world.commit()
    world.govern("rotate", compromised=False)
    liar = world.nodes["n0"]
    due = liar.governance.due
    assert due is not None
    offered = HybridKey(Secret(bytes(32))).public
    wraps = []
    for member, wrap_key in liar.governance.recipients(due):
        plaintext = codec.encode(data.draw(st.tuples(like(bytes(32)), like(bytes(32))) | TUPLES))
        info = liar.member._duties._wrap_info(due.epoch, member)
        sealed = (
            hybrid_seal(wrap_key, plaintext, info)
            if data.draw(st.booleans())
            else data.draw(st.binary(min_size=1))
        )
        wraps.append((member, sealed[:WRAP_BYTES_MAX]))
    said = liar.member._duties.say("offer", (int(due.epoch), due.digest, offered, tuple(wraps)))
    world.must(said)
    for node in world.nodes.values():
        assert not isinstance(asked(node.core, Op.DUTIES, world.wall_ms), Refusal)


# --- outcomes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forged", [b"", b"\x00", codec.encode((b"another epoch", bytes(1216)))], ids=range(3)
)
def test_a_wish_that_a_peer_changed_in_an_outcome_is_found_at_the_next_anchor(
    forged: bytes,
) -> None:
    world = World()
    world.commit()
    world.govern("rotate", compromised=False)
    while world.nodes["n0"].governance.wish is None:
        world.commit(*world.duties(), after_ms=1_000)
    wishing = next(at for at, data in enumerate(world.outcomes) if Outcome.decode(data).wish)
    world.commit()
    old = world.nodes["n3"]
    again = world.boot("n3", old.chip, old.sealed)
    world.outcomes[wishing] = dataclasses.replace(
        Outcome.decode(world.outcomes[wishing]), wish=forged
    ).encode()
    again.core.learner.extend(world.entries)
    with pytest.raises(
        OperatorFault, match=r"not the ones that a quorum anchored|anchors another history"
    ):
        world.catch_up(again)


# --- containment: bugs that nobody has found yet --------------------------------------------------


def test_an_error_that_nothing_had_foreseen_is_a_public_code_and_the_block_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    session, opening = world.open("alice")
    world.commit(opening)
    _, poison = session.seal_call(world.call("payments.open", account="poison"))
    _, sound = session.seal_call(world.call("payments.open", account="rent"))
    raising(monkeypatch, digest(poison), KeyError("a bug"))
    outcome = world.commit(poison, sound)
    assert codes(outcome) == ["internal", "executed"]
    assert outcome.result_at(0) == b""
    assert {node.height for node in world.nodes.values()} == {world.tip.height}
    world.commit()


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RecursionError(), OSError(), KeysNeeded(Epoch(0)), InvariantBroken("bug")],
)
def test_what_says_something_of_the_process_becomes_no_outcome(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Half a block is never told as a refusal: the enclave ends."""
    world = World()
    _, opening = world.open("alice")
    block = world.next_block((opening,))
    raising(monkeypatch, digest(opening), error)
    expected = InvariantBroken if isinstance(error, KeysNeeded) else type(error)
    node = world.nodes["n0"]
    world.freshen(node)
    wire = ((block.header.encoded, tuple(batch.to_wire() for batch in block.batches)),)
    with pytest.raises(expected):
        answer_to(node.core, encode_request(Op.EXECUTE, wire, block.certificate.to_wire()))


def raising(monkeypatch: pytest.MonkeyPatch, id: bytes, error: Exception) -> None:
    """Opening this one envelope meets a bug."""
    sound: Callable[..., Any] = Intake.open

    def opened(self: Intake, envelope: bytes, found: bytes) -> Any:
        if found == id:
            raise error
        return sound(self, envelope, found)

    monkeypatch.setattr(Intake, "open", opened)


JUDGING = [op for op in Op if op.judges]


def failing(monkeypatch: pytest.MonkeyPatch, op: Op) -> None:
    """Let a request be answered by a method with a bug, whatever its arguments."""

    def fail(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(op, "arguments", Fields("arguments", ()))
    monkeypatch.setattr(op, "stages", ALWAYS)
    monkeypatch.setattr(op, "answered_by", attrgetter("fail"))
    monkeypatch.setattr(Lifecycle, "fail", fail, raising=False)


@pytest.mark.parametrize("op", JUDGING)
def test_a_bug_met_while_others_are_judged_is_an_alarm_and_no_end(
    monkeypatch: pytest.MonkeyPatch, op: Op
) -> None:
    failing(monkeypatch, op)
    with pytest.raises(Refusal) as caught:
        decode_answer(answer_to(shared().nodes["n0"].core, encode_request(op)))
    assert caught.value.kind == RefusalKind.UNFORESEEN


def test_a_bug_met_while_something_is_promised_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for op in set(Op) - set(JUDGING):
        failing(monkeypatch, op)
        with pytest.raises(ValueError, match="a bug"):
            answer_to(shared().nodes["n0"].core, encode_request(op))
