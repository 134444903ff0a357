"""Proof that a member lied, in a form that anybody can check and the ledger can hold (R15).

Owns what is a contradiction and what is not: two statements or two batches that one honest node
never signs both. What follows for the member is governance's business.
"""

from dataclasses import dataclass

from strongroom.consensus import codec
from strongroom.consensus.batches import BatchHeader
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.statements import Kind, Vote
from strongroom.consensus.types import SIGNATURE_SIZE, ChainId, Signature, SignerIndex
from strongroom.consensus.validators import EpochDescription, Verify

VOTES, BATCHES = 1, 2
"""First field of encoded evidence."""
PROOF_BYTES_MAX = 1024

_CONTRADICTING = frozenset(
    {
        frozenset({Kind.NOTARIZE}),
        frozenset({Kind.FINALIZE}),
        frozenset({Kind.NULLIFY, Kind.FINALIZE}),
    }
)
"""Kinds of two different statements in one view that no honest member makes both. N and X together
are legal."""


@dataclass(frozen=True, slots=True)
class VoteEvidence:
    """Two votes by one signer in one view."""

    first: Vote
    second: Vote

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (VOTES, self.first.to_wire(), self.second.to_wire())


@dataclass(frozen=True, slots=True)
class BatchEvidence:
    """Two batches of one lane and sequence, each with its origin's signature over its header."""

    first: BatchHeader
    first_signature: Signature
    second: BatchHeader
    second_signature: Signature

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (
            BATCHES,
            self.first.to_wire(),
            self.first_signature,
            self.second.to_wire(),
            self.second_signature,
        )


Proof = VoteEvidence | BatchEvidence


def encode_evidence(evidence: Proof) -> bytes:
    """Canonical bytes."""
    return codec.encode(evidence.to_wire())


def decode_evidence(data: bytes) -> Proof:
    """Read canonical bytes; whether they prove anything is `check`'s to say.

    Raises:
        NotCanonical: not the encoding of evidence.
    """
    return from_wire(codec.decode(data, size_max=PROOF_BYTES_MAX))


def from_wire(value: object) -> Proof:
    """Read fields of the codec.

    Raises:
        NotCanonical: a field is not what it must be.
    """
    if type(value) is tuple and value and type(value[0]) is int:
        if value[0] == VOTES:
            _, first, second = codec.fields(value, int, tuple, tuple, name="vote evidence")
            return VoteEvidence(Vote.from_wire(first), Vote.from_wire(second))
        if value[0] == BATCHES:
            _, one, one_signature, two, two_signature = codec.fields(
                value, int, tuple, bytes, tuple, bytes, name="batch evidence"
            )
            return BatchEvidence(
                BatchHeader.from_wire(one),
                Signature(codec.sized(one_signature, SIGNATURE_SIZE, name="signature")),
                BatchHeader.from_wire(two),
                Signature(codec.sized(two_signature, SIGNATURE_SIZE, name="signature")),
            )
    raise NotCanonical("evidence: neither of votes nor of batches")


def check(
    evidence: Proof, chain: ChainId, description: EpochDescription, verify: Verify
) -> SignerIndex:
    """Who lied.

    Args:
        evidence: the claim.
        chain: the ledger's id.
        description: the epoch that the evidence must be of.
        verify: (public key, signature, message) → does it verify?

    Raises:
        PeerFault: it proves nothing: another epoch, view, signer, lane or sequence, no
            contradiction, or a signature that does not verify.
    """
    if isinstance(evidence, VoteEvidence):
        return _check_votes(evidence, chain, description, verify)
    return _check_batches(evidence, chain, description, verify)


def _check_votes(
    evidence: VoteEvidence, chain: ChainId, members: EpochDescription, verify: Verify
) -> SignerIndex:
    first, second = evidence.first, evidence.second
    one, two = first.statement, second.statement
    if first.signer != second.signer or one.epoch != two.epoch or one.view != two.view:
        raise PeerFault("evidence: two votes of different signers, epochs or views")
    if one == two or frozenset({one.kind, two.kind}) not in _CONTRADICTING:
        raise PeerFault(
            f"evidence: {one.kind.name} and {two.kind.name} in view {one.view} do not contradict"
        )
    first.check(chain, members, verify)
    second.check(chain, members, verify)
    return first.signer


def _check_batches(
    evidence: BatchEvidence, chain: ChainId, members: EpochDescription, verify: Verify
) -> SignerIndex:
    first, second = evidence.first, evidence.second
    if (first.epoch, first.lane, first.sequence) != (second.epoch, second.lane, second.sequence):
        raise PeerFault("evidence: two batches of different epochs, lanes or sequences")
    if first.epoch != members.epoch or first.lane >= len(members.validators):
        raise PeerFault(
            f"evidence: batches of epoch {first.epoch}, lane {first.lane}: no such member"
        )
    if first.digest == second.digest:
        raise PeerFault("evidence: one batch twice")
    key = members.validators[first.lane].node_key
    for header, signature in (
        (first, evidence.first_signature),
        (second, evidence.second_signature),
    ):
        if not verify(key, signature, header.signed_bytes(chain)):
            raise PeerFault(f"evidence: signature of lane {first.lane} does not verify")
    return SignerIndex(first.lane)
