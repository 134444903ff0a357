"""What a member agrees to when a dead service is to go on: one head of the ledger, in one new
enclave (VAULT §7; T5B).

Owns the bytes, the signature, and when two agreements contradict each other.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.consensus.types import (
    DIGEST_SIZE,
    KEY_SIZE,
    SIGNATURE_SIZE,
    ChainId,
    Digest,
    Height,
    PublicKey,
    Signature,
)
from strongroom.enclave.primitives import verify

VERSION = 1
AGREEMENT_BYTES_MAX = 1024
UNSIGNED = Signature(b"")


class AgreementForged(ClientFault):
    """An agreement that its member did not sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAgreement:
    """A member's word that the service goes on from this head, in this enclave."""

    chain: ChainId
    generation: Digest
    """Generation.digest of the shares that are to open it."""
    height: Height
    """The last certified height of the ledger."""
    block: Digest
    """The block there."""
    root: Digest
    """The history root that its certificate stands for."""
    evidence: Digest
    """SHA-256 of the new enclave's evidence."""
    one_time_key: Digest
    """SHA-256 of the X-Wing key to which the share is sealed."""
    member: PublicKey
    signature: Signature = UNSIGNED

    def signed_bytes(self) -> bytes:
        """What the member signs."""
        return labels.bound(labels.RECOVERY_AGREEMENT, self.chain, codec.encode(self._facts()))

    def check(self) -> None:
        """Check that the member signed it.

        Raises:
            AgreementForged: it did not.
        """
        if not verify(self.member, self.signature, self.signed_bytes()):
            raise AgreementForged(
                f"agreement-forged: member {self.member.hex()[:16]} did not sign this agreement"
            )

    def contradicts(self, other: "RecoveryAgreement") -> bool:
        """Did one member agree to two heads of one ledger under one generation (T5B)?"""
        return (self.chain, self.generation, self.member) == (
            other.chain,
            other.generation,
            other.member,
        ) and (self.height, self.block, self.root) != (other.height, other.block, other.root)

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode((VERSION, self.chain, *self._facts(), self.signature))

    @classmethod
    def decode(cls, data: bytes) -> "RecoveryAgreement":
        """Read canonical bytes; whether it is signed, `check` says.

        Raises:
            NotCanonical: not the encoding of an agreement.
        """
        version, chain, generation, height, block, root, evidence, key, member, signature = (
            codec.fields(
                codec.decode(data, size_max=AGREEMENT_BYTES_MAX),
                *(int, bytes, bytes, int, *[bytes] * 6),
                name="agreement",
            )
        )
        if version != VERSION:
            raise NotCanonical(f"an agreement of version {version}, this code reads {VERSION}")
        digests = [
            Digest(codec.sized(one, DIGEST_SIZE, name="agreement's digest"))
            for one in (chain, generation, block, root, evidence, key)
        ]
        return cls(
            chain=ChainId(digests[0]),
            generation=digests[1],
            height=Height(codec.unsigned(height, name="height")),
            block=digests[2],
            root=digests[3],
            evidence=digests[4],
            one_time_key=digests[5],
            member=PublicKey(codec.sized(member, KEY_SIZE, name="member")),
            signature=Signature(codec.sized(signature, SIGNATURE_SIZE, name="signature")),
        )

    def _facts(self) -> tuple[object, ...]:
        return (
            self.generation,
            self.height,
            self.block,
            self.root,
            self.evidence,
            self.one_time_key,
            self.member,
        )
