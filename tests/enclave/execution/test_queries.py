"""Queries: sealed both ways, from executed state, never the same bytes twice (T01, T06, T07)."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave.chain import EPOCH, Chain, person
from tests.enclave.proofs.test_heads import head_by

from strongroom.consensus import codec
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.heads import HeadBody
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Epoch, Height
from strongroom.enclave.execution.executor import OutcomeWanted
from strongroom.enclave.execution.queries import BelowDemanded, HeadsNeeded, QueryRefused
from strongroom.enclave.formats.envelope import Query, head_of, transaction_id
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.outside.client_sessions import AnswerKey, ClientSession
from strongroom.enclave.primitives import DoesNotOpen, verify
from strongroom.enclave.proofs.heads import FreshPoint, check_heads


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    chain.once("member0", "payments.issue", to="alice", amount=100)
    return chain


def answered(chain: Chain, envelope: bytes, outcome: bytes | None = None) -> bytes:
    answer = chain.executor.query(envelope, outcome)
    assert isinstance(answer, bytes)
    return answer


def test_T06_an_answer_names_the_height_and_root_it_was_given_on(chain: Chain) -> None:
    key, envelope = chain.query_envelope("alice", "payments.balance")
    answer = key.open(answered(chain, envelope))
    assert (answer.value, answer.height, answer.root) == (100, 1, chain.executor.root)


def test_a_query_in_a_session_answers_like_one_that_stands_alone(chain: Chain) -> None:
    session = chain.session("alice")
    for _ in range(2):
        key, envelope = session.seal_query(Query(chain.call("payments.balance")))
        assert len(envelope) < 300
        assert key.open(answered(chain, envelope)).value == 100


def test_T06_a_query_demands_a_height(chain: Chain) -> None:
    key, envelope = chain.query_envelope("alice", "payments.balance", at_least=2)
    with pytest.raises(BelowDemanded) as below:
        chain.executor.query(envelope)
    assert below.value.height == 2
    chain.commit()
    assert key.open(answered(chain, envelope)).height == 2


def fresh(chain: Chain, *, height: int, notarized: bool = False) -> FreshPoint:
    nonce = sha256(b"nonce").digest()
    made = chain.blocks[height - 1].header
    above = chain.certificate(chain.blocks[height].header, Kind.NOTARIZE) if notarized else None
    body = HeadBody(nonce, EPOCH, made, chain.certificate(made), above, ())
    heads = [head_by(chain, index, body) for index in range(3)]
    return check_heads(heads, nonce, chain.epochs, verify)


def test_T06_a_linearizable_query_needs_heads_made_after_it_and_everything_final_in_them(
    chain: Chain,
) -> None:
    key, envelope = chain.query_envelope("alice", "payments.balance", linearizable=True)
    with pytest.raises(HeadsNeeded):
        chain.executor.query(envelope)
    answer = chain.executor.query(envelope, fresh=fresh(chain, height=1))
    assert isinstance(answer, bytes)
    assert key.open(answer).value == 100
    chain.make({})
    with pytest.raises(BelowDemanded):
        chain.executor.query(envelope, fresh=fresh(chain, height=2))
    with pytest.raises(BelowDemanded):  # only notarized yet, but it may have become final since
        chain.executor.query(envelope, fresh=fresh(chain, height=1, notarized=True))


def test_T07_one_query_replayed_never_gets_the_same_bytes_or_key(chain: Chain) -> None:
    session = chain.session("alice")
    for key, envelope in (
        chain.query_envelope("alice", "payments.balance"),
        session.seal_query(Query(chain.call("payments.balance"))),
    ):
        first, second = answered(chain, envelope), answered(chain, envelope)
        chain.once("alice", "payments.transfer", to="bob", amount=1)
        third = answered(chain, envelope)
        assert len({first, second, third}) == 3
        assert len({read_salt(answer) for answer in (first, second, third)}) == 3
        opened = [key.open(answer).value for answer in (first, second, third)]
        assert (opened[0] == opened[1], opened[2] == opened[0] - 1) == (True, True)


def read_salt(answer: bytes) -> bytes:
    return bytes(codec.decode(answer)[1])


def test_T07_an_answer_opens_for_its_own_query_only(chain: Chain) -> None:
    """A host that swaps the answers of two queries of one session is noticed."""
    session = chain.session("alice")
    balance, asked_balance = session.seal_query(Query(chain.call("payments.balance")))
    supply, asked_supply = session.seal_query(Query(chain.call("payments.supply")))
    other, _ = chain.query_envelope("alice", "payments.balance")
    answer = answered(chain, asked_supply)
    assert supply.open(answer).value == 100
    for key in (balance, other):
        with pytest.raises(DoesNotOpen):
            key.open(answer)
    assert balance.open(answered(chain, asked_balance)).value == 100


@given(at=st.integers(0, 10_000), bits=st.integers(1, 255))
@settings(max_examples=60)
def test_T31_a_changed_answer_does_not_open(at: int, bits: int) -> None:
    answer = bytearray(ANSWER)
    answer[at % len(answer)] ^= bits
    with pytest.raises(DoesNotOpen):
        KEY.open(bytes(answer))


_SHARED = Chain()
KEY, _ENVELOPE = _SHARED.query_envelope("alice", "payments.balance")
ANSWER = answered(_SHARED, _ENVELOPE)


@given(at=st.integers(0, 10_000), bits=st.integers(1, 255))
@settings(max_examples=60)
def test_T31_a_changed_query_is_refused(at: int, bits: int) -> None:
    envelope = bytearray(_ENVELOPE)
    envelope[at % len(envelope)] ^= bits
    with pytest.raises(QueryRefused):
        _SHARED.executor.query(bytes(envelope))


def test_T01_a_query_opens_under_its_own_session_epoch_and_kind_only(chain: Chain) -> None:
    session, other = chain.session("alice"), chain.session("bob")
    _, envelope = session.seal_query(Query(chain.call("payments.balance")))
    number, box = read_envelope(envelope)[4:]
    call = session.seal_call(chain.call("payments.open", account="x"))[1]
    closed, opening = chain.open("alice", close=True)
    chain.commit(opening)
    refused = {
        head_of(4, EPOCH, len(box), other.id, number) + box: "does not open",
        head_of(4, EPOCH, len(box), session.id, number + 1) + box: "does not open",
        head_of(4, EPOCH, len(box), bytes(32), number) + box: "unknown session",
        head_of(4, Epoch(1), len(box), session.id, number) + box: "wrong epoch",
        closed.seal_query(Query(chain.call("payments.balance")))[1]: "does not open",
        call: "malformed",
        b"garbage": "malformed",
    }
    for sealed, reason in refused.items():
        with pytest.raises(QueryRefused) as refusal:
            chain.executor.query(sealed)
        assert refusal.value.reason == reason


def test_T01_a_query_with_anothers_signature_is_refused(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    mallory = person("mallory")
    monkeypatch.setattr(mallory, "key", _SignsFor(person("alice").public, mallory))
    monkeypatch.setattr("tests.enclave.chain.person", lambda name: mallory)
    _, envelope = chain.query_envelope("mallory", "payments.balance")
    with pytest.raises(QueryRefused):
        chain.executor.query(envelope)


class _SignsFor:
    """Mallory's key under Alice's name."""

    def __init__(self, public: bytes, signer: object) -> None:
        self.public, self._key = public, signer.key  # type: ignore[attr-defined]

    def sign(self, message: bytes) -> bytes:
        return bytes(self._key.sign(message))


def test_T09_a_query_whose_plaintext_is_none_is_answered_inside_the_seal(chain: Chain) -> None:
    session = chain.session("alice")

    class Broken(Query):
        def encode(self) -> bytes:
            return b"\x93\x01"

    key, envelope = session.seal_query(Broken(chain.call("payments.balance")))
    assert key.open(answered(chain, envelope)).code == "malformed call"


# --- system.result --------------------------------------------------------------------------------


def ask_result(
    chain: Chain, who: str, id: bytes, outcome: bytes | None
) -> tuple[AnswerKey, bytes | OutcomeWanted]:
    key, envelope = chain.query_envelope(who, "system.result", id=id)
    return key, chain.executor.query(envelope, outcome)


def sent(chain: Chain) -> tuple[ClientSession, bytes]:
    session = chain.session("alice")
    call = chain.call("payments.transfer", to="bob", amount=5)
    return session, session.seal_call(call)[1]


def test_a_sender_gets_its_recorded_result_again_in_a_later_session(chain: Chain) -> None:
    _, envelope = sent(chain)
    outcome = chain.commit(b"garbage", envelope)
    id = transaction_id(envelope)
    assert ask_result(chain, "alice", id, None)[1] == OutcomeWanted(id)
    key, answer = ask_result(chain, "alice", id, outcome.encode())
    assert isinstance(answer, bytes)
    expected = {
        "height": outcome.height,
        "index": 1,
        "ok": True,
        "result": {"balance": 95},
        "blinding": None,
    }
    assert key.open(answer).value == expected


def test_a_recorded_error_and_a_recorded_blinding_are_told(chain: Chain) -> None:
    session = chain.session("alice")
    failing = session.seal_call(chain.call("payments.transfer", to="bob", amount=5000))[1]
    sequence, claiming = session.seal_call(chain.call("probe.claim", data=b"yes"))
    outcome = chain.commit(failing, claiming)
    first_key, first = ask_result(chain, "alice", transaction_id(failing), outcome.encode())
    second_key, second = ask_result(chain, "alice", transaction_id(claiming), outcome.encode())
    assert isinstance(first, bytes)
    assert isinstance(second, bytes)
    assert first_key.open(first).value["error"]["code"] == "insufficient"
    blinding = session.open_result(
        sequence, transaction_id(claiming), outcome.result_at(1)
    ).blinding
    assert second_key.open(second).value["blinding"] == blinding


@pytest.mark.parametrize("who", ["bob", "member0", "auditor"])
def test_nobody_else_gets_a_recorded_result(chain: Chain, who: str) -> None:
    _, envelope = sent(chain)
    outcome = chain.commit(envelope)
    key, answer = ask_result(chain, who, transaction_id(envelope), outcome.encode())
    assert isinstance(answer, bytes)
    assert (key.open(answer).ok, key.open(answer).code) == (False, "not the sender")


def test_a_refused_or_absent_transaction_has_no_result(chain: Chain) -> None:
    _, envelope = sent(chain)
    outcome = chain.commit(envelope)
    again = chain.commit(envelope)
    for id, record in (
        (transaction_id(envelope), again.encode()),
        (bytes(32), outcome.encode()),
        (bytes(32), b""),
    ):
        key, answer = ask_result(chain, "alice", id, record)
        assert isinstance(answer, bytes)
        assert key.open(answer).code == "not executed"
    key, answer = ask_result(chain, "alice", b"short", b"")
    assert isinstance(answer, bytes)
    assert key.open(answer).code == "arguments"


def test_an_outcome_that_no_enclave_made_is_refused(chain: Chain) -> None:
    """A host that swaps ids, leaves, results or heights of a record gets nothing answered from
    it."""
    _, envelope = sent(chain)
    _, other = sent(chain)
    outcome = chain.commit(envelope, other)
    later = chain.commit()
    id = transaction_id(envelope)
    forged = [
        replace(outcome, ids=outcome.ids[32:] + outcome.ids[:32]),
        replace(outcome, results=tuple(reversed(outcome.results))),
        replace(outcome, height=Height(outcome.height + 1)),
        replace(outcome, block=later.block),
        replace(outcome, write_set=later.write_set),
        replace(outcome, write_set=b""),
    ]
    for record in [*(one.encode() for one in forged), b"garbage"]:
        with pytest.raises(OperatorFault):
            ask_result(chain, "alice", id, record)
