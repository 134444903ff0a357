"""What a member of a dead service agrees to, and its signature over it (VAULT §7; T45, T5B).

Owns both, and the check of one agreement. Whether what was agreed to holds, and whether enough have
agreed: recovery.py. What an agreement costs its signer, the member's client says.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Anchor
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.recovery_rules import RecoveryRules
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
from strongroom.consensus.validators import VALIDATORS_MAX, Verify


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryStatement:
    """The one thing that a member agrees to: from this head on, in this very way."""

    generation: int
    rules: Digest
    height: Height
    """H, of the newest header that the lost quorum made final."""
    head: Digest
    """Its digest."""
    anchor: Anchor
    """The execution that goes on: at or above the one that the head anchors."""
    opening: Digest
    """Of the header that opens the next epoch, which names its validators and its key."""
    evidence: tuple[Digest, ...]
    """SHA-256 of the evidence of each validator of that epoch, in their order."""

    def signed_bytes(self, chain: ChainId) -> bytes:
        """What a member signs."""
        return labels.bound(labels.RECOVERY_AGREEMENT, chain, codec.encode(self.to_wire()))

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (
            self.generation,
            self.rules,
            self.height,
            self.head,
            self.anchor.height,
            self.anchor.root,
            self.opening,
            self.evidence,
        )

    @classmethod
    def from_wire(cls, value: object) -> "RecoveryStatement":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        shape = (int, bytes, int, bytes, int, bytes, bytes, tuple)
        generation, rules, height, head, at, root, opening, evidence = codec.fields(
            value, *shape, name="recovery statement"
        )
        return cls(
            generation=codec.unsigned(generation, name="generation"),
            rules=Digest(codec.sized(rules, DIGEST_SIZE, name="rules")),
            height=Height(codec.unsigned(height, name="height")),
            head=Digest(codec.sized(head, DIGEST_SIZE, name="head")),
            anchor=Anchor(
                Height(codec.unsigned(at, name="anchor height")),
                Digest(codec.sized(root, DIGEST_SIZE, name="anchor root")),
            ),
            opening=Digest(codec.sized(opening, DIGEST_SIZE, name="opening")),
            evidence=read_digests(evidence, "evidence", VALIDATORS_MAX),
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """A member's signature over a RecoveryStatement. Existing says nothing of its truth: see
    `check`."""

    member: PublicKey
    signature: Signature

    def check(
        self, statement: RecoveryStatement, rules: RecoveryRules, chain: ChainId, verify: Verify
    ) -> str:
        """Check that a member of these rules signed it; its name.

        Raises:
            PeerFault: no member, or another statement, or not its signature.
        """
        name = rules.name_of(self.member)
        if name is None:
            raise PeerFault(
                f"agreement by {self.member.hex()[:16]}…, who holds no share of generation "
                f"{rules.generation}"
            )
        if not verify(self.member, self.signature, statement.signed_bytes(chain)):
            raise PeerFault(f"{name} did not sign this agreement: it is over something else")
        return name

    def to_wire(self) -> tuple[bytes, bytes]:
        """Fields for the codec."""
        return (self.member, self.signature)

    @classmethod
    def from_wire(cls, value: object) -> "Agreement":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        member, signature = codec.fields(value, bytes, bytes, name="agreement")
        return cls(
            PublicKey(codec.sized(member, KEY_SIZE, name="member")),
            Signature(codec.sized(signature, SIGNATURE_SIZE, name="signature")),
        )


def read_digests(value: object, name: str, count_max: int) -> tuple[Digest, ...]:
    """A list of digests, from fields of the codec.

    Raises:
        NotCanonical: too many, or one of another size.
    """
    listed = codec.listed(value, name=name, count_max=count_max)
    return tuple(Digest(codec.sized(one, DIGEST_SIZE, name=name)) for one in listed)
