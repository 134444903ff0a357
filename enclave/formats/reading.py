"""From bytes to what a user sealed: the side that opens (DESIGN §4).

Owns the reading of the shapes of envelope.py, and what is refused of each. Signatures are verified
by whoever opened them: sessions.py and queries.py.
"""

from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    DIGEST_SIZE,
    KEY_SIZE,
    SIGNATURE_SIZE,
    Height,
    PublicKey,
    Signature,
)
from strongroom.enclave.formats.envelope import (
    CALL,
    OPENING,
    PUBLIC,
    QUERY,
    SESSION_QUERY,
    VERSION,
    Opening,
    SignedQuery,
)
from strongroom.enclave.formats.size_classes import CALL_BOXES, ENVELOPE_BYTES_MAX, OPENING_MESSAGES
from strongroom.enclave.primitives import SECRET_SIZE, Secret

_SESSION_KINDS, _LONE_KINDS = (CALL, SESSION_QUERY), (OPENING, QUERY)
_IN_SESSION = (int, int, int, bytes, int, bytes)
_ALONE = (int, int, int, bytes)
_PUBLIC = (int, int, bytes, bytes, bytes)
_SHAPES = frozenset((_IN_SESSION, _ALONE, _PUBLIC))
_CALL_FIELDS = (str, bytes, str, tuple)


def read_envelope(envelope: bytes) -> tuple[Any, ...]:
    """Read what anyone can see of an envelope: the fields of its kind's line in envelope.py.

    Raises:
        NotCanonical: not an envelope of this version, or its box is of no size class.
    """
    if len(envelope) > ENVELOPE_BYTES_MAX:
        raise NotCanonical(
            f"envelope: {len(envelope)} bytes, at most {ENVELOPE_BYTES_MAX} are taken"
        )
    value = codec.decode_fields(envelope, _SHAPES, name="envelope")
    fields = len(value)  # each shape has its own
    if fields == len(_IN_SESSION):
        version, kind, epoch, session, sequence, box = value
        if (
            version == VERSION
            and kind in _SESSION_KINDS
            and epoch >= 0
            and len(session) == DIGEST_SIZE
            and sequence >= 0
            and len(box) in CALL_BOXES
        ):
            return value
    elif fields == len(_ALONE):
        version, kind, epoch, message = value
        if (
            version == VERSION
            and kind in _LONE_KINDS
            and epoch >= 0
            and len(message) in OPENING_MESSAGES
        ):
            return value
    elif value[:2] == (VERSION, PUBLIC):
        return value
    raise NotCanonical("envelope: of no known version, kind and size class")


def read_call(data: bytes) -> tuple[str, bytes, str, tuple[Any, ...]]:
    """The fields of a Call; nothing is known of program, measurement or arguments yet.

    Raises:
        NotCanonical: not the canonical encoding of a call.
    """
    value = codec.decode(data)
    if type(value) is not tuple or tuple(map(type, value)) != _CALL_FIELDS:
        raise NotCanonical("call: expected (program, measurement, operation, arguments)")
    return value


def read_query(data: bytes) -> tuple[bytes, Height, bool]:
    """The fields of a Query, its call still encoded.

    Raises:
        NotCanonical: not the canonical encoding of a query.
    """
    call, at_least, linearizable = codec.fields(codec.decode(data), bytes, int, bool, name="query")
    return call, Height(codec.unsigned(at_least, name="height demanded")), linearizable


def read_opening(data: bytes) -> Opening:
    """Read an Opening; the signature is not verified here.

    Raises:
        NotCanonical: not the canonical encoding of an opening.
    """
    value = codec.decode(data)
    if type(value) is not tuple or len(value) != 5 or type(value[4]) is not bool:
        raise NotCanonical("opening: expected 5 fields")
    if value[3] is not None and type(value[3]) is not bytes:
        raise NotCanonical("opening: the first call is bytes or nil")
    return Opening(*_sender(value), value[3], value[4])


def read_signed_query(data: bytes) -> SignedQuery:
    """Read a SignedQuery; the signature is not verified here.

    Raises:
        NotCanonical: not the canonical encoding of a signed query.
    """
    value = codec.fields(codec.decode(data), bytes, bytes, bytes, bytes, name="signed query")
    return SignedQuery(*_sender(value), value[3])


def _sender(value: tuple[Any, ...]) -> tuple[Secret, PublicKey, Signature]:
    secret = Secret(codec.sized(value[0], SECRET_SIZE, name="secret"))
    public = PublicKey(codec.sized(value[1], KEY_SIZE, name="public key"))
    return secret, public, Signature(codec.sized(value[2], SIGNATURE_SIZE, name="signature"))
