"""Canonical msgpack: each value has one encoding, and `decode` refuses every other.

Owns the byte form of everything that is signed, hashed, sent or stored. Values are None, bool, int,
str, bytes and tuples of them; there are no maps, no floats and no extension types, so nothing needs
an ordering rule. Results of programs may hold maps; they use `encode_value` and `decode_value` and
are never signed or hashed in the clear. Source:
https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from collections.abc import Callable, Sequence, Set
from typing import Any, NoReturn, TypeVar

import msgpack

from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import U64_MAX

Wire = Any
"""None | bool | int | str | bytes | tuple[Wire, ...]."""

MESSAGE_BYTES_MAX = 32 * 1024 * 1024
DEPTH_MAX = 32
"""Sequences within sequences. A rule of ours, far below what the library or the interpreter's stack
allows: those bounds differ between versions, and whether a value is taken must not."""

_SEQUENCE_HEADS = bytes((*range(0x90, 0xA0), 0xDC, 0xDD))
"""Each byte that begins a sequence."""
_COUNTED_BYTES_MAX = 512
"""Up to here it is cheaper to count bytes that begin a sequence than to look at the value; a batch
has few values and many bytes."""
_packer = msgpack.Packer(use_bin_type=True, autoreset=True)
_unpack = msgpack.unpackb
_T = TypeVar("_T")


encode: Callable[[Wire], bytes] = _packer.pack
"""The canonical encoding of a value (see the module's docstring for what a value is)."""
encode_value: Callable[[Any], bytes] = _packer.pack
"""A program's result, encoded; maps keep the order in which the program built them."""


def decode(data: bytes, *, size_max: int = MESSAGE_BYTES_MAX) -> Wire:
    """Decode exactly one canonical value that fills `data`.

    Raises:
        NotCanonical: too long or deep, trailing bytes, a map, an extension type, or a longer form
            than needed. (Floats and time stamps pass here and fail the type checks of `fields`.)
    """
    if len(data) > size_max:
        raise NotCanonical(f"{len(data)} bytes, at most {size_max} are taken")
    try:
        value = _unpack(data, use_list=False, object_pairs_hook=_no_map, ext_hook=_no_extension)
    except NotCanonical:
        raise
    except (ValueError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise NotCanonical(f"not one msgpack value: {type(error).__name__}") from None
    # On the hot path: what has no more bytes that begin a sequence than may nest, is not deep.
    if type(value) is tuple and (
        len(data) > _COUNTED_BYTES_MAX
        or len(data) - len(data.translate(None, _SEQUENCE_HEADS)) > DEPTH_MAX
    ):
        _check_depth(value)
    if _packer.pack(value) != data:
        raise NotCanonical("not the canonical encoding of its value")
    return value


def decode_fields(data: bytes, shapes: Set[tuple[type, ...]], *, name: str) -> tuple[Any, ...]:
    """Decode exactly one canonical tuple of scalars that fills `data`: what `decode` and `fields`
    do, in one look at each item, for the hot path. Nothing in it nests.

    Args:
        data: the bytes; whoever calls this has bounded them.
        shapes: the types of its items; no sequence among them.
        name: of what this is, for the error.

    Raises:
        NotCanonical: it is none, of other types, or in a longer form than needed.
    """
    try:
        value = _unpack(data, use_list=False, object_pairs_hook=_no_map, ext_hook=_no_extension)
    except NotCanonical:
        raise
    except (ValueError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise NotCanonical(f"not one msgpack value: {type(error).__name__}") from None
    if type(value) is not tuple or tuple(map(type, value)) not in shapes:
        raise NotCanonical(f"{name}: of no known shape")
    if _packer.pack(value) != data:
        raise NotCanonical("not the canonical encoding of its value")
    return value


def decode_value(data: bytes | bytearray) -> Any:
    """Decode a program's result; maps become dicts and sequences lists.

    Raises:
        NotCanonical: not one msgpack value.
    """
    try:
        return msgpack.unpackb(data, raw=False, ext_hook=_no_extension)
    except (ValueError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise NotCanonical(f"not one msgpack value: {type(error).__name__}") from None


def fields(value: Wire, *shape: type, name: str) -> tuple[Any, ...]:
    """Check that a decoded value is a tuple of exactly these types (a bool is not an int here).

    Raises:
        NotCanonical: another length or type; `name` says of what.
    """
    if type(value) is not tuple or len(value) != len(shape):
        raise NotCanonical(f"{name}: expected {len(shape)} fields")
    if tuple(map(type, value)) == shape:  # the hot path: one look at all of them
        return value
    for position, (item, expected) in enumerate(zip(value, shape, strict=True)):
        if type(item) is not expected:
            raise NotCanonical(
                f"{name}: field {position} is {type(item).__name__}, expected {expected.__name__}"
            )
    return value


def sized(data: object, size: int, *, name: str) -> bytes:
    """Check a byte string of a fixed size.

    Raises:
        NotCanonical: not bytes, or of another size.
    """
    if type(data) is not bytes or len(data) != size:
        raise NotCanonical(f"{name}: expected {size} bytes")
    return data


def unsigned(value: object, *, name: str, value_max: int = U64_MAX) -> int:
    """Check an integer in 0 … value_max.

    Raises:
        NotCanonical: not an int (a bool is not), or out of range.
    """
    if type(value) is not int or not 0 <= value <= value_max:
        raise NotCanonical(f"{name}: expected an integer in 0..{value_max}")
    return value


def listed(value: object, *, name: str, count_max: int) -> Sequence[Any]:
    """Check a sequence of bounded length.

    Raises:
        NotCanonical: not a sequence, or longer.
    """
    if type(value) is not tuple or len(value) > count_max:
        raise NotCanonical(f"{name}: expected a sequence of at most {count_max}")
    return value


def split(data: bytes, size: int) -> tuple[bytes, ...]:
    """Parts of one size that were put one after the other; the last one is what is left."""
    return tuple(data[at : at + size] for at in range(0, len(data), size))


def _check_depth(value: tuple[Any, ...]) -> None:
    level = [item for item in value if type(item) is tuple]
    depth = 1
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            raise NotCanonical(f"more than {DEPTH_MAX} sequences within sequences")
        level = [item for inner in level for item in inner if type(item) is tuple]


def _no_map(_pairs: object) -> NoReturn:
    raise NotCanonical("a map where none may stand")


def _no_extension(_code: int, _data: bytes) -> NoReturn:
    raise NotCanonical("an extension type where none may stand")
