"""JSON-RPC 2.0: requests, batches, notifications and errors; it knows no method and no connection.

Works on values that are already decoded, so that JSON text and msgpack frames share every rule;
`decode_json`, `decode_msgpack` and their encoders are the two forms. Source:
https://www.jsonrpc.org/specification (2013-01-04).
"""

import json
import math
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import msgpack

from strongroom.node.faults import RpcFault
from strongroom.node.rpc.backend import Blob

Reply = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """A result that is told however long it is."""

    value: Any


class ParseError(RpcFault):
    """Not JSON, or not one msgpack value."""

    code = -32700


class InvalidRequest(RpcFault):
    """A value that is no request object."""

    code = -32600


class MethodNotFound(RpcFault):
    """No method of that name here."""

    code = -32601


class InvalidParams(RpcFault):
    """A parameter is missing, unknown or not of its type."""

    code = -32602


class InternalError(RpcFault):
    """Our own fault; says nothing of what was inside."""

    code = -32603


# --- the two forms --------------------------------------------------------------------------------


def decode_json(data: bytes | str) -> Any:
    """One JSON value (RFC 8259: no NaN, no Infinity).

    Raises:
        ParseError: anything else.
    """
    try:
        return json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ParseError("Parse error: not one JSON value") from None


def decode_msgpack(data: bytes) -> Any:
    """One msgpack value; maps have string or bytes keys, extension types are refused.

    Raises:
        ParseError: anything else.
    """
    try:
        return msgpack.unpackb(data, ext_hook=_no_extension)
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException):
        raise ParseError("Parse error: not one msgpack value") from None


def encode_json(value: Any) -> str:
    """JSON text; plain bytes become lowercase hex, a Blob base64."""
    return json.dumps(value, default=_bytes_as_text, separators=(",", ":"))


encode_msgpack: Callable[[Any], bytes] = msgpack.Packer().pack
"""msgpack; bytes stay raw."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _no_extension(code: int, _data: bytes) -> NoReturn:
    raise ValueError(f"extension type {code}")


def _bytes_as_text(value: object) -> str:
    if isinstance(value, Blob):
        return b64encode(value).decode()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"no JSON form for {type(value).__name__}")


# --- requests and replies -------------------------------------------------------------------------


def error_object(fault: RpcFault) -> Reply:
    """The `error` member of a reply."""
    error: Reply = {"code": fault.code, "message": str(fault)}
    if fault.data:
        error["data"] = fault.data
    return error


def error_reply(fault: RpcFault, id: object = None) -> Reply:
    """A whole reply that says no."""
    return {"jsonrpc": "2.0", "error": error_object(fault), "id": id}


def refusal_of(value: Any, fault: RpcFault) -> Reply | None:
    """The reply to a request that failed: none to a notification, id null where it cannot be
    told."""
    is_object = type(value) is dict
    if is_object and "id" not in value and not isinstance(fault, InvalidRequest):
        return None
    id = value.get("id") if is_object else None
    return error_reply(fault, id if _is_id(id) else None)


def read_request(value: Any) -> tuple[str, list[Any] | dict[str, Any]]:
    """Method and parameters of one request or notification.

    Raises:
        InvalidRequest: it is none.
    """
    if type(value) is not dict:
        raise InvalidRequest("Invalid Request: not an object")
    if value.get("jsonrpc") != "2.0":
        raise InvalidRequest('Invalid Request: "jsonrpc" must be "2.0"')
    method, params = value.get("method"), value.get("params", [])
    if type(method) is not str:
        raise InvalidRequest('Invalid Request: "method" must be a string')
    if type(params) not in (list, dict):
        raise InvalidRequest('Invalid Request: "params" must be an array or an object')
    if "id" in value and not _is_id(value["id"]):
        raise InvalidRequest('Invalid Request: "id" must be a string, a number or null')
    return method, params


def _is_id(id: object) -> bool:
    return id is None or type(id) in (str, int) or (type(id) is float and math.isfinite(id))
