"""What the enclaves of a recovery and the members' clients hand to each other (VAULT §7; T45, T5B).

Owns the bytes of the plan, of a member's agreement with its sealed share, and of what the lead
hands to the other enclaves. Decides and opens nothing: enclave/member/recovery.py does, and
enclave/outside/recovery_giving.py on a member's side.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.recovery import (
    RECOVERY_EVIDENCE_BYTES_MAX,
    Agreement,
    LostHead,
    RecoveryCertificate,
    RecoveryRules,
    RecoveryStatement,
)
from strongroom.consensus.types import (
    KEY_SIZE,
    SIGNATURE_SIZE,
    ChainId,
    Digest,
    PublicKey,
    Signature,
)
from strongroom.consensus.validators import PUBLIC_KEY_SIZE, VALIDATORS_MAX, EpochDescription

VERSION = 1
PLAN_BYTES_MAX = 8 * 1024 * 1024
HANDED_BYTES_MAX = 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPlan:
    """How a dead service is to go on: who opens its next epoch, from which head. Existing says
    nothing of its truth."""

    head: LostHead
    rules: RecoveryRules
    policy: bytes
    """Encoded; its digest stands in the rules."""
    opening: Header
    description: EpochDescription
    public_key: bytes
    """Of the epoch that begins, 1216 bytes."""
    evidence: tuple[bytes, ...]
    """Of each of its validators, in their order; the first one leads."""
    wraps: tuple[tuple[PublicKey, bytes], ...]
    """(node key, the epoch's secret sealed to that node's one-time key), in that order."""
    signature: Signature
    """By the lead's node key over the statement: no host makes up an epoch whose secret it
    knows."""

    @property
    def statement(self) -> RecoveryStatement:
        """What members agree to."""
        return self.certificate().agreed

    def certificate(self, agreements: Iterable[Agreement] = ()) -> RecoveryCertificate:
        """What it is with these agreements; with none of them, what there is to be agreed to."""
        return RecoveryCertificate(
            opening=self.opening,
            head=self.head,
            rules=self.rules,
            evidence=self.evidence,
            description=self.description,
            public_key=self.public_key,
            agreements=tuple(sorted(agreements, key=lambda one: one.member)),
        )

    def signed_bytes(self) -> bytes:
        """What the lead signs."""
        return plan_bytes(self.opening.chain, self.statement)

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(
            (
                VERSION,
                self.head.to_wire(),
                self.rules.to_wire(),
                self.policy,
                self.opening.encoded,
                self.description.encode(),
                self.public_key,
                self.evidence,
                self.wraps,
                self.signature,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "RecoveryPlan":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a plan.
        """
        shape = (int, tuple, tuple, bytes, bytes, bytes, bytes, tuple, tuple, bytes)
        version, head, rules, policy, opening, described, key, evidence, wraps, signature = (
            codec.fields(codec.decode(data, size_max=PLAN_BYTES_MAX), *shape, name="plan")
        )
        if version != VERSION:
            raise NotCanonical(f"a plan of version {version}, this code reads {VERSION}")
        shown = codec.listed(evidence, name="evidence", count_max=VALIDATORS_MAX)
        if any(type(one) is not bytes or len(one) > RECOVERY_EVIDENCE_BYTES_MAX for one in shown):
            raise NotCanonical("plan: evidence of another size")
        return cls(
            head=LostHead.from_wire(head),
            rules=RecoveryRules.from_wire(rules),
            policy=policy,
            opening=Header.decode(opening),
            description=EpochDescription.decode(described),
            public_key=codec.sized(key, PUBLIC_KEY_SIZE, name="epoch public key"),
            evidence=tuple(shown),
            wraps=tuple(
                _wrap(one) for one in codec.listed(wraps, name="wraps", count_max=VALIDATORS_MAX)
            ),
            signature=Signature(codec.sized(signature, SIGNATURE_SIZE, name="lead's signature")),
        )


@dataclass(frozen=True, slots=True)
class GivenShare:
    """A member's agreement, and its share sealed to the lead's one-time key."""

    statement: Digest
    """`statement_digest` of what it agreed to: of another one it is told apart by it."""
    agreement: Agreement
    sealed: bytes

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode((VERSION, self.statement, self.agreement.to_wire(), self.sealed))

    @classmethod
    def decode(cls, data: bytes) -> "GivenShare":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a given share.
        """
        version, statement, agreement, sealed = codec.fields(
            codec.decode(data, size_max=HANDED_BYTES_MAX), int, bytes, tuple, bytes, name="share"
        )
        if version != VERSION:
            raise NotCanonical(f"a share of version {version}, this code reads {VERSION}")
        return cls(
            Digest(codec.sized(statement, 32, name="statement")),
            Agreement.from_wire(agreement),
            sealed,
        )


def plan_bytes(chain: ChainId, statement: RecoveryStatement) -> bytes:
    """What the lead of a plan signs."""
    return labels.bound(labels.RECOVERY_PLAN, chain, codec.encode(statement.to_wire()))


def statement_digest(chain: ChainId, statement: RecoveryStatement) -> Digest:
    """The name of what members agree to."""
    return Digest(sha256(statement.signed_bytes(chain)).digest())


def handed_info(chain: ChainId, statement: Digest, party: bytes) -> bytes:
    """What is sealed for a recovery is bound to: its statement, and whose it is."""
    return labels.bound(labels.RECOVERY_HANDED, chain, statement + party)


def _wrap(value: object) -> tuple[PublicKey, bytes]:
    node_key, sealed = codec.fields(value, bytes, bytes, name="wrap")
    return PublicKey(codec.sized(node_key, KEY_SIZE, name="node key")), sealed
