"""What a member knows to be newest, signed over somebody's nonce (PROTOCOL §3, HEAD).

Owns these bytes, which clients and rooms read as replicas do. Checked in enclave/proofs/heads.py;
sent as one of the messages of messages.py.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.recovery import Finality, read_finality
from strongroom.consensus.statements import Certificate, Vote
from strongroom.consensus.types import (
    NONCE_SIZE,
    SIGNATURE_SIZE,
    ChainId,
    Epoch,
    PublicKey,
    Signature,
)


@dataclass(frozen=True, slots=True)
class HeadBody:
    """What a member knows to be newest, over somebody's nonce (PROTOCOL §3, HEAD)."""

    nonce: bytes
    epoch: Epoch
    header: Header
    """The newest final header."""
    certificate: Finality | None
    """FINALIZE for it, or a recovery's; None only for genesis."""
    notarized: Certificate | None
    """The newest NOTARIZE certificate above it."""
    votes: tuple[Vote, ...]
    """The newest votes of the asker that the answerer holds, one per kind."""

    def signed_bytes(self, chain: ChainId) -> bytes:
        """What the answerer's node key signs."""
        return labels.bound(labels.HEAD, chain, codec.encode(self.to_wire()))

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (
            self.nonce,
            self.epoch,
            self.header.encoded,
            None if self.certificate is None else self.certificate.to_wire(),
            None if self.notarized is None else self.notarized.to_wire(),
            tuple(vote.to_wire() for vote in self.votes),
        )

    @classmethod
    def from_wire(cls, value: object) -> "HeadBody":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        if type(value) is not tuple or len(value) != 6:
            raise NotCanonical("head: expected 6 fields")
        nonce, epoch, header, certificate, notarized, votes = value
        return cls(
            codec.sized(nonce, NONCE_SIZE, name="nonce"),
            Epoch(codec.unsigned(epoch, name="epoch")),
            Header.from_wire(header),
            None if certificate is None else read_finality(certificate),
            None if notarized is None else Certificate.from_wire(notarized),
            tuple(Vote.from_wire(vote) for vote in codec.listed(votes, name="votes", count_max=3)),
        )


@dataclass(frozen=True, slots=True)
class Head:
    """A HeadBody signed by a member's node key."""

    body: HeadBody
    node_key: PublicKey
    signature: Signature

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (self.body.to_wire(), self.node_key, self.signature)

    @classmethod
    def from_wire(cls, value: object) -> "Head":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        body, node_key, signature = codec.fields(value, tuple, bytes, bytes, name="head")
        return cls(
            HeadBody.from_wire(body),
            PublicKey(codec.sized(node_key, 32, name="node key")),
            Signature(codec.sized(signature, SIGNATURE_SIZE, name="signature")),
        )
