"""Batches, lanes' cuts and headers: what is ordered, and the bytes that name it (PROTOCOL §2).

A batch stays opaque bytes from its origin's mempool to the enclave; only its small header is read
on the way.
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
    Height,
    Lane,
    Milliseconds,
    Sequence,
    Signature,
    SignerIndex,
    View,
)
from strongroom.consensus.validators import VALIDATORS_MAX

FORMAT_VERSION = 1
BATCH_BYTES_MAX = 1024 * 1024
"""Payload bytes of one batch."""
BATCH_ENVELOPES_MAX = 4096
BLOCK_BYTES_MAX = 4 * 1024 * 1024
"""Payload bytes of all batches that one block orders."""
BLOCK_BATCHES_MAX = 256
HEADER_BYTES_MAX = 64 * 1024


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


@dataclass(frozen=True, slots=True)
class LaneTip:
    """How far a lane is ordered: the next sequence, and the digest that the next batch must name as
    previous."""

    length: Sequence
    """Batches of this lane ordered so far; 0 before the first."""
    digest: Digest
    """Digest of the newest of them; the epoch anchor's digest when there is none."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The newest execution that a header vouches for."""

    height: Height
    root: Digest
    """Root of the history tree over heights 0..height (RFC 6962)."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """A block: its data are the batches between its parent's cut and its own."""

    chain: ChainId
    epoch: Epoch
    view: View
    """The view that it was first built for."""
    height: Height
    parent: Digest
    proposer: SignerIndex
    time_ms: Milliseconds
    """Block time, Unix milliseconds; greater than the parent's."""
    cut: tuple[LaneTip, ...]
    """One tip per lane, in lane order."""
    batch_count: int
    """Batches between the parent's cut and this one."""
    batch_bytes: int
    """Bytes of their payloads."""
    anchor: Anchor
    next_epoch: Digest
    """Digest of the epoch's description; of the next one's in a terminal block."""
    encoded: bytes = field(init=False, repr=False)
    digest: Digest = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoded", codec.encode(self.to_wire()))
        object.__setattr__(self, "digest", labels.labelled_digest(labels.HEADER, self.encoded))

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (
            FORMAT_VERSION,
            self.chain,
            self.epoch,
            self.view,
            self.height,
            self.parent,
            self.proposer,
            self.time_ms,
            tuple((tip.length, tip.digest) for tip in self.cut),
            self.batch_count,
            self.batch_bytes,
            self.anchor.height,
            self.anchor.root,
            self.next_epoch,
        )

    @classmethod
    def decode(cls, data: bytes) -> "Header":
        """Read canonical bytes.

        Raises:
            NotCanonical: another version, or not the encoding of a header.
        """
        value = codec.decode(data, size_max=HEADER_BYTES_MAX)
        shape = (int, bytes, int, int, int, bytes, int, int, tuple, int, int, int, bytes, bytes)
        (
            version,
            chain,
            epoch,
            view,
            height,
            parent,
            proposer,
            time_ms,
            cut,
            count,
            size,
            at,
            root,
            following,
        ) = codec.fields(value, *shape, name="header")
        if version != FORMAT_VERSION:
            raise NotCanonical(f"header: version {version}, this node reads {FORMAT_VERSION}")
        return cls(
            chain=ChainId(codec.sized(chain, DIGEST_SIZE, name="chain")),
            epoch=Epoch(codec.unsigned(epoch, name="epoch")),
            view=View(codec.unsigned(view, name="view")),
            height=Height(codec.unsigned(height, name="height")),
            parent=Digest(codec.sized(parent, DIGEST_SIZE, name="parent")),
            proposer=SignerIndex(
                codec.unsigned(proposer, name="proposer", value_max=VALIDATORS_MAX - 1)
            ),
            time_ms=Milliseconds(codec.unsigned(time_ms, name="time")),
            cut=tuple(_tip(tip) for tip in codec.listed(cut, name="cut", count_max=VALIDATORS_MAX)),
            batch_count=codec.unsigned(count, name="batch count"),
            batch_bytes=codec.unsigned(size, name="batch bytes"),
            anchor=Anchor(
                Height(codec.unsigned(at, name="anchor height")),
                Digest(codec.sized(root, DIGEST_SIZE, name="anchor root")),
            ),
            next_epoch=Digest(codec.sized(following, DIGEST_SIZE, name="next epoch")),
        )


def _tip(value: object) -> LaneTip:
    length, digest = codec.fields(value, int, bytes, name="lane tip")
    return LaneTip(
        Sequence(codec.unsigned(length, name="length")),
        Digest(codec.sized(digest, DIGEST_SIZE, name="lane digest")),
    )


def initial_cut(anchor: Digest, members: int) -> tuple[LaneTip, ...]:
    """The cut from which an epoch's first block goes on: every lane empty, chained from the
    anchor's digest."""
    return tuple(LaneTip(Sequence(0), anchor) for _ in range(members))


def genesis_header(*, chain: ChainId, description: Digest, time_ms: Milliseconds) -> Header:
    """Height 0, view 0: the anchor of epoch 0; notarized and final by definition."""
    zero = Digest(bytes(DIGEST_SIZE))
    return Header(
        chain=chain,
        epoch=Epoch(0),
        view=View(0),
        height=Height(0),
        parent=zero,
        proposer=SignerIndex(0),
        time_ms=time_ms,
        cut=(),
        batch_count=0,
        batch_bytes=0,
        anchor=Anchor(Height(0), zero),
        next_epoch=description,
    )
