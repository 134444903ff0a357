"""What a user seals, as bytes: envelopes and the plaintext inside them (DESIGN §4).

Owns the shapes and what each is bound to. Sealing is in client_sessions.py; opening in sessions.py
and queries.py, the way back from bytes in reading.py.

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
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from strongroom.consensus import codec, labels
from strongroom.consensus.types import (
    ChainId,
    Digest,
    Epoch,
    Height,
    PublicKey,
    Signature,
    TransactionId,
)
from strongroom.enclave.formats.size_classes import ENVELOPE_BYTES_MAX as ENVELOPE_BYTES_MAX
from strongroom.enclave.primitives import Secret

VERSION = 1
CALL, OPENING, QUERY, SESSION_QUERY, PUBLIC = range(1, 6)
GENESIS_HEIGHT = Height(0)


def transaction_id(envelope: bytes) -> TransactionId:
    """SHA-256 of the envelope."""
    return TransactionId(sha256(envelope).digest())


def head_of(kind: int, epoch: Epoch, size: int, *session: object) -> bytes:
    """The bytes of an envelope before a box or message of `size` bytes."""
    whole = codec.encode((VERSION, kind, epoch, *session, bytes(size)))
    return whole[: len(whole) - size]


@cache
def box_head(size: int) -> bytes:
    """How a box of so many bytes begins, as it stands at the end of a head. There are as many as
    size classes."""
    return codec.encode(bytes(size))[:-size]


class Call(NamedTuple):
    """One transaction or query of a program. Program and measurement come first: they are checked
    first (T02). A tuple: one for each call of a client."""

    program: str
    measurement: bytes
    """Which code may see the arguments: measurement digest of a validator's enclave, 32 bytes."""
    operation: str
    arguments: tuple[Any, ...]
    """In the order of the operation's schema, defaults filled in."""

    def encode(self) -> bytes:
        """Canonical bytes: (program, measurement digest, operation, arguments)."""
        return codec.encode((self.program, self.measurement, self.operation, self.arguments))

    def __repr__(self) -> str:
        return "Call(…)"


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
