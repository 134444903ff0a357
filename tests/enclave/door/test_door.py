"""Whatever bytes come through the door: an answer or a typed refusal, never a crash, never a change
(T31)."""

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave.chain import EPOCH
from tests.enclave.fixtures import manufacturer
from tests.enclave.hostile_host import HostileHost, flip, graft, ledger

from strongroom.consensus import codec
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import Digest, View
from strongroom.enclave.door.refusals import Refusal
from strongroom.enclave.door.requests import Op, decode_answer, encode_request
from strongroom.enclave.door.serve import answer_to
from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.platform.measuring import Measurement

ANSWERED_AT_ANY_TIME = (Op.DESCRIBE, Op.WALLS)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=8)
    | st.binary(max_size=64),
    lambda inner: st.lists(inner, max_size=5).map(tuple),
    max_leaves=12,
)


@cache
def _core() -> Lifecycle:
    return Lifecycle(
        manufacturer().make_chip(),
        Measurement(files=(), python="test", programs=("payments", "system")),
    )


@given(st.binary(max_size=400))
def test_T31_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(Refusal):
        decode_answer(answer_to(_core(), data))


@settings(max_examples=300)
@given(
    op=st.sampled_from([op for op in Op if op not in ANSWERED_AT_ANY_TIME]),
    arguments=st.lists(values, max_size=8),
)
def test_T31_arguments_of_another_shape_are_refused_and_change_nothing(
    op: Op, arguments: list[object]
) -> None:
    before = decode_answer(answer_to(_core(), encode_request(Op.DESCRIBE)))
    with pytest.raises(Refusal):
        decode_answer(answer_to(_core(), encode_request(op, *arguments)))
    assert decode_answer(answer_to(_core(), encode_request(Op.DESCRIBE))) == before


def test_an_operation_that_does_not_exist_is_named_in_the_refusal() -> None:
    with pytest.raises(Refusal, match="no operation 99"):
        decode_answer(answer_to(_core(), codec.encode((99, ()))))


def test_every_operation_has_a_reader() -> None:
    for op in Op:
        if op not in ANSWERED_AT_ANY_TIME:
            with pytest.raises(Refusal):
                decode_answer(
                    answer_to(
                        _core(),
                        encode_request(op, None, None, None, None, None, None, None, None, None),
                    )
                )


# --- a founded, fresh member and a host that plays with it ----------------------------------------

requests = st.sampled_from(Op)
places = st.integers(0, 2**20)
steps = st.one_of(
    st.tuples(st.just("valid"), requests),
    st.tuples(st.just("flip"), requests, places, st.integers(1, 255)),
    st.tuples(st.just("cut"), requests, places),
    st.tuples(st.just("graft"), requests, places, values | st.binary(max_size=40)),
    st.tuples(st.just("again"), places),
    st.tuples(st.just("flip again"), places, places, st.integers(1, 255)),
    st.tuples(st.just("noise"), st.binary(max_size=200)),
)


def play(host: HostileHost, step: tuple[Any, ...]) -> object:
    match step:
        case ("valid", which):
            return host.ask(host.valid_one(which))
        case ("flip", which, at, bits):
            return host.ask(flip(host.valid_one(which), at, bits))
        case ("cut", which, at):
            request = host.valid_one(which)
            return host.ask(request[: at % len(request)])
        case ("graft", which, at, scion):
            return host.ask(graft(host.valid_one(which), at, scion))
        case ("again", at):
            return host.ask(host.seen[at % len(host.seen)])
        case ("flip again", which, at, bits):
            return host.ask(flip(host.seen[which % len(host.seen)], at, bits))
        case (_, noise):
            return host.ask(noise)
    raise AssertionError(step)


@cache
def _long_lived() -> HostileHost:
    return HostileHost()


@settings(max_examples=300)
@given(op=st.sampled_from(Op), at=places, scion=values | st.binary(max_size=40))
def test_T31_a_member_refuses_arguments_of_another_shape_too(
    op: Op, at: int, scion: object
) -> None:
    _long_lived().ask(graft(_long_lived().valid_one(op), at, scion))


@settings(max_examples=60)
@given(st.lists(steps, min_size=5, max_size=25))
def test_T31_whatever_its_host_does_a_member_answers_or_refuses_and_a_refusal_changes_nothing(
    game: list[tuple[Any, ...]],
) -> None:
    host = HostileHost()
    for step in game:
        play(host, step)


ELSEWHERE = {
    Op.PREPARE,
    Op.FOUND,
    Op.ACCEPT,
    Op.PREPARE_JOIN,
    Op.SEAL_FOUNDING,
    Op.RESUME_FOUNDING,
    Op.UNSEAL,
    Op.UNSEAL_SUCCESSOR,
    Op.TAKE_OVER,
}
ELSEWHERE |= {Op.HAND_OVER, Op.KEYS_GIVE, Op.KEYS_TAKE}
ELSEWHERE |= {Op.LOAD, Op.LOAD_CHUNK, Op.LOAD_END, Op.DIAGNOSTICS}
ELSEWHERE |= {op for op in Op if op.name.startswith("RECOVER")}


@pytest.mark.parametrize("op", Op)
def test_every_kind_of_request_that_a_host_plays_with_is_valid_unchanged(op: Op) -> None:
    """Otherwise changing it would prove nothing: all are answered but those of another stage of its
    life.

    Those, and giving and taking keys, are played whole in test_succession.py; loading, in
    test_snapshots.py; diagnostics, in test_diagnostics.py.
    """
    host = HostileHost()
    if op is Op.CONFIRM:
        host.ask(host.valid_one(Op.APPLY))
    refused = isinstance(host.ask(host.valid_one(op)), Refusal)
    assert refused == (op in ELSEWHERE)


def test_a_whole_history_executed_beside_its_hosts_games_is_the_one_history() -> None:
    host = HostileHost()
    for height in range(1, len(ledger().roots)):
        assert not isinstance(host.ask(host.valid_one(Op.EXECUTE)), Refusal)
        assert isinstance(host.ask(host.seen[-1]), Refusal)
        assert host.core.active.status()[0] == height


def test_T25_a_real_member_votes_and_signs_between_two_slices_and_executes_the_same() -> None:
    """What a block does to the registry of nodes is not looked at before its end: a vote within it
    is as one before it."""
    host = HostileHost()
    core, answers = host.core, list[bytes]()
    statements = (
        Statement(Kind.NOTARIZE, EPOCH, View(900 + number), Digest(bytes([1]) * 32))
        for number in range(99)
    )

    def between() -> None:
        before = core.active.status()[0]
        vote = encode_request(Op.CAST, (next(statements).to_wire(),))
        for request in (encode_request(Op.SIGN_BATCH, bytes(32)), vote):
            answers.append(answer_to(core, request))
        assert core.active.status()[0] == before

    core.on_slice = between
    blocks = len(ledger().chain.blocks)
    while core.active.status()[0] < blocks:
        host.ask(host.valid_one(Op.EXECUTE))
    assert len(answers) >= 2 * (blocks - 1)
    assert all(decode_answer(answer) for answer in answers)


def test_an_execution_that_is_refused_leaves_votes_as_closely_looked_at_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = HostileHost()
    chain = ledger().chain
    refused = host.ask(encode_request(Op.EXECUTE, (), chain.certificate(chain.tip).to_wire()))
    assert isinstance(refused, Refusal)
    looked = list[object]()

    def is_over(node: object) -> bool:
        looked.append(node)
        return False

    monkeypatch.setattr(host.core.active.starts, "is_over", is_over)
    host.must(Op.SIGN_BATCH, bytes(32))
    assert len(looked) == 1
