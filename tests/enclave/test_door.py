"""Whatever bytes come through the door: an answer or a typed refusal, never a crash, never a change (T31)."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave.fixtures import manufacturer

from strongroom.consensus import codec
from strongroom.enclave.core import Core
from strongroom.enclave.door import answer_to
from strongroom.enclave.platform.measurement import Measurement
from strongroom.enclave.requests import Op, Refusal, decode_answer, encode_request

ANSWERED_AT_ANY_TIME = (Op.DESCRIBE, Op.WALLS)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8) | st.binary(max_size=64),
    lambda inner: st.lists(inner, max_size=5).map(tuple),
    max_leaves=12,
)


@cache
def _core() -> Core:
    return Core(manufacturer().make_chip(), Measurement(files=(), python="test", programs=("payments", "system")))


@given(st.binary(max_size=400))
def test_T31_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(Refusal):
        decode_answer(answer_to(_core(), data))


@settings(max_examples=300)
@given(op=st.sampled_from([op for op in Op if op not in ANSWERED_AT_ANY_TIME]), arguments=st.lists(values, max_size=8))
def test_T31_arguments_of_another_shape_are_refused_and_change_nothing(op: Op, arguments: list[object]) -> None:
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
                    answer_to(_core(), encode_request(op, None, None, None, None, None, None, None, None, None))
                )
