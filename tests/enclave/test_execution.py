"""Execution of final blocks: exactly once, in order, by certificates only, never a halt (T01, T03, T04, T07–T09, T12)."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Anchor, Batch, LaneTip, encode_payload, initial_cut
from strongroom.consensus.errors import InvariantBroken, OperatorFault, PeerFault
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import ChainId, Digest, Epoch, Height, Sequence, TransactionId, View
from strongroom.enclave.envelope import Opening, Query, head_of, opening_statement, read_envelope, transaction_id
from strongroom.enclave.execution import Diverged, Executor
from strongroom.enclave.finality import FinalRun, check_run
from strongroom.enclave.outcome import Outcome, claim_digest
from strongroom.enclave.padding import CALL_SIZES, OPENING_SIZES, pad, unpad
from strongroom.enclave.primitives import HYBRID_OVERHEAD, DoesNotOpen, Secret, hybrid_seal, verify
from strongroom.enclave.sender import ClientSession
from strongroom.enclave.sessions import WINDOW
from tests.enclave.chain import EPOCH, Chain, Made, codes, founded, make_batch, person
from tests.enclave.fixtures import make_cluster_genesis


@pytest.fixture
def chain() -> Chain:
    return Chain()


def funded(chain: Chain, who: str = "alice", amount: int = 1000) -> ClientSession:
    chain.once("member0", "payments.issue", to=who, amount=amount)
    return chain.session(who)


def pay(chain: Chain, session: ClientSession, amount: int = 1, to: str = "bob") -> bytes:
    return session.seal_call(chain.call("payments.transfer", to=to, amount=amount))[1]


# --- exactly once ----------------------------------------------------------------------------------------------------


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
        _, opening = chain.open("alice", chain.call("payments.transfer", to="bob", amount=10), close=close)
        assert codes(chain.commit(opening, opening)) == ["executed", "duplicate"]
        assert codes(chain.commit(opening)) == ["duplicate"]
    assert chain.ask("bob", "payments.balance") == 20


def test_T07_the_content_of_an_opening_sealed_anew_by_someone_who_can_read_it_runs_once(chain: Chain) -> None:
    """T07: an enclave that was broken into knows the signed content; another envelope around it is no new opening."""
    funded(chain)
    _, opening = chain.open("alice", chain.call("payments.transfer", to="bob", amount=10), close=True)
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
    assert {chain.do(session, "payments.transfer", to="bob", amount=5000).code for _ in range(2)} == {"insufficient"}


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
    assert codes(chain.commit(envelope, opening, envelope)) == ["unknown session", "executed", "executed"]


def test_sessions_full_is_computed_from_public_bytes(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.enclave.sessions.SESSIONS_MAX", 2)
    openings = [chain.open("alice", close=close)[1] for close in (True, False, False)]
    assert codes(chain.commit(*openings)) == ["executed", "executed", "sessions full"]


# --- T01 -------------------------------------------------------------------------------------------------------------


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
    assert codes(chain.commit(forged, far, envelope)) == ["does not open", "does not open", "executed"]


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
    assert codes(chain.commit(session.seal_call(chain.call("payments.open", account="x"))[1])) == ["does not open"]


def test_T01_another_epoch_is_refused_by_its_public_number(chain: Chain) -> None:
    session = funded(chain)
    box = read_envelope(pay(chain, session))[5]
    _, opening = chain.open("alice")
    message = read_envelope(opening)[3]
    outcome = chain.commit(
        head_of(1, Epoch(1), len(box), session.id, 1) + box, head_of(2, Epoch(1), len(message)) + message
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
    for key, statement in ((mallory, good), (alice, other_call), (alice, other_epoch), (alice, good)):
        opening = Opening(secret, alice.public, key.key.sign(statement), None, False)
        plaintext = pad(opening.encode(), OPENING_SIZES)
        head = head_of(2, EPOCH, len(plaintext) + HYBRID_OVERHEAD)
        info = labels.bound(labels.SESSION_OPENING, genesis.chain, head)
        envelopes.append(head + hybrid_seal(genesis.public_key, plaintext, info))
    assert codes(chain.commit(*envelopes)) == ["does not open"] * 3 + ["executed"]


# --- T03, T04 --------------------------------------------------------------------------------------------------------


def test_T03_only_check_run_makes_a_final_run(chain: Chain) -> None:
    made = chain.make({})
    with pytest.raises(InvariantBroken):
        FinalRun((made.header,), chain.certificate(made.header), object())


def test_T03_nothing_is_executed_without_a_finalize_certificate_of_this_very_block(chain: Chain) -> None:
    """T03: no pre-consensus execution, no simulation on a forked state."""
    session = funded(chain)
    parent = chain.tip
    made = chain.make({0: [[pay(chain, session)]]})
    fork = replace_header(made, time_ms=made.header.time_ms + 1)
    stranger = make_cluster_genesis(4)
    header = made.header
    forged = Chain(stranger).certificate(header)
    wrong = [
        chain.certificate(header, Kind.NOTARIZE),
        chain.certificate(fork.header),
        chain.certificate(header, signers=(0, 1)),
        chain.certify(Statement(Kind.FINALIZE, EPOCH, View(header.view + 1), header.digest)),
        chain.certify(Statement(Kind.FINALIZE, Epoch(1), header.view, header.digest)),
        forged,
        replace(chain.certificate(header), signatures=forged.signatures),
    ]
    for certificate in wrong:
        with pytest.raises(PeerFault):
            check_run(parent, [header], certificate, chain.genesis, verify)
    check_run(parent, [header], chain.certificate(header), chain.genesis, verify)
    assert chain.ask("bob", "payments.balance") == 0


def replace_header(made: Made, **changes: Any) -> Made:
    return Made(replace(made.header, **changes), made.batches)


def test_T03_a_run_is_one_chain_of_one_epoch(chain: Chain) -> None:
    parent = chain.tip
    one, two, three = (chain.make({}).header for _ in range(3))
    good = chain.certificate(three)
    check_run(parent, [one, two, three], good, chain.genesis, verify)
    unlinked = replace(two, parent=one.parent)
    for headers in ([one, three], [two, three], [one, two, three, three], [], [one, unlinked, three], [three]):
        with pytest.raises(PeerFault):
            check_run(parent, headers, good, chain.genesis, verify)
    for changes in ({"chain": b"x" * 32}, {"epoch": Epoch(1)}, {"height": 5}):
        other = replace(one, **changes)
        with pytest.raises(PeerFault):
            check_run(parent, [other], chain.certificate(other), chain.genesis, verify)


def test_T03_nothing_stands_on_a_terminal_block_in_its_epoch(chain: Chain) -> None:
    parent = chain.tip
    terminal = replace(chain.make({}).header, next_epoch=Digest(b"n" * 32))
    child = replace(chain.make({}).header, parent=terminal.digest)
    with pytest.raises(PeerFault):
        check_run(parent, [terminal, child], chain.certificate(child), chain.genesis, verify)
    reproposed = chain.certify(Statement(Kind.FINALIZE, EPOCH, View(terminal.view + 3), terminal.digest))
    check_run(parent, [terminal], reproposed, chain.genesis, verify)


def block_with_data(chain: Chain) -> tuple[FinalRun, list[Batch]]:
    session = funded(chain)
    lanes = {0: [[pay(chain, session)], [pay(chain, session)]], 2: [[pay(chain, session), pay(chain, session)]]}
    made = chain.make(lanes)
    return chain.run_of(made), list(made.batches)


def test_T04_a_subset_another_order_or_other_batches_are_refused_and_change_nothing(chain: Chain) -> None:
    run, batches = block_with_data(chain)
    before, root = chain.executor.state_digest(), chain.executor.root
    first, second, third = batches
    payload = encode_payload([b"other"])
    same_name = Batch(first.header, payload, first.signature)
    other = make_batch(0, LaneTip(Sequence(0), first.header.previous), payload, 1)
    wrong: list[list[Batch]] = [
        [],
        [first, second],
        [second, first, third],
        [first, third, second],
        [first, second, third, third],
        [same_name, second, third],
        [other, second, third],
        [first, first, third],
        [third, first, second],
    ]
    for data in wrong:
        with pytest.raises(PeerFault):
            chain.executor.execute(run, [data])
    with pytest.raises(PeerFault):
        chain.executor.execute(run, [])
    assert (chain.executor.state_digest(), chain.executor.root) == (before, root)
    assert codes(chain.executor.execute(run, [batches])[0]) == ["executed"] * 4


def test_T04_the_second_block_of_a_run_is_checked_before_the_first_is_executed(chain: Chain) -> None:
    session = funded(chain)
    one = chain.make({0: [[pay(chain, session)]]})
    two = chain.make({0: [[pay(chain, session)]]})
    run = chain.run_of(one, two)
    before = chain.executor.state_digest()
    with pytest.raises(PeerFault):
        chain.executor.execute(run, [one.batches, one.batches])
    assert chain.executor.state_digest() == before
    outcomes = chain.executor.execute(run, [one.batches, two.batches])
    assert [outcome.height for outcome in outcomes] == [one.header.height, two.header.height]


def test_T04_a_block_is_executed_once_and_in_height_order(chain: Chain) -> None:
    one, two = chain.make({}), chain.make({})
    first, both = chain.run_of(one), chain.run_of(one, two)
    second = chain.run_of(two, parent=one.header)
    with pytest.raises(PeerFault):
        chain.executor.execute(second, [()])
    chain.executor.execute(first, [()])
    for run in (first, both):
        with pytest.raises(PeerFault):
            chain.executor.execute(run, [() for _ in run.headers])
    chain.executor.execute(second, [()])
    assert chain.executor.height == 2


@pytest.mark.parametrize("changes", [{"batch_count": 2}, {"batch_bytes": 1}, {"cut": ()}])
def test_T04_counts_and_cut_of_the_header_are_checked(chain: Chain, changes: dict[str, Any]) -> None:
    session = funded(chain)
    made = replace_header(chain.make({0: [[pay(chain, session)]]}), **changes)
    with pytest.raises(PeerFault):
        chain.executor.execute(chain.run_of(made), [made.batches])


def test_T04_a_cut_never_goes_back(chain: Chain) -> None:
    session = funded(chain)
    chain.commit(pay(chain, session))
    made = chain.make({})
    back = replace_header(made, cut=initial_cut(chain.genesis.header.digest, 4))
    with pytest.raises(PeerFault):
        chain.executor.execute(chain.run_of(back), [()])


def test_a_final_block_that_anchors_another_history_halts(chain: Chain) -> None:
    chain.commit()
    made = chain.make({}, anchor=Anchor(Height(1), Digest(b"x" * 32)))
    with pytest.raises(Diverged):
        chain.executor.execute(chain.run_of(made), [()])
    ahead = Chain()
    made = ahead.make({}, anchor=Anchor(Height(1), Digest(b"x" * 32)))
    with pytest.raises(PeerFault):
        ahead.executor.execute(ahead.run_of(made), [()])


# --- never a halt ----------------------------------------------------------------------------------------------------


def test_a_payload_that_is_no_sequence_of_envelopes_holds_none(chain: Chain) -> None:
    parent = chain.tip
    cut = list(initial_cut(parent.digest, 4))
    batch = make_batch(1, cut[1], b"\xff not msgpack", 3)
    cut[1] = LaneTip(Sequence(1), batch.header.digest)
    made = replace_header(
        Made(chain.make({}).header, (batch,)), cut=tuple(cut), batch_count=1, batch_bytes=len(batch.payload)
    )
    (outcome,) = chain.executor.execute(chain.run_of(made), [made.batches])
    assert outcome.codes == b""


def padded(data: bytes) -> bytes:
    return pad(data, CALL_SIZES)


def seal_raw(session: ClientSession, plaintext: bytes) -> bytes:
    """A call envelope around any padded bytes, under the session's next sequence number."""
    sequence = session._next
    session._next += 1
    head = head_of(1, EPOCH, len(plaintext) + 16, session.id, sequence)
    return head + session._keys.call.seal(sequence, plaintext, session._call_prefix + head)


