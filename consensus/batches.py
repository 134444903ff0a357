"""Batches: what a lane carries, and the bytes that name it (PROTOCOL §2).

A batch stays opaque bytes from its origin's mempool to the enclave; only its small header is read
on the way. What orders them is in blocks.py.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    DIGEST_SIZE,
    SIGNATURE_SIZE,
    ChainId,
    Digest,
    Epoch,
    Lane,
    Sequence,
    Signature,
)
from strongroom.consensus.validators import VALIDATORS_MAX

BATCH_BYTES_MAX = 1024 * 1024
"""Payload bytes of one batch."""
BATCH_ENVELOPES_MAX = 4096


@dataclass(frozen=True, kw_only=True)
class BatchHeader:
    """Names a batch: everything about it but its payload."""

    epoch: Epoch
    lane: Lane
    sequence: Sequence
    previous: Digest
    """Digest of the batch before it in its lane; the epoch anchor's digest for sequence 0."""
    count: int
    """Envelopes in the payload."""
    size: int
    """Bytes of the payload."""
    payload_digest: Digest
    """SHA-256 of the payload."""
    digest: Digest = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "digest", labels.labelled_digest(labels.BATCH, codec.encode(self.to_wire()))
        )

    def signed_bytes(self, chain: ChainId) -> bytes:
        """What the origin's node key signs."""
        return labels.bound(labels.BATCH, chain, self.digest)

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (
            self.epoch,
            self.lane,
            self.sequence,
            self.previous,
            self.count,
            self.size,
            self.payload_digest,
        )

    @classmethod
    def from_wire(cls, value: object) -> "BatchHeader":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        epoch, lane, sequence, previous, count, size, payload = codec.fields(
            value, int, int, int, bytes, int, int, bytes, name="batch header"
        )
        if codec.unsigned(count, name="count", value_max=BATCH_ENVELOPES_MAX) == 0:
            raise NotCanonical("batch header: a batch has at least one envelope")
        return cls(
            epoch=Epoch(codec.unsigned(epoch, name="epoch")),
            lane=Lane(codec.unsigned(lane, name="lane", value_max=VALIDATORS_MAX - 1)),
            sequence=Sequence(codec.unsigned(sequence, name="sequence")),
            previous=Digest(codec.sized(previous, DIGEST_SIZE, name="previous")),
            count=count,
            size=codec.unsigned(size, name="size", value_max=BATCH_BYTES_MAX),
            payload_digest=Digest(codec.sized(payload, DIGEST_SIZE, name="payload digest")),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch header, its origin's signature, and the payload: the encoding of a sequence of
    envelopes."""

    header: BatchHeader
    payload: bytes
    signature: Signature
    """By the origin's node key over `header.signed_bytes`."""

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (self.header.to_wire(), self.payload, self.signature)

    @classmethod
    def from_wire(cls, value: object) -> "Batch":
        """Read fields of the codec; the payload is checked against the header's size and digest.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        header_wire, payload, signature = codec.fields(value, tuple, bytes, bytes, name="batch")
        header = BatchHeader.from_wire(header_wire)
        if len(payload) != header.size or sha256(payload).digest() != header.payload_digest:
            raise NotCanonical("batch: the payload is not the one that its header names")
        return cls(
            header, payload, Signature(codec.sized(signature, SIGNATURE_SIZE, name="signature"))
        )


def encode_payload(envelopes: list[bytes]) -> bytes:
    """The payload of a batch: the canonical encoding of a sequence of sealed envelopes."""
    return codec.encode(envelopes)


def decode_payload(payload: bytes, count: int) -> tuple[bytes, ...]:
    """Split a payload into its envelopes.

    Raises:
        NotCanonical: not a sequence of exactly `count` byte strings.
    """
    value = codec.listed(codec.decode(payload), name="payload", count_max=BATCH_ENVELOPES_MAX)
    if len(value) != count or any(type(envelope) is not bytes for envelope in value):
        raise NotCanonical("payload: not as many envelopes as its header says")
    return tuple(value)
