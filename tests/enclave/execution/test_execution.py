"""Same blocks, same bytes; the same state by write sets; claims and results for their owners (T12,
T14)."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave.chain import Chain, codes, founded, funded, pay

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Digest, TransactionId
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.formats.envelope import transaction_id
from strongroom.enclave.formats.outcome import Outcome, claim_digest
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.outside.client_sessions import ClientSession
from strongroom.enclave.primitives import DoesNotOpen
from strongroom.enclave.proofs.genesis import epoch_chain


@pytest.fixture
def chain() -> Chain:
    return Chain()


@st.composite
def workloads(draw: Any) -> list[list[tuple[str, str, int]]]:
    step = st.tuples(
        st.sampled_from(["alice", "bob", "carol"]),
        st.sampled_from(["pay", "open", "one-shot", "replay", "garbage", "fail", "claim"]),
        st.integers(0, 300),
    )
    blocks: list[list[tuple[str, str, int]]] = draw(
        st.lists(st.lists(step, max_size=8), max_size=5)
    )
    return blocks


@given(blocks=workloads())
@settings(max_examples=40, deadline=None)
def test_same_blocks_same_bytes_and_the_same_state_by_write_sets(
    blocks: list[list[tuple[str, str, int]]],
) -> None:
    chain = Chain()
    twin, follower = chain.new_executor(1), chain.new_executor(2)
    sessions = {name: funded(chain, name) for name in ("alice", "bob", "carol")}
    sent: list[bytes] = []
    for block in blocks:
        envelopes = [
            _envelope(chain, sessions[who], who, what, number, sent) for who, what, number in block
        ]
        split = len(envelopes) // 2
        chain.commit_lanes(
            {0: [envelopes[:split]], 3: [envelopes[split:]]}
            if split
            else {1: [envelopes]}
            if envelopes
            else {}
        )
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        (again,) = twin.execute(chain.run_of(made, parent=twin.header), [made.batches])
        assert again.encode() == outcome.encode()
        follower.apply(made.header, Outcome.decode(outcome.encode()))
        assert follower.root == twin.root
    assert twin.state_digest() == follower.state_digest() == chain.executor.state_digest()
    # the follower goes on where the others are: sessions open from their boxes
    for who, session in sessions.items():
        made = chain.make({0: [[pay(chain, session, to=who)]]})
        run = chain.run_of(made)
        outcomes = [
            executor.execute(run, [made.batches])[0].encode()
            for executor in (chain.executor, twin, follower)
        ]
        assert len(set(outcomes)) == 1
        assert codes(Outcome.decode(outcomes[0])) == ["executed"]


def _envelope(
    chain: Chain, session: ClientSession, who: str, what: str, number: int, sent: list[bytes]
) -> bytes:
    match what:
        case "pay":
            envelope = pay(chain, session, number)
        case "open":
            envelope = session.seal_call(chain.call("payments.open", account=str(number % 5)))[1]
        case "one-shot":
            envelope = chain.open(
                who, chain.call("payments.transfer", to="bob", amount=number), close=True
            )[1]
        case "replay":
            envelope = sent[number % len(sent)] if sent else b"x"
        case "fail":
            envelope = session.seal_call(chain.call("probe.half", name=str(number), how="bug"))[1]
        case "claim":
            envelope = session.seal_call(chain.call("probe.claim", data=str(number).encode()))[1]
        case _:
            envelope = bytes((number % 256,)) * (number + 1)
    sent.append(envelope)
    return envelope


def test_apply_takes_only_the_outcome_of_the_next_block(chain: Chain) -> None:
    session = funded(chain)
    chain.commit(pay(chain, session))
    blocks, outcomes = chain.blocks, chain.outcomes
    follower = chain.new_executor(1)
    with pytest.raises(OperatorFault):
        follower.apply(blocks[1].header, outcomes[1])
    with pytest.raises(OperatorFault):
        follower.apply(blocks[0].header, replace(outcomes[0], block=Digest(bytes(32))))
    with pytest.raises(OperatorFault):
        follower.apply(blocks[0].header, replace(outcomes[0], codes=b"\x01", results=(b"",)))
    with pytest.raises(OperatorFault):
        follower.apply(blocks[0].header, replace(outcomes[0], write_set=outcomes[1].write_set))
    before = follower.state_digest()
    assert follower.height == 0
    for block, outcome in zip(blocks, outcomes, strict=True):
        follower.apply(block.header, outcome)
    assert follower.root == chain.executor.root
    assert follower.state_digest() != before


def test_T14_a_claim_is_blinded_and_its_sender_can_reveal_it(chain: Chain) -> None:
    """T14: equal claims have different digests, and the digest of the claim alone is not on the
    ledger."""
    digests = set()
    session = chain.session("alice")
    for _ in range(2):
        sequence, envelope = session.seal_call(chain.call("probe.claim", data=b"yes"))
        outcome = chain.commit(envelope)
        result = session.open_result(sequence, transaction_id(envelope), outcome.result_at(0))
        assert result.blinding is not None
        assert outcome.leaf_at(0).claim_digest == claim_digest(result.blinding, b"yes")
        digests.add(outcome.leaf_at(0).claim_digest)
    assert len(digests) == 2
    assert claim_digest(b"", b"yes") not in digests
    assert chain.do(session, "payments.transfer", to="bob", amount=1).blinding is None


def test_T14_two_equal_payments_have_different_digests_everywhere(chain: Chain) -> None:
    one, two = funded(chain), chain.session("alice")
    outcome = chain.commit(pay(chain, one, 5), pay(chain, two, 5))
    assert len({outcome.leaf_at(0).result_digest, outcome.leaf_at(1).result_digest}) == 2
    assert (
        Outcome.decode(outcome.encode()).root == outcome.root
    )  # its digests are those of the ciphertexts
    again = chain.commit(pay(chain, one, 5))
    assert again.write_set != outcome.write_set


def test_results_open_for_their_own_transaction_only(chain: Chain) -> None:
    session = funded(chain)
    sequence, envelope = session.seal_call(chain.call("payments.transfer", to="bob", amount=1))
    sealed = chain.commit(envelope).result_at(0)
    assert session.open_result(sequence, transaction_id(envelope), sealed).value == {"balance": 999}
    other = chain.session("alice")
    for opener, number, id in (
        (session, sequence + 1, transaction_id(envelope)),
        (session, sequence, TransactionId(bytes(32))),
        (other, sequence, transaction_id(envelope)),
    ):
        with pytest.raises(DoesNotOpen):
            opener.open_result(number, id, sealed)


def test_an_enclave_without_a_program_of_the_constitution_does_not_start() -> None:
    cluster = founded()
    with pytest.raises(OperatorFault, match="probe"):
        Executor(cluster.verified, Keyring(), epoch_chain(cluster.verified))