SHARED = Chain()
SHARED_SESSION = SHARED.session("alice")


LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=9)
FLIPS = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 255)), min_size=1, max_size=3)
HOSTILE = st.one_of(
    st.tuples(st.just("bytes"), st.binary(max_size=400)),
    st.tuples(
        st.just("bytes"), st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=6).map(tuple)).map(codec.encode)
    ),
    st.tuples(st.just("call"), FLIPS),
    st.tuples(st.just("opening"), FLIPS),
    st.tuples(st.just("plaintext"), st.binary(min_size=176, max_size=176) | st.binary(max_size=150).map(padded)),
)
"""Recipes of bytes that look like envelopes to some degree."""


def cook(recipe: tuple[str, Any]) -> bytes:
    kind, what = recipe
    if kind == "bytes":
        return bytes(what)
    if kind == "plaintext":
        return seal_raw(SHARED_SESSION, what)
    envelope = bytearray(pay(SHARED, SHARED_SESSION) if kind == "call" else SHARED.open("alice")[1])
    for at, bits in what:
        envelope[at % len(envelope)] ^= bits
    return bytes(envelope)


@given(st.lists(HOSTILE, max_size=6))
@settings(max_examples=150, deadline=None)
def test_T31_no_bytes_whatever_stop_a_block(recipes: list[tuple[str, Any]]) -> None:
    envelopes = [cook(recipe) for recipe in recipes]
    outcome = SHARED.commit(*envelopes)
    assert outcome.count == len(envelopes)
    assert Outcome.decode(outcome.encode()) == outcome
    for envelope, (id, code), sealed in zip(envelopes, outcome.ids_and_codes(), outcome.results, strict=True):
        assert id == transaction_id(envelope)
        assert (code == 0) == bool(sealed)


