"""The door's table: every row round-trips, refuses every other shape typed, and names a method that
is there; what a stage does not allow is refused before anything is done (T31)."""

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.consensus import samples
from tests.enclave.hostile_host import graft

from strongroom.consensus import codec
from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import (
    InvariantBroken,
    NotCanonical,
    ReceiptInvalid,
    StrongroomError,
)
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.messages import StatusBody
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.statements import Certificate, Statement
from strongroom.consensus.types import Height, PublicKey
from strongroom.enclave.attestation.deployment import SignedDeployment
from strongroom.enclave.door.refusals import Refusal, RefusalKind
from strongroom.enclave.door.requests import (
    DOCUMENT,
    HEIGHT,
    NONCE,
    Op,
    decode_answer,
    encode_answer,
    encode_request,
)
from strongroom.enclave.door.serve import KINDS, answer_to, kind_of
from strongroom.enclave.door.shapes import (
    BYTES,
    FLAG,
    NOTHING,
    TEXT,
    Either,
    Fields,
    Listed,
    Of,
    Plain,
    Shape,
    Sized,
    Unsigned,
)
from strongroom.enclave.formats.history import HistoryLeaf
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.member.member import ActiveEnclave
from strongroom.enclave.member.recovery import Recovery
from strongroom.enclave.member.stage import Need, Stage

IDENTITY = Identity(
    name="n9",
    operator="operator9",
    region="eu-west",
    tls_key=samples.digest("tls"),
    deployment=SignedDeployment(statement=b"deployment", signature=samples.signature(3)),
)
LEAF = HistoryLeaf(Height(7), *(samples.digest(name) for name in ("b", "o", "w", "s")))
OBJECTS: dict[type, list[Any]] = {
    Need: list(Need),
    Identity: [IDENTITY],
    Header: [samples.HEADER],
    HistoryLeaf: [LEAF],
    Batch: [samples.BATCH],
    Statement: list(samples.STATEMENTS.values()),
    Certificate: [samples.certificate(name) for name in samples.STATEMENTS],
    RecoveryCertificate: [samples.RECOVERY],
    StatusBody: [samples.STATUS_BODY],
    HeadBody: [samples.HEAD_BODY],
    Head: [Head(samples.HEAD_BODY, PublicKey(bytes(32)), samples.signature(4))],
    EpochEntry: [samples.EPOCH_ENTRY],
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=4)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=8,
)


def values_of(shape: Shape) -> st.SearchStrategy[Any]:
    """Any value of a shape; lists are short."""
    match shape:
        case Plain(_, kind):
            return {
                bytes: st.binary(max_size=40),
                str: st.text(max_size=8),
                bool: st.booleans(),
                type(None): st.none(),
                tuple: st.lists(ANYTHING, max_size=3).map(tuple),
            }[kind]
        case Sized(_, size):
            return st.binary(min_size=size, max_size=size)
        case Unsigned(_, value_max):
            return st.integers(0, value_max)
        case Of(kind):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            return st.sampled_from([one for kind in kinds for one in OBJECTS[kind]])
        case Listed(item, count_max):
            return st.lists(values_of(item), max_size=min(3, count_max)).map(tuple)
        case Fields(_, items):
            return st.tuples(*map(values_of, items))
        case Either(_, first, second):
            return values_of(first) | values_of(second)
    raise AssertionError(shape)


SHAPES = [shape for op in Op for shape in (op.arguments, op.answer)]


@settings(max_examples=400, deadline=None)
@given(data=st.data(), op=st.sampled_from(Op))
def test_arguments_and_answers_of_every_row_come_out_as_they_went_in(
    data: st.DataObject, op: Op
) -> None:
    arguments = data.draw(values_of(op.arguments))
    _, wire = codec.decode(encode_request(op, *op.arguments.encode(arguments)))
    assert op.arguments.decode(wire) == arguments
    answer = data.draw(values_of(op.answer))
    assert op.answer.decode(decode_answer(encode_answer(op.answer.encode(answer)))) == answer


@settings(max_examples=600, deadline=None)
@given(
    data=st.data(),
    shape=st.sampled_from(SHAPES),
    at=st.integers(0, 2**16),
    scion=ANYTHING,
)
def test_T31_whatever_is_not_of_a_rows_shape_is_refused_typed_and_the_rest_is_read_as_it_stands(
    data: st.DataObject, shape: Shape, at: int, scion: object
) -> None:
    """Nothing is read as something else: what is read gives the same bytes again."""
    wire = shape.encode(data.draw(values_of(shape)))
    _, changed = codec.decode(graft(codec.encode((0, wire)), at, scion))
    try:
        value = shape.decode(changed)
    except NotCanonical:
        return
    assert codec.encode(shape.encode(value)) == codec.encode(changed)


@settings(max_examples=400, deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    value=ANYTHING | st.floats() | st.dictionaries(st.text(), st.none()),
)
def test_whatever_is_not_of_a_rows_shape_is_not_sent_either(shape: Shape, value: object) -> None:
    try:
        wire = shape.encode(value)
    except NotCanonical:
        return
    assert codec.encode(shape.encode(shape.decode(wire))) == codec.encode(wire)


@pytest.mark.parametrize("op", Op)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_T31_one_argument_too_many_or_too_few_is_refused(op: Op, data: st.DataObject) -> None:
    wire = op.arguments.encode(data.draw(values_of(op.arguments)))
    for changed in ((*wire, b""), wire[:-1] if wire else (None,), None):
        with pytest.raises(NotCanonical):
            op.arguments.decode(changed)


