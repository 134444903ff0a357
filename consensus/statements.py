"""What validators sign, and what a quorum of it proves (PROTOCOL §2).

Owns Statement, Vote and Certificate: their bytes and their validity. Counting is in tally.py,
deciding in replica.py.
"""

from dataclasses import dataclass
from enum import IntEnum

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.types import (
    DIGEST_SIZE,
    NO_DIGEST,
    SIGNATURE_SIZE,
    ChainId,
    Digest,
    Epoch,
    Signature,
    SignerIndex,
    View,
)
from strongroom.consensus.validators import VALIDATORS_MAX, EpochDescription, Verify


class Kind(IntEnum):
    """The three things that a validator ever says about a view."""

    NOTARIZE = 1
    NULLIFY = 2
    FINALIZE = 3


_KINDS = {int(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Statement:
    """The only thing that is signed with a vote key."""

    kind: Kind
    epoch: Epoch
    view: View
    digest: Digest
    """SHA-256 of the header; 32 zero bytes for NULLIFY."""

    def __post_init__(self) -> None:
        if (self.kind is Kind.NULLIFY) != (self.digest == NO_DIGEST):
            raise NotCanonical("statement: a digest is zero if and only if it is a NULLIFY")
        if self.view < 1:
            raise NotCanonical("statement: views count from 1")

    def signed_bytes(self, chain: ChainId) -> bytes:
        """Label ‖ 0 ‖ chain[32] ‖ kind[1] ‖ epoch[u64] ‖ view[u64] ‖ digest[32], integers
        big-endian."""
        tail = (
            bytes((self.kind,))
            + self.epoch.to_bytes(8, "big")
            + self.view.to_bytes(8, "big")
            + self.digest
        )
        return labels.bound(labels.CONSENSUS, chain, tail)

    def to_wire(self) -> tuple[int, int, int, bytes]:
        """Fields for the codec."""
        return (int(self.kind), self.epoch, self.view, self.digest)

    @classmethod
    def from_wire(cls, kind: object, epoch: object, view: object, digest: object) -> "Statement":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        named = _KINDS.get(codec.unsigned(kind, name="kind", value_max=3))
        if named is None:
            raise NotCanonical("kind: expected 1..3")
        return cls(
            named,
            Epoch(codec.unsigned(epoch, name="epoch")),
            View(codec.unsigned(view, name="view")),
            Digest(codec.sized(digest, DIGEST_SIZE, name="digest")),
        )


@dataclass(frozen=True, slots=True)
class Vote:
    """A statement with its signer and signature. Existing says nothing of the signature: see
    `check`."""

    statement: Statement
    signer: SignerIndex
    signature: Signature

    def check(self, chain: ChainId, members: EpochDescription, verify: Verify) -> None:
        """Check membership and signature.

        Raises:
            PeerFault: of another epoch, by no member, or the signature does not verify.
        """
        statement = self.statement
        if statement.epoch != members.epoch or self.signer >= len(members.validators):
            raise PeerFault(
                f"vote of epoch {statement.epoch} by signer {self.signer}: no such member"
            )
        key = members.validators[self.signer].vote_key
        if not verify(key, self.signature, statement.signed_bytes(chain)):
            raise PeerFault(
                f"vote by signer {self.signer} in view {statement.view}: signature does not verify"
            )

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (*self.statement.to_wire(), self.signer, self.signature)

    @classmethod
    def from_wire(cls, value: object) -> "Vote":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        kind, epoch, view, digest, signer, signature = codec.fields(
            value, int, int, int, bytes, int, bytes, name="vote"
        )
        return cls(
            Statement.from_wire(kind, epoch, view, digest),
            SignerIndex(codec.unsigned(signer, name="signer", value_max=VALIDATORS_MAX - 1)),
            Signature(codec.sized(signature, SIGNATURE_SIZE, name="signature")),
        )


@dataclass(frozen=True, slots=True)
class Certificate:
    """≥ q equal statements by distinct members. Attributable, hence evidence; no aggregation."""

    statement: Statement
    signers: tuple[SignerIndex, ...]
    """Strictly ascending; on the wire a bitmap, signer i at bit i of a big-endian byte string
    without leading zeros."""
    signatures: tuple[Signature, ...]
    """In the order of `signers`."""

    def __post_init__(self) -> None:
        if len(self.signers) != len(self.signatures) or not self.signers:
            raise NotCanonical("certificate: as many signatures as signers, at least one")
        if list(self.signers) != sorted(set(self.signers)):
            raise NotCanonical("certificate: signers must be distinct and in order")

    @property
    def kind(self) -> Kind:
        """The kind of its statement."""
        return self.statement.kind

    @property
    def view(self) -> View:
        """The view of its statement."""
        return self.statement.view

    @property
    def digest(self) -> Digest:
        """The digest of its statement."""
        return self.statement.digest

    def check(self, chain: ChainId, members: EpochDescription, verify: Verify) -> None:
        """Check that a quorum of this epoch's members signed exactly this statement.

        Raises:
            PeerFault: another epoch, too few signers, a signer that is no member, or a signature
                that does not verify.
        """
        if self.statement.epoch != members.epoch:
            raise PeerFault(
                f"certificate of epoch {self.statement.epoch}, expected {members.epoch}"
            )
        if len(self.signers) < members.quorum.size:
            raise PeerFault(
                f"certificate with {len(self.signers)} signers, a quorum is {members.quorum.size}"
            )
        if self.signers[-1] >= len(members.validators):
            raise PeerFault("certificate: a signer is no member")
        message = self.statement.signed_bytes(chain)
        for signer, signature in zip(self.signers, self.signatures, strict=True):
            if not verify(members.validators[signer].vote_key, signature, message):
                raise PeerFault(f"certificate: signature of signer {signer} does not verify")

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        bits = sum(1 << signer for signer in self.signers)
        bitmap = bits.to_bytes((bits.bit_length() + 7) // 8, "big")
        return (*self.statement.to_wire(), bitmap, b"".join(self.signatures))

    @classmethod
    def from_wire(cls, value: object) -> "Certificate":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be, padding bits included.
        """
        kind, epoch, view, digest, bitmap, joined = codec.fields(
            value, int, int, int, bytes, bytes, bytes, name="certificate"
        )
        if not bitmap or bitmap[0] == 0 or len(bitmap) > VALIDATORS_MAX // 8:
            raise NotCanonical("certificate: bitmap with a leading zero byte, empty or too long")
        bits = int.from_bytes(bitmap, "big")
        signers = tuple(SignerIndex(i) for i in range(bits.bit_length()) if bits >> i & 1)
        if len(joined) != SIGNATURE_SIZE * len(signers):
            raise NotCanonical("certificate: signatures do not match the bitmap")
        pieces = range(0, len(joined), SIGNATURE_SIZE)
        signatures = tuple(Signature(joined[at : at + SIGNATURE_SIZE]) for at in pieces)
        return cls(Statement.from_wire(kind, epoch, view, digest), signers, signatures)


def check_final(
    header: Header,
    certificate: Certificate,
    chain: ChainId,
    description: EpochDescription,
    verify: Verify,
) -> None:
    """Check a FINALIZE certificate of this very header. A terminal block may be certified in a
    later view.

    Raises:
        PeerFault: another kind, block, view, chain or epoch, or not a quorum's signatures.
    """
    if certificate.kind is not Kind.FINALIZE or certificate.digest != header.digest:
        raise PeerFault(f"no FINALIZE certificate of block {header.height}")
    if header.chain != chain:
        raise PeerFault(f"block {header.height} is of another chain")
    if header.epoch != description.epoch:
        raise PeerFault(
            f"block {header.height} is of epoch {header.epoch}, expected {description.epoch}"
        )
    terminal = header.next_epoch != description.digest
    if certificate.view != header.view and not (terminal and certificate.view > header.view):
        raise PeerFault(
            f"block {header.height} of view {header.view}, certified in view {certificate.view}"
        )
    certificate.check(chain, description, verify)
