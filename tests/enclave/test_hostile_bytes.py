"""No bytes whatever stop a block, and none tell anything from outside (T08, T09, T31)."""

from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave.chain import EPOCH, Chain, Made, codes, funded, make_batch, pay, replace_header

from strongroom.consensus import codec
from strongroom.consensus.batches import BATCH_ENVELOPES_MAX
from strongroom.consensus.blocks import BLOCK_BATCHES_MAX, BLOCK_BYTES_MAX, LaneTip, initial_cut
from strongroom.consensus.types import Sequence
from strongroom.enclave.formats.envelope import head_of, transaction_id
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.formats.size_classes import (
    CALL_ENVELOPES,
    CALL_SIZES,
    RESULT_SIZES,
    pad,
    pad_write_set,
)
from strongroom.enclave.outside.client_sessions import ClientSession
from strongroom.enclave.programs.runner import (
    STEP_BYTES,
    STEPS_MAX,
    STEPS_SHARED_MAX,
    WRITES_PER_BYTE,
    WRITES_SHARED_MAX,
)
from strongroom.enclave.programs.state import OrderedMap
from strongroom.enclave.proofs.block_data import (
    ENVELOPE_BYTES_MEAN_MIN,
    SMALL_ENVELOPES_MAX,
    is_void,
)
from strongroom.node.ledger.block_record import StoredBlock


@pytest.fixture
def chain() -> Chain:
    return Chain()


def test_a_payload_that_is_no_sequence_of_envelopes_holds_none(chain: Chain) -> None:
    parent = chain.tip
    cut = list(initial_cut(parent.digest, 4))
    batch = make_batch(1, cut[1], b"\xff not msgpack", 3)
    cut[1] = LaneTip(Sequence(1), batch.header.digest)
    made = replace_header(
        Made(chain.make({}).header, (batch,)),
        cut=tuple(cut),
        batch_count=1,
        batch_bytes=len(batch.payload),
    )
    (outcome,) = chain.executor.execute(chain.run_of(made), [made.batches])
    assert outcome.codes == b""


def test_a_lane_full_of_tiny_envelopes_makes_no_outcome_that_no_message_carries(
    chain: Chain,
) -> None:
    """A liar's batches of thousands of envelopes of one byte hold none; others of the block are
    executed."""
    session = funded(chain)
    made = chain.make({0: [[b"x"] * BATCH_ENVELOPES_MAX] * 3, 1: [[pay(chain, session)]]})
    (outcome,) = chain.executor.execute(chain.run_of(made), [made.batches])
    assert codes(outcome) == ["executed"]
    assert len(StoredBlock(made.header, None, made.batches).envelopes()) == 1, (
        "hosts count as enclaves do"
    )


def test_the_largest_outcome_of_a_block_fits_into_a_message() -> None:
    """Each envelope has a line of 35 bytes in it, whatever its size."""
    most = BLOCK_BYTES_MAX // ENVELOPE_BYTES_MEAN_MIN + BLOCK_BATCHES_MAX * SMALL_ENVELOPES_MAX
    lines = (bytes(32 * most), bytes(most), (b"",) * most)
    assert len(codec.encode(lines)) < codec.MESSAGE_BYTES_MAX // 4


def test_T11_a_block_of_calls_that_change_much_makes_no_outcome_that_no_message_carries(
    chain: Chain,
) -> None:
    """T11: four bytes of a label open an account of a hundred. 400 such calls, of one member, made
    an outcome of 42 MB, which no host could read: all of them ended, at each replay anew. Payments
    beside them have room whatever others do."""
    payer, bulk = funded(chain), chain.session("member0")
    labels = (f"{number:x}" for number in count())
    calls = []
    for _ in range(30):
        accounts = [next(labels) for _ in range(1_000)]
        calls.append(bulk.seal_call(chain.call("payments.open_many", accounts=accounts)))
    payments = [pay(chain, payer) for _ in range(5)]
    lanes = {0: [[envelope for _, envelope in calls]], 1: [payments]}
    outcome = chain.commit_lanes(lanes)
    assert codes(outcome) == ["executed"] * 35
    answers = [
        bulk.open_result(sequence, transaction_id(envelope), outcome.result_at(at))
        for at, (sequence, envelope) in enumerate(calls)
    ]
    refused = [answer.code for answer in answers if not answer.ok]
    assert answers[0].ok
    assert refused
    assert set(refused) == {"no room"}
    size = chain.tip.batch_bytes
    assert len(outcome.write_set) < WRITES_PER_BYTE * size + 2 * WRITES_SHARED_MAX
    accounts = [next(labels) for _ in range(1_000)]
    assert chain.do(bulk, "payments.open_many", accounts=accounts).ok, "the next block has room"


