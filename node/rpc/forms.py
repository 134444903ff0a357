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
    items: Callable[[Sequence[Any]], bytes]
    """The items of a list, encoded, without what stands around them; empty for none."""
    of_items: Callable[[int, Sequence[bytes]], bytes]
    """A list of so many items, from pieces that `items` made, none of them empty."""

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


def _json_items(values: Sequence[Any]) -> bytes:
    return _json(values)[1:-1]


def _json_of_items(_count: int, pieces: Sequence[bytes]) -> bytes:
    return _json_array(pieces)


def _msgpack_items(values: Sequence[Any]) -> bytes:
    return b"".join(map(msgpack.Packer().pack, values))  # runs in threads: a packer of its own


def _msgpack_of_items(count: int, pieces: Sequence[bytes]) -> bytes:
    head: bytes = msgpack.Packer().pack_array_header(count)
    return head + b"".join(pieces)


JSON = Form(
    "json",
    True,
    jsonrpc.decode_json,
    _json,
    _json_array,
    _json_map,
    _json_items,
    _json_of_items,
)
MSGPACK = Form(
    "msgpack",
    False,
    jsonrpc.decode_msgpack,
    msgpack.packb,
    _msgpack_array,
    _msgpack_map,
    _msgpack_items,
    _msgpack_of_items,
)
