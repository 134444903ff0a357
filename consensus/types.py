"""Every unit is a type, so that a height is never passed for a view."""

from typing import NewType

Digest = NewType("Digest", bytes)
"""SHA-256, 32 bytes."""

ChainId = NewType("ChainId", bytes)
"""SHA-256 of the genesis document, 32 bytes."""

PublicKey = NewType("PublicKey", bytes)
"""Ed25519 public key (RFC 8032), 32 bytes."""

Signature = NewType("Signature", bytes)
"""Ed25519 signature (RFC 8032), 64 bytes."""

Epoch = NewType("Epoch", int)
"""One validator set and one service secret; from 0."""

View = NewType("View", int)
"""Attempt number within an epoch; 0 is the epoch's anchor, the first proposal is in 1."""

Height = NewType("Height", int)
"""Blocks since genesis; genesis is 0."""

Lane = NewType("Lane", int)
"""Index of a batch's origin in its epoch's validator set."""

SignerIndex = NewType("SignerIndex", int)
"""Index of a vote's signer in its epoch's validator set."""

Sequence = NewType("Sequence", int)
"""Position of a batch in its lane, from 0; or of a call in its session, from 0."""

TransactionId = NewType("TransactionId", bytes)
"""SHA-256 of the sealed envelope, 32 bytes."""

Milliseconds = NewType("Milliseconds", int)
"""Time since the Unix epoch in block time, or a duration, in ms."""

FIRST_EPOCH = Epoch(0)
"""That of genesis."""

DIGEST_SIZE = 32
KEY_SIZE = 32
SIGNATURE_SIZE = 64
NONCE_SIZE = 32
U64_MAX = 2**64 - 1
NO_DIGEST = Digest(bytes(DIGEST_SIZE))
"""32 zero bytes: the digest of a NULLIFY statement and the chain id inside genesis evidence."""
