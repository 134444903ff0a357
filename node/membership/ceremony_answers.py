"""What organisations answer a proposal with (DESIGN §5, Genesis).

    acceptance    genesis evidence of one organisation's enclave over exactly that constitution
    founding      the genesis and the wrapped secret, by the founder, with all acceptances
    confirmation  one organisation's word that this genesis is the one it begins with

Owns their fields and bytes. Whether what they say holds: ceremony_judging.py.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.types import (
    DIGEST_SIZE,
    NO_DIGEST,
    SIGNATURE_SIZE,
    ChainId,
    Digest,
    Signature,
)
from strongroom.enclave.attestation.claims import checked_name
from strongroom.enclave.attestation.evidence import EVIDENCE_BYTES_MAX
from strongroom.enclave.primitives import digest as digest_of
from strongroom.enclave.proofs.genesis import GENESIS_BYTES_MAX
from strongroom.node.membership.ceremony_signed import CEREMONY_VERSION, SignedFile, bounded, listed

ACCEPTANCE_BYTES_MAX = EVIDENCE_BYTES_MAX + 1024
FOUNDING_BYTES_MAX = 3 * GENESIS_BYTES_MAX
CONFIRMATION_BYTES_MAX = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance(SignedFile):
    """One organisation's enclave answers one proposal."""

    LABEL = labels.CEREMONY_ACCEPTANCE
    NAME = "acceptance"
    BYTES_MAX = ACCEPTANCE_BYTES_MAX

    proposal: Digest
    evidence: bytes

    def body(self) -> tuple[object, ...]:
        """The fields that are signed."""
        return (self.operator, self.proposal, self.evidence)

    @classmethod
    def decode(cls, data: bytes) -> "Acceptance":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of an acceptance.
        """
        (operator, proposal, evidence), signatures = cls.read(data, str, bytes, bytes)
        return cls(
            operator=checked_name(operator, name="operator"),
            proposal=Digest(codec.sized(proposal, DIGEST_SIZE, name="proposal")),
            evidence=evidence,
            **signatures,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundingFile(SignedFile):
    """What the founder's enclave made of all acceptances."""

    LABEL = labels.CEREMONY_FOUNDING
    NAME = "founding"
    BYTES_MAX = FOUNDING_BYTES_MAX

    proposal: Digest
    genesis: bytes
    wraps: bytes
    acceptances: tuple[bytes, ...]
    """The encoding of each, ascending by operator, as the founder got them."""

    @property
    def chain(self) -> ChainId:
        """The name of the chain that begins here."""
        return ChainId(digest_of(self.genesis))

    def body(self) -> tuple[object, ...]:
        """The fields that are signed: short, so that a confirmation can repeat them."""
        return founding_body(self.operator, self.proposal, self.chain, self.content)

    @property
    def content(self) -> Digest:
        """SHA-256 of everything in it, so that all can see that they have the same file."""
        return digest_of(codec.encode((self.genesis, self.wraps, self.acceptances)))

    def encode(self) -> bytes:
        """Canonical bytes; the first field is the label."""
        content = (self.operator, self.proposal, self.genesis, self.wraps, self.acceptances)
        signatures = (self.operator_signature, self.member_signature)
        return codec.encode((self.LABEL, CEREMONY_VERSION, content, *signatures))

    @classmethod
    def decode(cls, data: bytes) -> "FoundingFile":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a founding.
        """
        shape = (str, bytes, bytes, bytes, tuple)
        (operator, proposal, genesis, wraps, acceptances), signatures = cls.read(data, *shape)
        return cls(
            operator=checked_name(operator, name="operator"),
            proposal=Digest(codec.sized(proposal, DIGEST_SIZE, name="proposal")),
            genesis=bounded(genesis, GENESIS_BYTES_MAX),
            wraps=wraps,
            acceptances=listed(
                acceptances, "acceptances", lambda one: bounded(one, ACCEPTANCE_BYTES_MAX)
            ),
            **signatures,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation(SignedFile):
    """One organisation's word: my enclave opened its wrap, and this is the genesis that I begin
    with. It repeats the founder's own signature, so that two of them that differ convict him."""

    LABEL = labels.CEREMONY_CONFIRMATION
    NAME = "confirmation"
    BYTES_MAX = CONFIRMATION_BYTES_MAX

    proposal: Digest
    chain: ChainId
    content: Digest
    """Of the founding file."""
    founder: str
    founder_signature: Signature

    def body(self) -> tuple[object, ...]:
        """The fields that are signed."""
        founding = (self.proposal, self.chain, self.content, self.founder, self.founder_signature)
        return (self.operator, *founding)

    def founder_bytes(self) -> bytes:
        """What the founder signed, if he signed this."""
        body = founding_body(self.founder, self.proposal, self.chain, self.content)
        return labels.bound(FoundingFile.LABEL, ChainId(NO_DIGEST), codec.encode(body))

    @classmethod
    def decode(cls, data: bytes) -> "Confirmation":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a confirmation.
        """
        shape = (str, bytes, bytes, bytes, str, bytes)
        (operator, proposal, chain, content, founder, signature), signatures = cls.read(
            data, *shape
        )
        return cls(
            operator=checked_name(operator, name="operator"),
            proposal=Digest(codec.sized(proposal, DIGEST_SIZE, name="proposal")),
            chain=ChainId(codec.sized(chain, DIGEST_SIZE, name="chain")),
            content=Digest(codec.sized(content, DIGEST_SIZE, name="content")),
            founder=checked_name(founder, name="founder"),
            founder_signature=Signature(codec.sized(signature, SIGNATURE_SIZE, name="founder's")),
            **signatures,
        )


def founding_body(
    operator: str, proposal: Digest, chain: ChainId, content: Digest
) -> tuple[object, ...]:
    """What a founder signs."""
    return (operator, proposal, chain, content)
