"""A sealed transaction takes effect at most once, whatever a host orders (T07)."""

import pytest
from tests.enclave.chain import Chain, codes, funded, pay

from strongroom.consensus import labels
from strongroom.enclave.formats.envelope import transaction_id
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.formats.size_classes import OPENING_SIZES, pad, unpad
from strongroom.enclave.primitives import hybrid_seal
from strongroom.enclave.sessions.sessions import WINDOW


@pytest.fixture
def chain() -> Chain:
    return Chain()


def test_T07_a_duplicate_in_another_lane_of_the_same_block_takes_effect_once(chain: Chain) -> None:
    session = funded(chain)
    envelope = pay(chain, session, 10)
    outcome = chain.commit_lanes({0: [[envelope]], 2: [[envelope]], 3: [[envelope, envelope]]})
    assert codes(outcome) == ["executed", "duplicate", "duplicate", "duplicate"]
    assert outcome.results[1:] == (b"", b"", b"")
    assert chain.ask("bob", "payments.balance") == 10


def test_T07_a_replay_in_a_later_block_is_refused_without_sealed_bytes(chain: Chain) -> None:
    session = funded(chain)
    envelope = pay(chain, session, 10)
    first, again = chain.commit(envelope), chain.commit(envelope)
    assert (codes(first), codes(again)) == (["executed"], ["duplicate"])
    assert (len(first.result_at(0)), again.result_at(0)) == (128, b"")
    assert chain.ask("bob", "payments.balance") == 10


def test_T07_a_replayed_opening_is_a_duplicate_and_its_call_runs_once(chain: Chain) -> None:
    funded(chain)
    for close in (True, False):
        _, opening = chain.open(
            "alice", chain.call("payments.transfer", to="bob", amount=10), close=close
        )
        assert codes(chain.commit(opening, opening)) == ["executed", "duplicate"]
        assert codes(chain.commit(opening)) == ["duplicate"]
    assert chain.ask("bob", "payments.balance") == 20


def test_T07_the_content_of_an_opening_sealed_anew_by_someone_who_can_read_it_runs_once(
    chain: Chain,
) -> None:
    """T07: an enclave that was broken into knows the signed content; another envelope around it is
    no new opening."""
    funded(chain)
    _, opening = chain.open(
        "alice", chain.call("payments.transfer", to="bob", amount=10), close=True
    )
    message = read_envelope(opening)[3]
    head = opening[: -len(message)]
    info = labels.bound(labels.SESSION_OPENING, chain.genesis.chain, head)
    content = unpad(chain.cluster.secrets[0].hybrid.open(message, info))
    resealed = head + hybrid_seal(chain.genesis.public_key, pad(content, OPENING_SIZES), info)
    assert codes(chain.commit(opening, resealed)) == ["executed", "does not open"]
    assert chain.ask("bob", "payments.balance") == 10


def test_T07_results_of_one_session_never_share_a_nonce(chain: Chain) -> None:
    """T07: the result's nonce is the sequence number; equal plaintexts still differ."""
    session = funded(chain)
    sealed = []
    for _ in range(3):
        sealed.append(chain.commit(pay(chain, session, 5000)).result_at(0))
    assert len(set(sealed)) == 3
    assert {
        chain.do(session, "payments.transfer", to="bob", amount=5000).code for _ in range(2)
    } == {"insufficient"}


def test_sequence_numbers_may_come_in_any_order_inside_the_window(chain: Chain) -> None:
    session = funded(chain, amount=5000)
    envelopes = [pay(chain, session) for _ in range(WINDOW + 1)]
    outcome = chain.commit(envelopes[-1], *reversed(envelopes[:-1]))
    expected = ["executed"] * WINDOW + ["outside the window"]
    assert codes(outcome) == expected
    assert chain.ask("bob", "payments.balance") == WINDOW


def test_the_session_of_a_one_shot_takes_no_further_call(chain: Chain) -> None:
    funded(chain)
    session, opening = chain.open("alice", close=True)
    chain.commit(opening)
    assert codes(chain.commit(pay(chain, session))) == ["does not open"]


def test_an_opening_without_a_call_answers_too(chain: Chain) -> None:
    """T08: nobody sees whether an opening carried a call."""
    session, opening = chain.open("alice")
    other, with_call = chain.open("alice", chain.call("payments.open", account="x"))
    outcome = chain.commit(opening, with_call)
    result = session.open_result(0, transaction_id(opening), outcome.result_at(0))
    assert (result.ok, result.value) == (True, None)
    assert other.open_result(0, transaction_id(with_call), outcome.result_at(1)).ok
    assert len(opening) == len(with_call)
    assert len(outcome.result_at(0)) == len(outcome.result_at(1))


def test_unknown_session_can_turn_once_its_opening_is_ordered(chain: Chain) -> None:
    session, opening = chain.open("alice")
    envelope = session.seal_call(chain.call("payments.open", account="x"))[1]
    assert codes(chain.commit(envelope, opening, envelope)) == [
        "unknown session",
        "executed",
        "executed",
    ]


def test_sessions_full_is_computed_from_public_bytes(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.enclave.sessions.sessions.SESSIONS_MAX", 2)
    openings = [chain.open("alice", close=close)[1] for close in (True, False, False)]
    assert codes(chain.commit(*openings)) == ["executed", "executed", "sessions full"]
