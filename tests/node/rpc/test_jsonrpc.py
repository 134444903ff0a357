"""Every case of JSON-RPC 2.0 (https://www.jsonrpc.org/specification), with the specification's own
examples."""

import json
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.node.faults import Overloaded, Refused, RpcFault
from strongroom.node.rpc import answering, jsonrpc
from strongroom.node.rpc.backend import Blob
from strongroom.node.rpc.forms import JSON
from strongroom.node.rpc.jsonrpc import InvalidParams, MethodNotFound
from strongroom.node.rpc.room import Room

VECTORS = Path(__file__).parents[4] / "shared/vectors/crypto/jsonrpc/jsonrpc2-spec-examples.json"

SPECIFICATION_EXAMPLES = [
    ('{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}', 19, 1),
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": '
        '{"subtrahend": 23, "minuend": 42}, "id": 3}',
        19,
        3,
    ),
    ('{"jsonrpc": "2.0", "method": "foobar", "id": "1"}', -32601, "1"),
    ('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', -32700, None),
    ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', -32600, None),
    ("[]", -32600, None),
]


async def _call(method: str, params: list[Any] | dict[str, Any], _room: Room) -> Any:
    """The methods that the specification's examples use."""
    match method:
        case "subtract":
            if isinstance(params, dict):
                return params["minuend"] - params["subtrahend"]
            if len(params) != 2:
                raise InvalidParams("two numbers")
            return params[0] - params[1]
        case "sum":
            return sum(params)
        case "get_data":
            return ["hello", 5]
        case "update" | "notify_hello" | "notify_sum":
            return None
        case "overload":
            raise Overloaded("full", retry_after_ms=5)
    raise MethodNotFound(method)


async def _answer(text: str | bytes) -> Any:
    try:
        value = jsonrpc.decode_json(text)
    except RpcFault as fault:
        return jsonrpc.error_reply(fault)
    reply = await answering.answer(value, _call, Room(JSON), batch_calls_max=10)
    return None if reply is None else json.loads(reply)


def _comparable(reply: Any) -> Any:
    """Without what the specification leaves free: texts, data, the order of a batch."""
    if isinstance(reply, list):
        return sorted((_comparable(item) for item in reply), key=str)
    if isinstance(reply, dict) and "error" in reply:
        return {"jsonrpc": reply["jsonrpc"], "code": reply["error"]["code"], "id": reply["id"]}
    return reply


@pytest.mark.parametrize(("request_", "answer", "id"), SPECIFICATION_EXAMPLES)
async def test_examples_of_the_specification(request_: str, answer: int, id: object) -> None:
    reply = await _answer(request_)
    got = reply["error"]["code"] if "error" in reply else reply["result"]
    assert (got, reply["id"]) == (answer, id)


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared vectors are not beside this checkout")
async def test_every_shared_vector_is_answered_as_the_specification_says() -> None:
    for case in json.loads(VECTORS.read_text())["cases"]:
        expected = None if case["response"] is None else json.loads(case["response"])
        assert _comparable(await _answer(case["request"])) == _comparable(expected), case["name"]


async def test_a_notification_is_never_answered_even_when_it_fails() -> None:
    assert await _answer('{"jsonrpc": "2.0", "method": "overload"}') is None
    assert await _answer('{"jsonrpc": "2.0", "method": "subtract", "params": [1]}') is None


async def test_a_batch_of_nothing_but_notifications_is_not_answered() -> None:
    assert (
        await _answer('[{"jsonrpc":"2.0","method":"update"},{"jsonrpc":"2.0","method":"update"}]')
        is None
    )


async def test_a_batch_over_the_limit_is_refused_as_too_large() -> None:
    call = {"jsonrpc": "2.0", "method": "sum", "params": [1], "id": 1}
    assert (await _answer(json.dumps([call] * 11)))["error"]["code"] == -32003
    assert len(await _answer(json.dumps([call] * 10))) == 10


async def test_a_refusal_carries_its_code_and_public_data() -> None:
    reply = await _answer('{"jsonrpc": "2.0", "method": "overload", "id": 9}')
    assert reply["error"] == {"code": -32005, "message": "full", "data": {"retry_after_ms": 5}}


def test_plain_bytes_are_hex_and_blobs_base64_in_json() -> None:
    value = {"digest": b"\x01\xff", "blob": Blob(b"\x01\xff"), "in": Refused("no", id=b"\x02").data}
    assert json.loads(jsonrpc.encode_json(value)) == {
        "digest": "01ff",
        "blob": "Af8=",
        "in": {"id": "02"},
    }


def test_bytes_stay_raw_in_msgpack() -> None:
    value = {"digest": b"\x01\xff", "blob": Blob(b"\x01\xff")}
    assert msgpack.unpackb(jsonrpc.encode_msgpack(value)) == value


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", "", "\x00", '"\\ud8', "[" * 100_000, "1 2", '{"a":}', b"\xff"]
)
def test_what_is_not_json_is_a_parse_error(text: str | bytes) -> None:
    """T31."""
    with pytest.raises(jsonrpc.ParseError):
        jsonrpc.decode_json(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x01\x02",
        b"\x91" * 100_000 + b"\x01",
        b"\xdd\xff\xff\xff\xff",
        b"\xd4\x01\x00",
        b"\x81\x01\x02",
    ],
    ids=["empty", "reserved", "two values", "deep", "huge array", "extension", "integer key"],
)
def test_what_is_not_one_msgpack_value_is_a_parse_error(data: bytes) -> None:
    """T31."""
    with pytest.raises(jsonrpc.ParseError):
        jsonrpc.decode_msgpack(data)


@given(st.binary(max_size=64))
def test_garbage_bytes_never_raise_anything_but_a_parse_error(data: bytes) -> None:
    """T31."""
    for decode in (jsonrpc.decode_json, jsonrpc.decode_msgpack):
        try:
            decode(data)
        except jsonrpc.ParseError:
            continue


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=7), inner, max_size=4)
    ),
    max_leaves=8,
)
_requests = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | _values,
        "method": st.sampled_from(["sum", "overload", "none"]) | _values,
        "params": st.just([]) | _values,
        "id": st.integers() | _values,
    },
)


@given(value=_requests | st.lists(_requests | _values, max_size=5) | _values)
async def test_any_value_gets_a_well_formed_answer_or_none(value: Any) -> None:
    """T31."""

    async def call(method: str, params: object, room: Room) -> Any:
        raise Overloaded("always")

    encoded = await answering.answer(value, call, Room(JSON), batch_calls_max=10)
    reply = None if encoded is None else json.loads(encoded)
    for one in reply if isinstance(reply, list) else [] if reply is None else [reply]:
        assert one["jsonrpc"] == "2.0"
        assert ("result" in one) != ("error" in one)
        assert "id" in one
        jsonrpc.encode_msgpack(one) if not _is_huge(one["id"]) else None


def _is_huge(id: object) -> bool:
    return isinstance(id, int) and not -(2**63) <= id < 2**64
