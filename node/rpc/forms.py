"""The two forms of a message, JSON and msgpack: decoding, encoding, and putting encoded parts
together.

Owns bytes alone. A result that was encoded beside the event loop, or once for many subscribers, is
put into its frame as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from strongroom.node.rpc import jsonrpc


class Encoded(bytes):
    """A value that stands in its form already."""


@dataclass(frozen=True, slots=True)
class Form:
    """How values stand in frames of one type."""

    name: str
    text: bool
    decode: Callable[[Any], Any]
    encode: Callable[[Any], bytes]
    array: Callable[[Sequence[bytes]], bytes]
    """A list of encoded values."""
    map: Callable[[Sequence[tuple[str, bytes]]], bytes]
    """An object of names and encoded values."""

    def reply(self, reply: jsonrpc.Reply) -> bytes:
        """A reply; its result may be `Encoded`."""
        if not isinstance(reply.get("result"), Encoded):
            return self.encode(reply)
        parts = {
            name: value if type(value) is Encoded else self.encode(value)
            for name, value in reply.items()
        }
        return self.map(tuple(parts.items()))


def _json(value: Any) -> bytes:
    return jsonrpc.encode_json(value).encode()


def _json_array(parts: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(parts) + b"]"


def _json_map(items: Sequence[tuple[str, bytes]]) -> bytes:
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in items) + b"}"


def _msgpack_array(parts: Sequence[bytes]) -> bytes:
    head: bytes = msgpack.Packer().pack_array_header(len(parts))
    return head + b"".join(parts)


def _msgpack_map(items: Sequence[tuple[str, bytes]]) -> bytes:
    head: bytes = msgpack.Packer().pack_map_header(len(items))
    return head + b"".join(part for name, value in items for part in (msgpack.packb(name), value))


JSON = Form("json", True, jsonrpc.decode_json, _json, _json_array, _json_map)
MSGPACK = Form(
    "msgpack", False, jsonrpc.decode_msgpack, msgpack.packb, _msgpack_array, _msgpack_map
)