def test_T09_a_plaintext_that_is_no_call_is_a_sealed_error(chain: Chain) -> None:
    session = chain.session("alice")
    envelopes = [seal_raw(session, plaintext) for plaintext in (bytes(176), padded(b"x"), padded(codec.encode((1, 2))))]
    outcome = chain.commit(*envelopes)
    assert codes(outcome) == ["executed"] * 3
    for sequence, envelope in enumerate(envelopes, start=1):
        result = session.open_result(sequence, transaction_id(envelope), outcome.result_at(sequence - 1))
        assert result.code == "malformed call"


@settings(max_examples=20, deadline=None)
@given(secrets=st.tuples(st.text("abcdef", min_size=12, max_size=12), st.text("uvwxyz", min_size=12, max_size=12)))
def test_T08_two_secrets_look_the_same_from_outside(secrets: tuple[str, str]) -> None:
    """T08, T09: sizes, counts, codes; a payment that fails looks like one that succeeds."""
    seen = []
    for secret, amount in zip(secrets, (10, 100_000), strict=True):
        chain = Chain()
        session = funded(chain)
        call = chain.call("payments.transfer", to="bob", amount=amount, memo=secret)
        _, opening = chain.open("alice", call, close=True)
        outcomes = [chain.commit(session.seal_call(call)[1]), chain.commit(opening), chain.commit(pay(chain, session))]
        seen.append([(o.codes, [len(r) for r in o.results], o.claims, len(o.write_set)) for o in outcomes])
        seen[-1].append(len(opening))
    assert seen[0] == seen[1]


