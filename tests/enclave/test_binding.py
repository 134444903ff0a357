"""What was sealed for one session, sender, epoch and chain does nothing under another (T01)."""

import pytest
from tests.enclave.chain import EPOCH, Chain, codes, funded, pay, person
from tests.enclave.fixtures import make_cluster_genesis

from strongroom.consensus import labels
from strongroom.consensus.types import ChainId, Epoch
from strongroom.enclave.formats.envelope import Opening, Query, head_of, opening_statement
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.formats.size_classes import OPENING_SIZES, pad
from strongroom.enclave.outside.client_sessions import ClientSession
from strongroom.enclave.primitives import HYBRID_OVERHEAD, Secret, hybrid_seal


@pytest.fixture
def chain() -> Chain:
    return Chain()


def test_T01_a_ciphertext_does_nothing_under_another_session_or_sender(chain: Chain) -> None:
    alice, mallory = funded(chain), chain.session("mallory")
    _, _, _, _, sequence, box = read_envelope(pay(chain, alice))
    moved = head_of(1, EPOCH, len(box), mallory.id, sequence) + box
    later = head_of(1, EPOCH, len(box), alice.id, sequence + 1) + box
    outcome = chain.commit(moved, later)
    assert codes(outcome) == ["does not open", "does not open"]
    assert chain.ask("bob", "payments.balance") == 0


def test_T01_a_refused_envelope_uses_no_sequence_number(chain: Chain) -> None:
    """T01: else anyone could burn a session's numbers."""
    alice = funded(chain)
    envelope = pay(chain, alice)
    box = read_envelope(envelope)[5]
    forged = head_of(1, EPOCH, len(box), alice.id, 1) + bytes(len(box))
    far = head_of(1, EPOCH, len(box), alice.id, 2**64 - 1) + bytes(len(box))
    assert codes(chain.commit(forged, far, envelope)) == [
        "does not open",
        "does not open",
        "executed",
    ]


def test_T01_what_was_sealed_for_another_chain_does_nothing() -> None:
    here, there = Chain(), Chain(make_cluster_genesis(1, programs=("payments", "probe", "system")))
    session, opening = there.open("alice")
    call = session.seal_call(there.call("payments.open", account="x"))[1]
    assert codes(here.commit(opening, call)) == ["does not open", "unknown session"]


def test_T01_two_chains_with_one_secret_still_refuse_each_others_envelopes(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T01: the chain id is bound, not only the key."""
    other = ChainId(b"other chain".ljust(32))
    session, opening = ClientSession.open(chain.genesis.public_key, other, EPOCH, person("alice"))
    assert codes(chain.commit(opening)) == ["does not open"]
    session, opening = chain.open("alice")
    chain.commit(opening)
    monkeypatch.setattr(session, "_call_prefix", b"strongroom/1/call\x00" + other)
    assert codes(chain.commit(session.seal_call(chain.call("payments.open", account="x"))[1])) == [
        "does not open"
    ]


def test_T01_another_epoch_is_refused_by_its_public_number(chain: Chain) -> None:
    session = funded(chain)
    box = read_envelope(pay(chain, session))[5]
    _, opening = chain.open("alice")
    message = read_envelope(opening)[3]
    outcome = chain.commit(
        head_of(1, Epoch(1), len(box), session.id, 1) + box,
        head_of(2, Epoch(1), len(message)) + message,
    )
    assert codes(outcome) == ["wrong epoch", "wrong epoch"]


def test_T01_a_query_is_no_transaction(chain: Chain) -> None:
    session = funded(chain)
    _, alone = chain.query_envelope("alice", "payments.balance")
    _, asked = session.seal_query(Query(chain.call("payments.balance")))
    assert codes(chain.commit(alone, asked)) == ["malformed", "malformed"]


def test_T01_a_forged_signature_or_anothers_identity_opens_nothing(chain: Chain) -> None:
    genesis, secret = chain.genesis, Secret.fresh()
    alice, mallory = person("alice"), person("mallory")
    key_digest = genesis.description.public_key_digest
    good = opening_statement(genesis.chain, EPOCH, key_digest, secret, None, False)
    other_call = opening_statement(genesis.chain, EPOCH, key_digest, secret, b"call", False)
    other_epoch = opening_statement(genesis.chain, Epoch(1), key_digest, secret, None, False)
    envelopes = []
    for key, statement in (
        (mallory, good),
        (alice, other_call),
        (alice, other_epoch),
        (alice, good),
    ):
        opening = Opening(secret, alice.public, key.key.sign(statement), None, False)
        plaintext = pad(opening.encode(), OPENING_SIZES)
        head = head_of(2, EPOCH, len(plaintext) + HYBRID_OVERHEAD)
        info = labels.bound(labels.SESSION_OPENING, genesis.chain, head)
        envelopes.append(head + hybrid_seal(genesis.public_key, plaintext, info))
    assert codes(chain.commit(*envelopes)) == ["does not open"] * 3 + ["executed"]
