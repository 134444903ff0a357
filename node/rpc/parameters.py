"""Parameters of methods: their types on the wire, by name or by position.

A digest, key or nonce is lowercase hex in JSON and an envelope is base64; in msgpack frames both
are raw bytes, and the text forms are understood too. What is unknown, missing or of another type is
an error, never ignored.
"""

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.jsonrpc import InvalidParams

HEIGHT_MAX = 2**63 - 1
DIGESTS_MAX = 4_096
LATEST = "latest"
"""The newest final block, wherever a height is asked for."""
TEXT_CHARACTERS_MAX = 256
_REQUIRED: Any = object()
_HEX_16 = re.compile(r"[0-9a-f]{32}")
_HEX_32 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of parameter."""

    words: str
    """What it must be, in words."""
    read: Callable[[Any], Any]
    """Wire value → argument; raises ValueError."""
    schema: Document
    """JSON Schema of its JSON form."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a method."""

    name: str
    kind: Kind
    words: str
    default: Any = _REQUIRED

    @property
    def required(self) -> bool:
        """Has it no default?"""
        return self.default is _REQUIRED


def bind(parameters: tuple[Parameter, ...], given: list[Any] | dict[str, Any]) -> list[Any]:
    """The arguments of a call, in the order of its parameters.

    Raises:
        InvalidParams: too many, unknown, missing, or not of the parameter's type.
    """
    if type(given) is list:
        if len(given) > len(parameters):
            raise InvalidParams(
                f"{len(given)} params, at most {len(parameters)} are known: {_names(parameters)}"
            )
        named = dict(zip((parameter.name for parameter in parameters), given, strict=False))
    else:
        named = dict(given)
    arguments = [_read(parameter, named) for parameter in parameters]
    if named:
        raise InvalidParams(f"unknown param {next(iter(named))!r}; known are: {_names(parameters)}")
    return arguments


def _read(parameter: Parameter, named: dict[str, Any]) -> Any:
    value = named.pop(parameter.name, _REQUIRED)
    if value is _REQUIRED:
        if parameter.required:
            raise InvalidParams(f"missing param {parameter.name!r}: {parameter.kind.words}")
        return parameter.default
    try:
        return parameter.kind.read(value)
    except ValueError as error:
        detail = f" ({error})" if str(error) else ""
        raise InvalidParams(
            f"param {parameter.name!r} must be {parameter.kind.words}{detail}"
        ) from None


def _names(parameters: tuple[Parameter, ...]) -> str:
    return ", ".join(parameter.name for parameter in parameters) or "none"


# --- the types ------------------------------------------------------------------------------------


def _digest(value: Any) -> bytes:
    if type(value) is bytes and len(value) == 32:
        return value
    if type(value) is str and _HEX_32.fullmatch(value):
        return bytes.fromhex(value)
    raise ValueError


def _digests(value: Any) -> list[bytes]:
    if type(value) is not list or len(value) > DIGESTS_MAX:
        raise ValueError
    return [_digest(item) for item in value]


def _blob(value: Any) -> bytes:
    if type(value) is bytes:
        return value
    if type(value) is str:
        return b64decode(value, validate=True)
    raise ValueError


def _blobs(value: Any) -> list[bytes]:
    if type(value) is not list:
        raise ValueError
    return [item if type(item) is bytes else _blob(item) for item in value]


def _boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise ValueError


def _height(value: Any) -> int:
    if type(value) is int and 0 <= value <= HEIGHT_MAX:
        return value
    raise ValueError


def _height_or_hash(value: Any) -> int | bytes | str:
    if type(value) is str and value == LATEST:
        return LATEST
    return _height(value) if type(value) is int else _digest(value)


def _height_or_latest(value: Any) -> int | str:
    return LATEST if value == LATEST and type(value) is str else _height(value)


def _text(value: Any) -> str:
    if type(value) is str and 0 < len(value) <= TEXT_CHARACTERS_MAX:
        return value
    raise ValueError


def _proposal(value: Any) -> str:
    if type(value) is str and _HEX_16.fullmatch(value):
        return value
    raise ValueError


def _optional_height(value: Any) -> int | None:
    return None if value is None else _height(value)


def one_of(*choices: str) -> Kind:
    """One of a few words."""

    def read(value: Any) -> str:
        if type(value) is str and value in choices:
            return value
        raise ValueError

    return Kind(
        "one of " + ", ".join(f'"{choice}"' for choice in choices), read, {"enum": list(choices)}
    )


_HEX_SCHEMA: Document = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_HEIGHT_SCHEMA: Document = {"type": "integer", "minimum": 0, "maximum": HEIGHT_MAX}
_BLOB_SCHEMA: Document = {"type": "string", "contentEncoding": "base64"}

DIGEST = Kind("32 bytes (64 lowercase hex digits; raw in msgpack)", _digest, _HEX_SCHEMA)
DIGESTS = Kind(
    f"a list of at most {DIGESTS_MAX} times 32 bytes (64 lowercase hex digits; raw in msgpack)",
    _digests,
    {"type": "array", "items": _HEX_SCHEMA, "maxItems": DIGESTS_MAX},
)
BLOB = Kind("bytes (base64; raw in msgpack)", _blob, _BLOB_SCHEMA)
BLOBS = Kind(
    "a list of bytes (base64; raw in msgpack)", _blobs, {"type": "array", "items": _BLOB_SCHEMA}
)
BOOLEAN = Kind("true or false", _boolean, {"type": "boolean"})
HEIGHT = Kind("an integer from 0", _height, _HEIGHT_SCHEMA)
OPTIONAL_HEIGHT = Kind(
    "an integer from 0, or null", _optional_height, {"anyOf": [_HEIGHT_SCHEMA, {"type": "null"}]}
)
PROPOSAL = Kind(
    "a proposal's id (32 lowercase hex digits)",
    _proposal,
    {"type": "string", "pattern": "^[0-9a-f]{32}$"},
)
_LATEST_SCHEMA: Document = {"const": LATEST}
HEIGHT_OR_HASH = Kind(
    'a height, a header\'s digest (64 lowercase hex digits; raw in msgpack), or "latest"',
    _height_or_hash,
    {"anyOf": [_HEIGHT_SCHEMA, _HEX_SCHEMA, _LATEST_SCHEMA]},
)
HEIGHT_OR_LATEST = Kind(
    'an integer from 0, or "latest"',
    _height_or_latest,
    {"anyOf": [_HEIGHT_SCHEMA, _LATEST_SCHEMA]},
)
TEXT = Kind(
    f"a text of 1 to {TEXT_CHARACTERS_MAX} characters",
    _text,
    {"type": "string", "minLength": 1, "maxLength": TEXT_CHARACTERS_MAX},
)