# --- determinism and write sets --------------------------------------------------------------------------------------


@st.composite
def workloads(draw: Any) -> list[list[tuple[str, str, int]]]:
    step = st.tuples(
        st.sampled_from(["alice", "bob", "carol"]),
        st.sampled_from(["pay", "open", "one-shot", "replay", "garbage", "fail", "claim"]),
        st.integers(0, 300),
    )
    blocks: list[list[tuple[str, str, int]]] = draw(st.lists(st.lists(step, max_size=8), max_size=5))
    return blocks


@given(blocks=workloads())
@settings(max_examples=40, deadline=None)
def test_same_blocks_same_bytes_and_the_same_state_by_write_sets(blocks: list[list[tuple[str, str, int]]]) -> None:
    chain = Chain()
    twin, follower = chain.new_executor(1), chain.new_executor(2)
    sessions = {name: funded(chain, name) for name in ("alice", "bob", "carol")}
    sent: list[bytes] = []
    for block in blocks:
        envelopes = [_envelope(chain, sessions[who], who, what, number, sent) for who, what, number in block]
        split = len(envelopes) // 2
        chain.commit_lanes(
            {0: [envelopes[:split]], 3: [envelopes[split:]]} if split else {1: [envelopes]} if envelopes else {}
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
        outcomes = [executor.execute(run, [made.batches])[0].encode() for executor in (chain.executor, twin, follower)]
        assert len(set(outcomes)) == 1
        assert codes(Outcome.decode(outcomes[0])) == ["executed"]


def _envelope(chain: Chain, session: ClientSession, who: str, what: str, number: int, sent: list[bytes]) -> bytes:
    match what:
        case "pay":
            envelope = pay(chain, session, number)
        case "open":
            envelope = session.seal_call(chain.call("payments.open", account=str(number % 5)))[1]
        case "one-shot":
            envelope = chain.open(who, chain.call("payments.transfer", to="bob", amount=number), close=True)[1]
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
    """T14: equal claims have different digests, and the digest of the claim alone is not on the ledger."""
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
        Executor(cluster.verified, cluster.secrets[0])
