"""How an epoch ends whose enclaves are all lost: k of the members open the next one (VAULT §7, P9;
T45, T5B).

Owns the recovery certificate: what stands in the place of a FINALIZE certificate on the header that
opens the next epoch. It proves itself to whoever knows the validators of the lost epoch: the newest
header that their quorum made final, the leaf of the height that this header anchors, which binds
the recovery rules of the state (who may agree, and how many must: recovery_rules.py), and the
members' agreements (recovery_agreement.py) over the one header that follows (recovery_head.py).
Nobody is asked who the members are: the lost quorum has said it.

Knows nothing of shares and of secrets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.recovery_agreement import Agreement as Agreement
from strongroom.consensus.recovery_agreement import RecoveryStatement as RecoveryStatement
from strongroom.consensus.recovery_head import LostHead as LostHead
from strongroom.consensus.recovery_head import basis_of as basis_of
from strongroom.consensus.recovery_head import check_opening as check_opening
from strongroom.consensus.recovery_head import opening_header as opening_header
from strongroom.consensus.recovery_rules import RECOVERY_MEMBERS_MAX as RECOVERY_MEMBERS_MAX
from strongroom.consensus.recovery_rules import RecoveryRules as RecoveryRules
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import DIGEST_SIZE, ChainId, Digest, View
from strongroom.consensus.validators import (
    PUBLIC_KEY_SIZE,
    VALIDATORS_MAX,
    EpochDescription,
    Verify,
)

RECOVERY_KIND = 4
"""First field of a recovery certificate on the wire, where a Certificate has its statement's kind:
1 to 3."""
RECOVERY_EVIDENCE_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class RecoveryCertificate:
    """k agreements over one opening header, with all that shows who may agree."""

    opening: Header
    """The header that it certifies: the last one of the lost epoch, without data of its own."""
    head: LostHead
    rules: RecoveryRules
    evidence: tuple[bytes, ...]
    """Of each validator of the opened epoch, in their order: as the ledger keeps it, or its SHA-256
    alone (`brief`)."""
    description: EpochDescription
    """Of the opened epoch."""
    public_key: bytes
    """Its hybrid public key, 1216 bytes."""
    agreements: tuple[Agreement, ...]
    """Ascending by member's key."""
    signers: tuple[()] = field(default=(), init=False)
    """No validator signed it."""

    def __post_init__(self) -> None:
        keys = [one.member for one in self.agreements]
        if keys != sorted(set(keys)) or len(keys) > RECOVERY_MEMBERS_MAX:
            raise NotCanonical("recovery certificate: members must be distinct and in order")

    @property
    def statement(self) -> Statement:
        """What it stands for: that its header is final."""
        return Statement(Kind.FINALIZE, self.opening.epoch, self.opening.view, self.opening.digest)

    @property
    def kind(self) -> Kind:
        """FINALIZE."""
        return Kind.FINALIZE

    @property
    def view(self) -> View:
        """Its header's."""
        return self.opening.view

    @property
    def digest(self) -> Digest:
        """Its header's."""
        return self.opening.digest

    @property
    def agreed(self) -> RecoveryStatement:
        """What the members agreed to."""
        digests = tuple(map(_digest_of, self.evidence))
        return statement_of(self.opening, self.head, self.rules, digests)

    def brief(self) -> "RecoveryCertificate":
        """The same with the digests of evidence alone: for whoever asks who agreed to what."""
        return replace(self, evidence=tuple(map(_digest_of, self.evidence)))

    @property
    def members(self) -> tuple[str, ...]:
        """Names of those who agreed, ascending."""
        names = (self.rules.name_of(one.member) or "?" for one in self.agreements)
        return tuple(sorted(names))

    def check(
        self,
        chain: ChainId,
        lost: EpochDescription,
        verify: Verify,
        *,
        anchor: Header | None = None,
    ) -> None:
        """Check everything, given the validators of the lost epoch.

        Args:
            chain: the service's.
            lost: the epoch that ended, proven.
            verify: of Ed25519.
            anchor: the header that opened the lost epoch, where it is known. Without it a recovery
                from that very header cannot be checked.

        Raises:
            PeerFault: the head is not final by that epoch's quorum, its state has other rules, the
                header is not the one that follows, it opens something else, or fewer than k members
                agreed.
        """
        self.check_grounds(chain, lost, verify, anchor=anchor)
        statement = self.agreed
        for agreement in self.agreements:
            agreement.check(statement, self.rules, chain, verify)
        if len(self.agreements) < self.rules.threshold:
            raise PeerFault(
                f"recovery: {len(self.agreements)} of {self.rules.threshold} needed members agreed"
            )

    def check_grounds(
        self,
        chain: ChainId,
        lost: EpochDescription,
        verify: Verify,
        *,
        anchor: Header | None = None,
    ) -> None:
        """Check all but the agreements, as a member does before it agrees; see `check`.

        Raises:
            PeerFault: see there.
        """
        head, opening = self.head, self.opening
        head.check_final(chain, lost, verify, anchor)
        head.check_rules(self.rules)
        check_opening(opening, head.header, chain, lost, anchor)
        description = self.description
        if description.epoch != lost.epoch + 1 or description.digest != opening.next_epoch:
            raise PeerFault("recovery: the header opens another epoch than the one described")
        if len(self.evidence) != len(description.validators):
            raise PeerFault("recovery: not as many pieces of evidence as validators")

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (
            RECOVERY_KIND,
            self.opening.encoded,
            self.head.to_wire(),
            self.rules.to_wire(),
            self.evidence,
            self.description.encode(),
            self.public_key,
            tuple(one.to_wire() for one in self.agreements),
        )

    @classmethod
    def from_wire(cls, value: object) -> "RecoveryCertificate":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        shape = (int, bytes, tuple, tuple, tuple, bytes, bytes, tuple)
        kind, opening, head, rules, evidence, description, public_key, agreements = codec.fields(
            value, *shape, name="recovery certificate"
        )
        if kind != RECOVERY_KIND:
            raise NotCanonical(f"recovery certificate: kind {kind}")
        listed = codec.listed(agreements, name="agreements", count_max=RECOVERY_MEMBERS_MAX)
        return cls(
            opening=Header.decode(opening),
            head=LostHead.from_wire(head),
            rules=RecoveryRules.from_wire(rules),
            evidence=_evidence(evidence),
            description=EpochDescription.decode(description),
            public_key=codec.sized(public_key, PUBLIC_KEY_SIZE, name="epoch public key"),
            agreements=tuple(Agreement.from_wire(one) for one in listed),
        )


