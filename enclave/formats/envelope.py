"""What a user seals, as bytes: envelopes and the plaintext inside them (DESIGN §4).

Owns the shapes and what each is bound to. Sealing is in client_sessions.py, opening in sessions.py
and queries.py.

    CALL           (1, 1, epoch, session id, sequence, box)      box: AES-256-GCM of a padded Call
    OPENING        (1, 2, epoch, hybrid message)                 HPKE of a padded Opening
    QUERY          (1, 3, epoch, hybrid message)                 HPKE of a padded SignedQuery
    SESSION_QUERY  (1, 4, epoch, session id, number, box)        box: AES-256-GCM of a padded Query
    PUBLIC         (1, 5, protected, payload, signature)         signed, never sealed

Queries are never ordered. PUBLIC is governance and nodes' own words.

All are canonical msgpack. A box's AAD, and a hybrid message's info, is: label ‖ 0 ‖ chain ‖ the
envelope's bytes before the box; so version, kind, epoch, session, sequence and the box's length are
bound, and the chain (T01).
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    DIGEST_SIZE,
    KEY_SIZE,
    SIGNATURE_SIZE,
    ChainId,
    Digest,
    Epoch,
    Height,
    PublicKey,
    Signature,
    TransactionId,
)
from strongroom.enclave.formats.size_classes import CALL_BOXES, OPENING_MESSAGES
from strongroom.enclave.formats.size_classes import ENVELOPE_BYTES_MAX as ENVELOPE_BYTES_MAX
from strongroom.enclave.primitives import SECRET_SIZE, Secret

VERSION = 1
CALL, OPENING, QUERY, SESSION_QUERY, PUBLIC = range(1, 6)
_SESSION_KINDS, _LONE_KINDS = (CALL, SESSION_QUERY), (OPENING, QUERY)
_IN_SESSION = (int, int, int, bytes, int, bytes)
_ALONE = (int, int, int, bytes)
_PUBLIC = (int, int, bytes, bytes, bytes)
_SHAPES = frozenset((_IN_SESSION, _ALONE, _PUBLIC))
GENESIS_HEIGHT = Height(0)
_CALL_FIELDS = (str, bytes, str, tuple)


def transaction_id(envelope: bytes) -> TransactionId:
    """SHA-256 of the envelope."""
    return TransactionId(sha256(envelope).digest())


def read_envelope(envelope: bytes) -> tuple[Any, ...]:
    """Read what anyone can see of an envelope: the fields of its kind's line above.

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


def head_of(kind: int, epoch: Epoch, size: int, *session: object) -> bytes:
    """The bytes of an envelope before a box or message of `size` bytes."""
    whole = codec.encode((VERSION, kind, epoch, *session, bytes(size)))
    return whole[: len(whole) - size]


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """One transaction or query of a program. Program and measurement come first: they are checked
    first (T02)."""

    program: str
    measurement: bytes
    """Which code may see the arguments: measurement digest of a validator's enclave, 32 bytes."""
    operation: str
    arguments: tuple[Any, ...]
    """In the order of the operation's schema, defaults filled in."""

    def encode(self) -> bytes:
        """Canonical bytes: (program, measurement digest, operation, arguments)."""
        return codec.encode((self.program, self.measurement, self.operation, self.arguments))


def read_call(data: bytes) -> tuple[str, bytes, str, tuple[Any, ...]]:
    """The fields of a Call; nothing is known of program, measurement or arguments yet.

    Raises:
        NotCanonical: not the canonical encoding of a call.
    """
    value = codec.decode(data)
    if type(value) is not tuple or tuple(map(type, value)) != _CALL_FIELDS:
        raise NotCanonical("call: expected (program, measurement, operation, arguments)")
    return value


@dataclass(frozen=True, slots=True, repr=False)
class Query:
    """A question on executed state."""

    call: Call
    at_least: Height = GENESIS_HEIGHT
    """The answer must come from this height or a later one (T06)."""
    linearizable: bool = False
    """The answer must come after everything that was final when the question was asked, as a quorum
    knows it."""

    def encode(self) -> bytes:
        """Canonical bytes: (call, height demanded, linearizable)."""
        return codec.encode((self.call.encode(), self.at_least, self.linearizable))


def read_query(data: bytes) -> tuple[bytes, Height, bool]:
    """The fields of a Query, its call still encoded.

    Raises:
        NotCanonical: not the canonical encoding of a query.
    """
    call, at_least, linearizable = codec.fields(codec.decode(data), bytes, int, bool, name="query")
    return call, Height(codec.unsigned(at_least, name="height demanded")), linearizable


@dataclass(frozen=True, slots=True, repr=False)
class Opening:
    """The plaintext of an OPENING: (secret, identity's public key, signature, first call or nil,
    close)."""

    secret: Secret
    public: PublicKey
    signature: Signature
    first_call: bytes | None
    close: bool
    """No call follows: the session's keys are forgotten at once (the one-shot)."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(
            (self.secret.reveal(), self.public, self.signature, self.first_call, self.close)
        )

    @classmethod
    def decode(cls, data: bytes) -> "Opening":
        """Read canonical bytes; the signature is not verified here.

        Raises:
            NotCanonical: not the canonical encoding of an opening.
        """
        value = codec.decode(data)
        if type(value) is not tuple or len(value) != 5 or type(value[4]) is not bool:
            raise NotCanonical("opening: expected 5 fields")
        if value[3] is not None and type(value[3]) is not bytes:
            raise NotCanonical("opening: the first call is bytes or nil")
        return cls(*_sender(value), value[3], value[4])


@dataclass(frozen=True, slots=True, repr=False)
class SignedQuery:
    """The plaintext of a QUERY: (secret, identity's public key, signature, query)."""

    secret: Secret
    public: PublicKey
    signature: Signature
    query: bytes

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode((self.secret.reveal(), self.public, self.signature, self.query))

    @classmethod
    def decode(cls, data: bytes) -> "SignedQuery":
        """Read canonical bytes; the signature is not verified here.

        Raises:
            NotCanonical: not the canonical encoding of a signed query.
        """
        value = codec.fields(codec.decode(data), bytes, bytes, bytes, bytes, name="signed query")
        return cls(*_sender(value), value[3])


def _sender(value: tuple[Any, ...]) -> tuple[Secret, PublicKey, Signature]:
    secret = Secret(codec.sized(value[0], SECRET_SIZE, name="secret"))
    public = PublicKey(codec.sized(value[1], KEY_SIZE, name="public key"))
    return secret, public, Signature(codec.sized(value[2], SIGNATURE_SIZE, name="signature"))


def opening_statement(
    chain: ChainId,
    epoch: Epoch,
    epoch_key: Digest,
    secret: Secret,
    first_call: bytes | None,
    close: bool,
) -> bytes:
    """Label ‖ 0 ‖ chain ‖ (epoch, digest of the epoch's public key, SHA-256 of the secret, first
    call, close)."""
    fields = (epoch, epoch_key, sha256(secret.reveal()).digest(), first_call, close)
    return labels.bound(labels.SIGNED_OPENING, chain, codec.encode(fields))


def query_statement(
    chain: ChainId, epoch: Epoch, epoch_key: Digest, secret: Secret, query: bytes
) -> bytes:
    """Label ‖ 0 ‖ chain ‖ (epoch, digest of the epoch's public key, SHA-256 of the secret,
    query)."""
    fields = (epoch, epoch_key, sha256(secret.reveal()).digest(), query)
    return labels.bound(labels.SIGNED_QUERY, chain, codec.encode(fields))