def test_T11_a_block_of_calls_that_take_much_work_takes_no_more_than_its_bytes_and_a_rest(
    chain: Chain,
) -> None:
    """T11: a thousand labels in eight kilobytes take ten thousand steps, also when the last one
    fails and nothing is changed. 3.3 MB of them held each enclave for half a minute, and its votes
    with it. Now some of a block fail at their first steps; payments, which bring all of theirs, and
    the next block have theirs."""
    payer, bulk = funded(chain), chain.session("member0")
    assert chain.do(bulk, "payments.open", account="taken").ok
    accounts = [*(f"{number:x}" for number in range(999)), "taken"]
    calls = [bulk.seal_call(chain.call("payments.open_many", accounts=accounts)) for _ in range(60)]
    payments = [pay(chain, payer) for _ in range(5)]
    lanes = {0: [[envelope for _, envelope in calls]], 1: [payments]}
    outcome = chain.commit_lanes(lanes)
    assert codes(outcome) == ["executed"] * 65
    failed = [
        bulk.open_result(sequence, transaction_id(envelope), outcome.result_at(at)).code
        for at, (sequence, envelope) in enumerate(calls)
    ]
    judged = failed.count("account exists")
    steps = 7 * len(accounts)
    assert 0 < judged * (steps - len(calls[0][1]) // STEP_BYTES) < STEPS_SHARED_MAX + STEPS_MAX
    assert failed == ["account exists"] * judged + ["no room"] * (60 - judged)
    assert chain.ask("bob", "payments.balance") == 5, "payments beside them have theirs"
    assert chain.do(bulk, "payments.open_many", accounts=accounts[:-1]).ok, "the next block has"


def test_T11_steps_are_counted_whatever_a_call_comes_to(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of calls that succeed, and of those whose changes find no room in the end."""
    bulk, labels = chain.session("member0"), (f"{number:x}" for number in count())
    calls = []
    for _ in range(30):
        accounts = [next(labels) for _ in range(1_000)]
        calls.append(bulk.seal_call(chain.call("payments.open_many", accounts=accounts))[1])
    writes, put = [0], OrderedMap.put

    def counted(self: OrderedMap[Any, Any], key: Any, value: Any) -> None:
        writes[0] += 1
        put(self, key, value)

    monkeypatch.setattr(OrderedMap, "put", counted)
    monkeypatch.setattr("strongroom.enclave.programs.runner.STEPS_SHARED_MAX", 2 * STEPS_MAX)
    assert codes(chain.commit(*calls)) == ["executed"] * 30
    own = sum(len(call) // STEP_BYTES for call in calls)
    assert 5_000 < writes[0] < own + 3 * STEPS_MAX


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("payments.transfer", {"to": "nobody yet", "amount": 1}),
        ("payments.transfer_many", {"transfers": [["nobody yet", 1]] * 1_000}),
        ("payments.open", {"account": "one more"}),
        ("records.append", {"collection": "c", "contents": "", "tags": [*"abcdefghijklmnop"]}),
    ],
)
def test_T11_whatever_others_do_in_a_block_the_usual_calls_have_their_steps(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, name: str, arguments: dict[str, Any]
) -> None:
    session = funded(chain, amount=1_000)
    monkeypatch.setattr("strongroom.enclave.programs.runner.STEPS_SHARED_MAX", 0)
    result = chain.do(session, name, **arguments)
    assert result.ok, (result.code, result.message)


def test_T11_the_largest_write_set_of_a_block_fits_into_a_message() -> None:
    """Changes, and what each call of the smallest class has beside them: its session's window, its
    result twice, its line."""
    calls = BLOCK_BYTES_MAX // CALL_ENVELOPES[0]
    changes = WRITES_PER_BYTE * BLOCK_BYTES_MAX + WRITES_SHARED_MAX
    window, plaintext, line = 34 + 9 + 1024 // 8 + 3, 128, 32 + 1 + 40
    written = pad_write_set(bytes(changes + calls * (window + plaintext)))
    assert len(written) + calls * (RESULT_SIZES[0] + 16 + 3 + line) < codec.MESSAGE_BYTES_MAX


@pytest.mark.parametrize(
    ("envelopes", "size", "void"), [(64, 128, False), (65, 2_079, True), (65, 2_080, False)]
)
def test_a_batch_is_void_when_its_envelopes_are_too_small_on_the_whole(
    envelopes: int, size: int, void: bool
) -> None:
    whole = make_batch(0, initial_cut(SHARED.tip.digest, 4)[0], bytes(size), envelopes)
    assert is_void(whole.header) == void


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


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=9)
)
FLIPS = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 255)), min_size=1, max_size=3)
HOSTILE = st.one_of(
    st.tuples(st.just("bytes"), st.binary(max_size=400)),
    st.tuples(
        st.just("bytes"),
        st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=6).map(tuple)).map(
            codec.encode
        ),
    ),
    st.tuples(st.just("call"), FLIPS),
    st.tuples(st.just("opening"), FLIPS),
    st.tuples(
        st.just("plaintext"),
        st.binary(min_size=176, max_size=176) | st.binary(max_size=150).map(padded),
    ),
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
    for envelope, (id, code), sealed in zip(
        envelopes, outcome.ids_and_codes(), outcome.results, strict=True
    ):
        assert id == transaction_id(envelope)
        assert (code == 0) == bool(sealed)


def test_T09_a_plaintext_that_is_no_call_is_a_sealed_error(chain: Chain) -> None:
    session = chain.session("alice")
    envelopes = [
        seal_raw(session, plaintext)
        for plaintext in (bytes(176), padded(b"x"), padded(codec.encode((1, 2))))
    ]
    outcome = chain.commit(*envelopes)
    assert codes(outcome) == ["executed"] * 3
    for sequence, envelope in enumerate(envelopes, start=1):
        result = session.open_result(
            sequence, transaction_id(envelope), outcome.result_at(sequence - 1)
        )
        assert result.code == "malformed call"


@settings(max_examples=20, deadline=None)
@given(
    secrets=st.tuples(
        st.text("abcdef", min_size=12, max_size=12), st.text("uvwxyz", min_size=12, max_size=12)
    )
)
def test_T08_two_secrets_look_the_same_from_outside(secrets: tuple[str, str]) -> None:
    """T08, T09: sizes, counts, codes; a payment that fails looks like one that succeeds."""
    seen = []
    for secret, amount in zip(secrets, (10, 100_000), strict=True):
        chain = Chain()
        session = funded(chain)
        call = chain.call("payments.transfer", to="bob", amount=amount, memo=secret)
        _, opening = chain.open("alice", call, close=True)
        outcomes = [
            chain.commit(session.seal_call(call)[1]),
            chain.commit(opening),
            chain.commit(pay(chain, session)),
        ]
        sizes = [
            (o.codes, [len(r) for r in o.results], o.claims, len(o.write_set)) for o in outcomes
        ]
        seen.append((sizes, len(opening)))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("payments", [2, 16, 64])
def test_T08_many_payments_leave_the_same_behind_whether_they_work_or_fail(payments: int) -> None:
    """T08, T09: long memos, none, unknown accounts, too little money; a write set is as long as its
    envelopes."""
    seen = []
    for case in (
        {"to": "bob", "amount": 1, "memo": "m" * 40},
        {"to": "carol", "amount": 2**40},
        {"to": "alice", "amount": 0},
        {"to": "bob/nowhere", "amount": 1},
    ):
        chain = Chain()
        session = funded(chain)
        envelopes = [
            session.seal_call(chain.call("payments.transfer", **case))[1] for _ in range(payments)
        ]
        outcome = chain.commit(*envelopes)
        seen.append((outcome.codes, [len(one) for one in outcome.results], len(outcome.write_set)))
    assert seen.count(seen[0]) == len(seen)


@pytest.mark.parametrize("payments", [6, 8])
@pytest.mark.parametrize("memo", [79, 80, 81])
def test_T08_memos_that_make_a_write_set_longer_than_its_envelopes_do_not_show_success(
    payments: int, memo: int
) -> None:
    """T08: eight such payments changed and answered 1,902 bytes, their envelopes have 1,864."""
    seen = set()
    for money in (10**12, 1):
        chain = Chain()
        session, _ = funded(chain, "alice", money), funded(chain, "bob")
        call = chain.call("payments.transfer", to="bob", amount=2, memo="m" * memo)
        outcome = chain.commit(*(session.seal_call(call)[1] for _ in range(payments)))
        seen.add((outcome.codes, len(outcome.write_set)))
    assert len(seen) == 1


@pytest.mark.parametrize(("accounts", "label"), [(6, 40), (8, 36), (8, 43), (16, 47)])
def test_T08_labels_that_make_a_write_set_longer_than_its_envelopes_do_not_show_success(
    accounts: int, label: int
) -> None:
    """T08: to open accounts that are there changes nothing. Beyond these lengths it shows."""
    chain = Chain()
    session, seen = funded(chain), set()
    names = [f"{number:02d}".ljust(label, "x") for number in range(accounts)]
    calls = [chain.call("payments.open", account=name) for name in names]
    for _ in range(2):
        outcome = chain.commit(*(session.seal_call(call)[1] for call in calls))
        seen.add((outcome.codes, len(outcome.write_set)))
    assert len(seen) == 1
