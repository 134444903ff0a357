"""The wire vocabulary between nodes (PROTOCOL §3): one frozen dataclass and one tag each.

`encode_message` and `decode_message` are the only way between bytes and these. What replicas say is
defined here, what hosts say beside them in host_messages.py.
"""

from dataclasses import dataclass
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import BLOCK_BATCHES_MAX, Header
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.heads import Head
from strongroom.consensus.host_messages import HOST_READERS, HostMessage, host_to_wire
from strongroom.consensus.justifications import Justification
from strongroom.consensus.recovery import Finality, read_finality
from strongroom.consensus.statements import Certificate, Vote
from strongroom.consensus.types import (
    DIGEST_SIZE,
    SIGNATURE_SIZE,
    ChainId,
    Digest,
    Epoch,
    Height,
    Sequence,
    Signature,
    SignerIndex,
    View,
)
from strongroom.consensus.types import NONCE_SIZE as NONCE_SIZE
from strongroom.consensus.validators import VALIDATORS_MAX

RANGE_BLOCKS_MAX = 64
JUSTIFY_CERTIFICATES_MAX = 1100
JUSTIFY_VOTES_MAX = 64
REQUEST_DIGESTS_MAX = 256
FORWARD_TO_MAX = 16
"""Validators that one node passes a batch on to: the square root of the largest set."""


@dataclass(frozen=True, slots=True)
class Propose:
    """A leader's block for a view, with everything that entitles it."""

    header: Header
    view: View
    justification: Justification
    vote: Vote
    """The leader's own NOTARIZE on the header's digest in `view`."""


@dataclass(frozen=True, slots=True)
class BatchMessage:
    """A batch, when made, relayed or asked for."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Forward:
    """A batch, by its origin: the receiver passes it on to these validators."""

    batch: Batch
    to: tuple[SignerIndex, ...]
    """Ascending."""


@dataclass(frozen=True, slots=True)
class VoteMessage:
    """One vote, to all."""

    vote: Vote


@dataclass(frozen=True, slots=True)
class CertificateMessage:
    """A certificate, when first held, or to a laggard."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Justify:
    """Retry, or answer to CertificateRequest (R12, R13)."""

    epoch: Epoch
    view: View
    certificates: tuple[Certificate, ...]
    votes: tuple[Vote, ...]


@dataclass(frozen=True, slots=True)
class HeadRequest:
    """Asks for a Head over this nonce."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class StatusBody:
    """The liveness signal, every second and on connect; its claims only pick whom to ask."""

    epoch: Epoch
    view: View
    final_view: View
    height: Height
    digest: Digest
    """Of the newest final header."""
    executed: Height
    lanes: tuple[Sequence, ...]
    """Length of each lane as held here."""
    lowest: Height
    """Lowest height whose block can be served."""

    def signed_bytes(self, chain: ChainId) -> bytes:
        """What the sender's node key signs."""
        return labels.bound(labels.STATUS, chain, codec.encode(self.to_wire()))

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (
            self.epoch,
            self.view,
            self.final_view,
            self.height,
            self.digest,
            self.executed,
            self.lanes,
            self.lowest,
        )

    @classmethod
    def from_wire(cls, value: object) -> "StatusBody":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        epoch, view, final_view, height, digest, executed, lanes, lowest = codec.fields(
            value, int, int, int, int, bytes, int, tuple, int, name="status"
        )
        return cls(
            Epoch(codec.unsigned(epoch, name="epoch")),
            View(codec.unsigned(view, name="view")),
            View(codec.unsigned(final_view, name="final view")),
            Height(codec.unsigned(height, name="height")),
            Digest(codec.sized(digest, DIGEST_SIZE, name="digest")),
            Height(codec.unsigned(executed, name="executed")),
            tuple(
                Sequence(codec.unsigned(length, name="lane length"))
                for length in codec.listed(lanes, name="lanes", count_max=VALIDATORS_MAX)
            ),
            Height(codec.unsigned(lowest, name="lowest")),
        )


