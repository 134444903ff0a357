"""Lanes' cuts and headers: what is ordered, and the bytes that name it (PROTOCOL §2).

A block holds no batch (batches.py): its header says how far each lane is ordered.
"""

from dataclasses import dataclass, field

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    DIGEST_SIZE,
    ChainId,
    Digest,
    Epoch,
    Height,
    Milliseconds,
    Sequence,
    SignerIndex,
    View,
)
from strongroom.consensus.validators import VALIDATORS_MAX

FORMAT_VERSION = 1
BLOCK_BYTES_MAX = 4 * 1024 * 1024
"""Payload bytes of all batches that one block orders."""
BLOCK_BATCHES_MAX = 256
HEADER_BYTES_MAX = 64 * 1024


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

    @classmethod
    def from_wire(cls, value: object) -> "Header":
        """Read a header that stands as a byte string among the fields of something else.

        Raises:
            NotCanonical: no byte string, or not the encoding of a header.
        """
        if type(value) is not bytes:
            raise NotCanonical("header: expected bytes")
        return cls.decode(value)


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