@pytest.mark.parametrize("shape", [BYTES, TEXT, FLAG, NOTHING, DOCUMENT, NONCE, HEIGHT])
def test_T31_a_value_of_another_type_is_never_taken_for_one_of_a_shape(shape: Shape) -> None:
    values = (b"", "", True, None, (), -1, 2**64, b"x" * 31)
    taken = {Plain: 1, Sized: 0, Unsigned: 0}[type(shape)]
    for read in (shape.decode, shape.encode):
        refused = 0
        for value in values:
            if isinstance(shape, Plain) and type(value) is shape.kind:
                continue
            with pytest.raises(NotCanonical):
                read(value)
            refused += 1
        assert refused >= len(values) - 2 * taken


def test_what_needs_fresh_heads_is_what_signs_executes_answers_or_gives_keys() -> None:
    fresh = {op for op in Op if op.stages == Stage.FRESH}
    assert fresh == {Op.CAST, Op.EXECUTE, Op.QUERY, Op.KEYS_GIVE, Op.DIAGNOSTICS}


def listed_in(shape: Shape) -> list[Listed]:
    match shape:
        case Listed(item):
            return [shape, *listed_in(item)]
        case Fields(_, items):
            return [found for item in items for found in listed_in(item)]
        case Either(_, first, second):
            return listed_in(first) + listed_in(second)
    return []


def test_T31_every_sequence_of_the_table_has_a_bound_that_holds_on_both_sides() -> None:
    for shape in {found for one in SHAPES for found in listed_in(one)}:
        too_many = (None,) * (shape.count_max + 1)
        for read in (shape.encode, shape.decode):
            with pytest.raises(NotCanonical, match=f"at most {shape.count_max}"):
                read(too_many)


@pytest.mark.parametrize("op", Op)
def test_every_row_names_a_method_that_takes_its_arguments(op: Op) -> None:
    owner, _, name = op.method.rpartition(".")
    owners = {"": Lifecycle, "recovery": Recovery}
    method = getattr(owners.get(owner, ActiveEnclave), name)
    assert owner in ("", "active", "learner", "recovery")
    assert not owner or hasattr(Lifecycle, owner)
    assert isinstance(op.arguments, Fields)
    assert len(inspect.signature(method).parameters) == 1 + len(op.arguments.items)


class Recorder:
    """Stands for an enclave in some stage; every method of the table is one that notes its call."""

    def __init__(self, op: Op, stage: Stage, answer: object) -> None:
        self.stage, self.calls = stage, 0
        owner, _, name = op.method.rpartition(".")

        def method(*_: object) -> object:
            self.calls += 1
            return answer

        holder = SimpleNamespace(**{name: method})
        for where, value in ((owner, holder),) if owner else ((name, method),):
            setattr(self, where, value)


@pytest.mark.parametrize("op", Op)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_T31_what_a_stage_does_not_allow_is_refused_typed_and_nothing_is_done(
    op: Op, data: st.DataObject
) -> None:
    request = encode_request(op, *op.arguments.encode(data.draw(values_of(op.arguments))))
    answer = data.draw(values_of(op.answer))
    for stage in Stage:
        core: Any = Recorder(op, stage, answer)
        if stage & op.stages:
            wire = decode_answer(answer_to(core, request))
            assert (op.answer.decode(wire), core.calls) == (answer, 1)
            continue
        with pytest.raises(Refusal) as refused:
            decode_answer(answer_to(core, request))
        expected = (
            RefusalKind.NOT_FRESH
            if (op.stages, stage) == (Stage.FRESH, Stage.MEMBER)
            else RefusalKind.OUT_OF_ORDER
        )
        assert (refused.value.kind, core.calls) == (expected, 0)


@pytest.mark.parametrize("op", Op)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_an_answer_of_another_shape_ends_the_process_or_is_an_alarm(
    op: Op, data: st.DataObject
) -> None:
    """It is a bug of ours; where others are judged, their bytes may not end this process."""
    request = encode_request(op, *op.arguments.encode(data.draw(values_of(op.arguments))))
    core: Any = Recorder(op, next(stage for stage in Stage if stage & op.stages), object())
    if not op.judges:
        with pytest.raises(InvariantBroken, match="not of its shape"):
            answer_to(core, request)
        return
    with pytest.raises(Refusal) as refused:
        decode_answer(answer_to(core, request))
    assert refused.value.kind is RefusalKind.UNFORESEEN


# --- refusals -------------------------------------------------------------------------------------


def errors_below(error: type[StrongroomError]) -> set[type[StrongroomError]]:
    return {error}.union(*(errors_below(one) for one in error.__subclasses__()))


def test_every_error_of_an_enclave_is_told_as_its_own_kind_or_as_that_of_the_nearest_above() -> (
    None
):
    ends = errors_below(InvariantBroken)
    inside = {
        error
        for error in errors_below(StrongroomError) - ends - {StrongroomError, Refusal}
        if error.__module__.startswith(("strongroom.consensus", "strongroom.enclave"))
        and ".outside." not in error.__module__
    }
    for error in inside - {ReceiptInvalid}:
        assert any(one in KINDS for one in error.__mro__), error
    assert set(KINDS.values()) == set(RefusalKind) - {RefusalKind.UNFORESEEN}
    assert all(kind.label == error.__name__ for error, kind in KINDS.items())


def test_a_kind_that_does_not_exist_is_no_answer() -> None:
    with pytest.raises(NotCanonical, match="no kind 99"):
        decode_answer(codec.encode((False, (99, "", ""))))
    assert kind_of(StrongroomError("nothing nearer")) is RefusalKind.UNFORESEEN
