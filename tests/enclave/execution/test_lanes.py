"""A lane is run envelope by envelope, and sealed afterwards: nobody can tell (T07, T14)."""

from typing import Any

import pytest
from tests.enclave.chain import Chain, codes, funded, pay
from tests.enclave.sessions.test_session_admission import closed, id_of

from strongroom.enclave.execution import executor
from strongroom.enclave.formats.envelope import transaction_id
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.primitives import DeterministicBox


def test_an_envelope_sees_what_the_one_before_it_in_its_batch_changed() -> None:
    chain = Chain()
    alice = funded(chain, amount=10)
    envelopes = [pay(chain, alice, amount=7) for _ in range(2)]
    outcome = chain.commit(*envelopes)
    assert codes(outcome) == ["executed"] * 2
    results = [
        alice.open_result(at, transaction_id(envelope), outcome.result_at(at - 1))
        for at, envelope in enumerate(envelopes, 1)
    ]
    assert [one.ok for one in results] == [True, False]
    assert results[1].message == "the balance is 3, 7 is needed"


def test_whoever_is_brought_opens_a_session_in_the_same_batch() -> None:
    chain = closed()
    member = chain.session("member0")
    _, bring = member.seal_call(chain.call("roster.bring", users=[id_of("alice")]))
    session, opening = chain.open("alice")
    _, call = session.seal_call(chain.call("payments.open", account="a"))
    _, early = chain.open("bob")
    outcome = chain.commit(early, bring, opening, call)
    assert codes(outcome) == ["not admitted", "executed", "executed", "executed"]
    assert session.open_result(1, transaction_id(call), outcome.result_at(3)).ok


def test_a_result_that_cannot_be_sealed_costs_its_own_envelope_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """T14: nothing of it stands in the outcome, neither a claim nor what the ledger keeps."""
    chain = Chain()
    alice = chain.session("alice")
    seal = DeterministicBox.seal

    def fails_once(box: DeterministicBox, place: int, plaintext: bytes, aad: bytes) -> bytes:
        if place == 2:
            raise ValueError("a bug")
        return seal(box, place, plaintext, aad)

    monkeypatch.setattr(DeterministicBox, "seal", fails_once)
    calls: list[Any] = [chain.call("probe.claim", data=b"%d" % number) for number in range(3)]
    envelopes = [alice.seal_call(call)[1] for call in calls]
    outcome = Outcome.decode(chain.commit(*envelopes).encode())
    monkeypatch.undo()
    assert codes(outcome) == ["executed", "internal", "executed"]
    assert [position for position, _ in outcome.claims] == [0, 2]
    assert outcome.result_at(1) == b""
    assert alice.open_result(3, transaction_id(envelopes[2]), outcome.result_at(2)).ok
    box = chain.executor._write_sets_at(outcome.height)
    kept = box.open(outcome.write_set, outcome.height, outcome.block, outcome.root)
    assert [kept.result_of(position) is None for position in range(3)] == [False, True, False]


@pytest.mark.parametrize("size", [1, 3, 64, 10_000])
def test_in_whatever_slices_a_lane_is_executed_its_outcome_is_the_same(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """T04: sizes of slices are code of the enclave, but nothing that two of them could disagree
    on."""
    chain = Chain()
    alice, bob = funded(chain, "alice", amount=50), funded(chain, "bob", amount=50)
    first = [pay(chain, alice, amount=number % 9) for number in range(20)]
    second = [pay(chain, bob, amount=number % 7) for number in range(11)]
    replica, looked = chain.new_executor(), list[int]()
    for made in chain.blocks:
        replica.execute(chain.run_of(made, parent=replica.header), [made.batches])
    expected = chain.commit_lanes({0: [first[:13], first[13:]], 2: [second]})
    made = chain.blocks[-1]
    monkeypatch.setattr(executor, "SLICE_ENVELOPES", size)
    replica._on_slice = lambda: looked.append(replica.height)
    (outcome,) = replica.execute(chain.run_of(made, parent=replica.header), [made.batches])
    assert outcome.encode() == expected.encode()
    assert replica.root == chain.executor.root
    assert len(looked) == -(-len(first) // size) + -(-len(second) // size)
    assert set(looked) == {made.header.height - 1}, "nothing shows a block before its end"