@dataclass(frozen=True, slots=True)
class Status:
    """A StatusBody signed by its sender's node key."""

    body: StatusBody
    signature: Signature


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """Asks for what leads from `view` onward: answered by Justify."""

    epoch: Epoch
    view: View


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Asks for batches by digest: answered by BatchMessages."""

    digests: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """Asks for headers by digest: answered by BlockMessages."""

    digests: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class BlockMessage:
    """A header that was asked for."""

    header: Header


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """Asks for final blocks from a height on."""

    start: Height


@dataclass(frozen=True, slots=True)
class Range:
    """Contiguous final blocks with their data, and a FINALIZE certificate for the last."""

    blocks: tuple[tuple[Header, tuple[Batch, ...]], ...]
    certificate: Finality


Message = (
    Propose
    | BatchMessage
    | Forward
    | VoteMessage
    | CertificateMessage
    | Justify
    | HeadRequest
    | Head
    | Status
    | CertificateRequest
    | BatchRequest
    | BlockRequest
    | BlockMessage
    | RangeRequest
    | Range
    | HostMessage
)

PROPOSE, BATCH, VOTE, CERT, JUSTIFY, HEAD_REQ, HEAD = range(1, 8)
STATUS, CERT_REQ, BATCH_REQ, BLOCK_REQ, BLOCK, RANGE_REQ, RANGE = range(10, 17)
"""First field of a message; the numbers between and above are of host_messages.py."""
FORWARD = 26


_CERT_ARRAY = 0x97
"""First byte of a CERT message: an array of seven."""


def encode_message(message: Message) -> bytes:
    """Canonical bytes: a tag, then the fields."""
    match message:
        case Propose(header, view, justification, vote):
            return codec.encode(
                (PROPOSE, header.encoded, view, justification.to_wire(), vote.to_wire())
            )
        case BatchMessage(batch):
            return codec.encode((BATCH, *batch.to_wire()))
        case Forward(batch, to):
            return codec.encode((FORWARD, *batch.to_wire(), to))
        case VoteMessage(vote):
            return codec.encode((VOTE, *vote.to_wire()))
        case CertificateMessage(certificate):
            return codec.encode((CERT, *certificate.to_wire()))
        case Status(body, signature):
            return codec.encode((STATUS, body.to_wire(), signature))
        case Justify(epoch, view, certificates, votes):
            held = tuple(certificate.to_wire() for certificate in certificates)
            return codec.encode(
                (JUSTIFY, epoch, view, held, tuple(vote.to_wire() for vote in votes))
            )
        case _:
            return codec.encode(_rest_to_wire(message))


def _rest_to_wire(message: Message) -> tuple[object, ...]:
    match message:
        case Head():
            return (HEAD, *message.to_wire())
        case Range(blocks, certificate):
            wire = tuple(
                (header.encoded, tuple(batch.to_wire() for batch in batches))
                for header, batches in blocks
            )
            return (RANGE, wire, certificate.to_wire())
        case HeadRequest(nonce):
            return (HEAD_REQ, nonce)
        case CertificateRequest(epoch, view):
            return (CERT_REQ, epoch, view)
        case BatchRequest(digests):
            return (BATCH_REQ, digests)
        case BlockRequest(digests):
            return (BLOCK_REQ, digests)
        case BlockMessage(header):
            return (BLOCK, header.encoded)
        case RangeRequest(start):
            return (RANGE_REQ, start)
        case _:
            return host_to_wire(message)


def decode_message(data: bytes) -> Message:
    """Read one message.

    Raises:
        NotCanonical: unknown tag, or not the canonical encoding of a message.
    """
    value = codec.decode(data)
    if (
        type(value) is not tuple
        or not value
        or type(value[0]) is not int
        or value[0] not in _READERS
    ):
        raise NotCanonical("message: unknown tag")
    message: Message = _READERS[value[0]](value[1:])
    return message


def certified_statement(data: bytes) -> tuple[int, int, int, bytes] | None:
    """What a CERT message is about, (kind, epoch, view, digest), before its signatures are read;
    None for others.

    Raises:
        NotCanonical: a CERT whose statement is not one.
    """
    if len(data) < 2 or data[1] != CERT or data[0] != _CERT_ARRAY:
        return None
    _, kind, epoch, view, digest, _, _ = codec.fields(
        codec.decode(data), int, int, int, int, bytes, bytes, bytes, name="certificate message"
    )
    return kind, epoch, view, digest


def _propose(rest: tuple[Any, ...]) -> Propose:
    header, view, justification, vote = codec.fields(rest, bytes, int, tuple, tuple, name="propose")
    return Propose(
        Header.from_wire(header),
        View(codec.unsigned(view, name="view")),
        Justification.from_wire(justification),
        Vote.from_wire(vote),
    )


def _justify(rest: tuple[Any, ...]) -> Justify:
    epoch, view, certificates, votes = codec.fields(rest, int, int, tuple, tuple, name="justify")
    listed = codec.listed(certificates, name="certificates", count_max=JUSTIFY_CERTIFICATES_MAX)
    return Justify(
        Epoch(codec.unsigned(epoch, name="epoch")),
        View(codec.unsigned(view, name="view")),
        tuple(Certificate.from_wire(certificate) for certificate in listed),
        tuple(
            Vote.from_wire(vote)
            for vote in codec.listed(votes, name="votes", count_max=JUSTIFY_VOTES_MAX)
        ),
    )


def _status(rest: tuple[Any, ...]) -> Status:
    body, signature = codec.fields(rest, tuple, bytes, name="status")
    return Status(
        StatusBody.from_wire(body),
        Signature(codec.sized(signature, SIGNATURE_SIZE, name="signature")),
    )


def _head_request(rest: tuple[Any, ...]) -> HeadRequest:
    (nonce,) = codec.fields(rest, bytes, name="head request")
    return HeadRequest(codec.sized(nonce, NONCE_SIZE, name="nonce"))


def _certificate_request(rest: tuple[Any, ...]) -> CertificateRequest:
    epoch, view = codec.fields(rest, int, int, name="certificate request")
    return CertificateRequest(
        Epoch(codec.unsigned(epoch, name="epoch")), View(codec.unsigned(view, name="view"))
    )


def _digests(rest: tuple[Any, ...]) -> tuple[Digest, ...]:
    (digests,) = codec.fields(rest, tuple, name="request")
    listed = codec.listed(digests, name="digests", count_max=REQUEST_DIGESTS_MAX)
    return tuple(Digest(codec.sized(digest, DIGEST_SIZE, name="digest")) for digest in listed)


def _forward(rest: tuple[Any, ...]) -> Forward:
    header, payload, signature, to = codec.fields(rest, tuple, bytes, bytes, tuple, name="forward")
    listed = codec.listed(to, name="receivers", count_max=FORWARD_TO_MAX)
    receivers = tuple(
        SignerIndex(codec.unsigned(index, name="receiver", value_max=VALIDATORS_MAX - 1))
        for index in listed
    )
    if list(receivers) != sorted(set(receivers)):
        raise NotCanonical("forward: its receivers do not ascend")
    return Forward(Batch.from_wire((header, payload, signature)), receivers)


def _block(rest: tuple[Any, ...]) -> BlockMessage:
    (header,) = codec.fields(rest, bytes, name="block")
    return BlockMessage(Header.from_wire(header))


def _range_request(rest: tuple[Any, ...]) -> RangeRequest:
    (start,) = codec.fields(rest, int, name="range request")
    return RangeRequest(Height(codec.unsigned(start, name="start")))


def _range(rest: tuple[Any, ...]) -> Range:
    blocks, certificate = codec.fields(rest, tuple, tuple, name="range")
    read = []
    for block in codec.listed(blocks, name="blocks", count_max=RANGE_BLOCKS_MAX):
        header, batches = codec.fields(block, bytes, tuple, name="block of a range")
        listed = codec.listed(batches, name="batches", count_max=BLOCK_BATCHES_MAX)
        read.append((Header.from_wire(header), tuple(Batch.from_wire(batch) for batch in listed)))
    if not read:
        raise NotCanonical("range: expected at least one block")
    return Range(tuple(read), read_finality(certificate))


_READERS: dict[int, Any] = {
    PROPOSE: _propose,
    BATCH: lambda rest: BatchMessage(Batch.from_wire(rest)),
    FORWARD: _forward,
    VOTE: lambda rest: VoteMessage(Vote.from_wire(rest)),
    CERT: lambda rest: CertificateMessage(Certificate.from_wire(rest)),
    JUSTIFY: _justify,
    HEAD_REQ: _head_request,
    HEAD: Head.from_wire,
    STATUS: _status,
    CERT_REQ: _certificate_request,
    BATCH_REQ: lambda rest: BatchRequest(_digests(rest)),
    BLOCK_REQ: lambda rest: BlockRequest(_digests(rest)),
    BLOCK: _block,
    RANGE_REQ: _range_request,
    RANGE: _range,
    **HOST_READERS,
}
