"""CBOR (RFC 8949), read in its shortest form only.

Owns the refusal of everything that has a second encoding: what is read is encoded again and
compared, which also finds bytes after the end. Types beyond JSON's, byte strings, tags and epoch
times are refused.
"""

from datetime import datetime
from typing import Any

import cbor2

from strongroom.node.evidence.reasons import Reason, demand, refuse

CBOR_BYTES_MAX = 256 * 1024
DEPTH_MAX = 12
_SCALARS = (bytes, str, bool, type(None))
_INTEGER_MAX = 1 << 64


def decode(data: bytes, what: str) -> Any:
    """One CBOR item; maps become dict, arrays list, tag 1 datetime, other tags cbor2.CBORTag.

    Raises:
        AttestationError: ``too-large``, ``malformed``, ``encoding``.
    """
    demand(len(data) <= CBOR_BYTES_MAX, Reason.TOO_LARGE, f"{what}: over {CBOR_BYTES_MAX} bytes")
    try:
        value = cbor2.loads(
            data, max_depth=DEPTH_MAX, allow_indefinite=False, allow_duplicate_keys=False
        )
        value = _plain(value)
        canonical = encode(value)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        refuse(Reason.MALFORMED, f"{what}: not CBOR that is read here ({type(error).__name__})")
    demand(
        canonical == data, Reason.ENCODING, f"{what}: not in shortest form, or bytes after the end"
    )
    return value


def encode(value: Any) -> bytes:
    """The shortest form; maps keep their order."""
    return cbor2.dumps(value, datetime_as_timestamp=True)


def _plain(value: Any) -> Any:
    """Mutable containers of plain types only.

    Raises:
        TypeError: any other type.
    """
    if type(value) in _SCALARS or (type(value) is datetime and value.tzinfo is not None):
        return value
    if type(value) is int and -_INTEGER_MAX <= value < _INTEGER_MAX:
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, (dict, cbor2.frozendict)):
        return {_label(key): _plain(one) for key, one in value.items()}
    if isinstance(value, cbor2.CBORTag):
        return cbor2.CBORTag(value.tag, _plain(value.value))
    raise TypeError(type(value).__name__)


def _label(key: Any) -> int | str:
    if type(key) is int or type(key) is str:
        return key
    raise TypeError(type(key).__name__)