Finality = Certificate | RecoveryCertificate
"""What makes a block final: a quorum of its epoch's validators, or, of the last block of a lost
epoch, k of the members."""


def read_finality(value: object) -> Finality:
    """Read either from fields of the codec.

    Raises:
        NotCanonical: neither.
    """
    if type(value) is tuple and value and value[0] == RECOVERY_KIND:
        return RecoveryCertificate.from_wire(value)
    return Certificate.from_wire(value)


def statement_of(
    opening: Header, head: LostHead, rules: RecoveryRules, evidence: Sequence[Digest]
) -> RecoveryStatement:
    """What a member agrees to when it agrees to this header."""
    return RecoveryStatement(
        generation=rules.generation,
        rules=rules.digest,
        height=head.header.height,
        head=head.header.digest,
        anchor=opening.anchor,
        opening=opening.digest,
        evidence=tuple(evidence),
    )


def _evidence(value: object) -> tuple[bytes, ...]:
    listed = codec.listed(value, name="evidence", count_max=VALIDATORS_MAX)
    if any(type(one) is not bytes or len(one) > RECOVERY_EVIDENCE_BYTES_MAX for one in listed):
        raise NotCanonical(f"evidence: expected at most {RECOVERY_EVIDENCE_BYTES_MAX} bytes each")
    return tuple(listed)


def _digest_of(evidence: bytes) -> Digest:
    """Its SHA-256; evidence has more bytes than that."""
    return Digest(evidence if len(evidence) == DIGEST_SIZE else sha256(evidence).digest())
