"""How an epoch ends whose enclaves are all lost: k of the members open the next one (VAULT §7, P9;
T45, T5B).

Owns the recovery certificate: what stands in the place of a FINALIZE certificate on the header that
opens the next epoch. It proves itself to whoever knows the validators of the lost epoch: the newest
header that their quorum made final, the leaf of the height that this header anchors, which binds
the recovery rules of the state (recovery.py's own `RecoveryRules`: who may agree, and how many
must), and the members' agreements over one opening header. Nobody is asked who the members are: the
lost quorum has said it.

Knows nothing of shares and of secrets; what an agreement costs its signer, the member's client
says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Anchor, Header, initial_cut
from strongroom.consensus.errors import NotCanonical, PeerFault, ReceiptInvalid
from strongroom.consensus.history import PATH_MAX, HistoryLeaf, root_from_path, with_rules
from strongroom.consensus.leaders import leader_of, leader_order
from strongroom.consensus.statements import Certificate, Kind, Statement, check_final
from strongroom.consensus.types import (
    DIGEST_SIZE,
    KEY_SIZE,
    SIGNATURE_SIZE,
    ChainId,
    Digest,
    Height,
    Milliseconds,
    PublicKey,
    Signature,
    View,
)
from strongroom.consensus.validators import (
    PUBLIC_KEY_SIZE,
    VALIDATORS_MAX,
    EpochDescription,
    Verify,
)

RECOVERY_KIND = 4
"""First field of a recovery certificate on the wire, where a Certificate has its statement's kind:
1 to 3."""
RECOVERY_MEMBERS_MAX = 255
RECOVERY_NAME_BYTES_MAX = 255
RECOVERY_EVIDENCE_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRules:
    """Who may recover the service, and how many of them must agree; as the state has it at one
    height."""

    generation: int
    """Of the shares, from 1."""
    threshold: int
    """k."""
    members: tuple[tuple[str, PublicKey], ...]
    """(name, Ed25519 key) of every member that holds a share, ascending by name."""
    shares: Digest
    """Over what the state says of this generation's shares."""
    policy: Digest
    """SHA-256 of the policy by which enclaves are judged, encoded."""

    def __post_init__(self) -> None:
        names = [name for name, _ in self.members]
        if not names or len(names) > RECOVERY_MEMBERS_MAX or names != sorted(set(names)):
            raise NotCanonical(
                f"recovery rules: expected 1..{RECOVERY_MEMBERS_MAX} members, ascending by name"
            )
        if len({key for _, key in self.members}) != len(names):
            raise NotCanonical("recovery rules: two members have one key")
        if not 1 <= self.threshold <= len(names):
            raise NotCanonical(f"recovery rules: {self.threshold} of {len(names)} members")

    def name_of(self, key: PublicKey) -> str | None:
        """The member with this key; None: none of them."""
        return next((name for name, held in self.members if held == key), None)

    @property
    def digest(self) -> Digest:
        """What a history leaf binds."""
        return labels.labelled_digest(labels.RECOVERY_RULES, codec.encode(self.to_wire()))

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (self.generation, self.threshold, self.members, self.shares, self.policy)

    @classmethod
    def from_wire(cls, value: object) -> "RecoveryRules":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        generation, threshold, members, shares, policy = codec.fields(
            value, int, int, tuple, bytes, bytes, name="recovery rules"
        )
        listed = codec.listed(members, name="members", count_max=RECOVERY_MEMBERS_MAX)
        return cls(
            generation=codec.unsigned(generation, name="generation"),
            threshold=codec.unsigned(threshold, name="threshold"),
            members=tuple(_member(one) for one in listed),
            shares=Digest(codec.sized(shares, DIGEST_SIZE, name="shares")),
            policy=Digest(codec.sized(policy, DIGEST_SIZE, name="policy")),
        )


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
            evidence=_digests(evidence, "evidence", VALIDATORS_MAX),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LostHead:
    """The newest header that the lost quorum made final, and what it vouches for."""

    header: Header
    certificate: Certificate | None
    """FINALIZE for it; None when it is the block that opened the lost epoch, which whoever follows
    the succession of epochs knows."""
    leaf: HistoryLeaf
    """Of the height that it anchors; its record digest is the one without the rules."""
    path: tuple[Digest, ...]
    """From that leaf to the root that it anchors."""

    def check_rules(self, rules: RecoveryRules) -> None:
        """Check that the anchored state has these recovery rules.

        Raises:
            PeerFault: it has others, or none.
        """
        leaf, anchor = self.leaf, self.header.anchor
        bound = HistoryLeaf(
            leaf.height,
            leaf.block,
            leaf.outcome_root,
            with_rules(leaf.write_set_digest, rules.digest),
            leaf.snapshot_root,
        )
        try:
            root = root_from_path(bound.hash, leaf.height, anchor.height + 1, self.path)
        except ReceiptInvalid as error:
            raise PeerFault(f"recovery: {error}") from None
        if leaf.height != anchor.height or root != anchor.root:
            raise PeerFault(
                f"recovery: these are not the rules at height {anchor.height}, which block "
                f"{self.header.height} anchors"
            )

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        certificate = None if self.certificate is None else self.certificate.to_wire()
        return (self.header.encoded, certificate, self.leaf.encode(), self.path)

    @classmethod
    def from_wire(cls, value: object) -> "LostHead":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        if type(value) is not tuple or len(value) != 4 or type(value[2]) is not bytes:
            raise NotCanonical("head of a recovery: expected 4 fields")
        header, certificate, leaf, path = value
        return cls(
            header=Header.from_wire(header),
            certificate=None if certificate is None else Certificate.from_wire(certificate),
            leaf=HistoryLeaf.decode(leaf),
            path=_digests(path, "path", PATH_MAX),
        )


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
        _check_head(head, chain, lost, verify, anchor)
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


def basis_of(head: Header, executed: Anchor, rules: RecoveryRules) -> Digest:
    """What the evidence of an enclave that recovers is over: it followed the ledger up to this
    head, and goes on from this execution under these rules."""
    known = (head.digest, executed.height, executed.root, rules.digest)
    return labels.labelled_digest(labels.RECOVERY_HEAD, codec.encode(known))


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


def opening_header(
    head: Header,
    lost: EpochDescription,
    lost_anchor: Header,
    *,
    executed: Anchor,
    description: EpochDescription,
    time_ms: Milliseconds,
) -> Header:
    """The last header of a lost epoch: it follows the head, orders nothing, and opens the next one.

    Args:
        head: the newest header that the lost quorum made final, or the anchor itself.
        lost: the epoch that ends.
        lost_anchor: the header that opened it.
        executed: the execution that goes on.
        description: of the epoch that begins.
        time_ms: later than the head's.
    """
    members = len(lost.validators)
    begins = head.digest == lost_anchor.digest
    view = View(1 if begins else head.view + 1)
    return Header(
        chain=head.chain,
        epoch=lost.epoch,
        view=view,
        height=Height(head.height + 1),
        parent=head.digest,
        proposer=leader_of(leader_order(lost_anchor.digest, members), view),
        time_ms=time_ms,
        cut=initial_cut(head.digest, members) if begins else head.cut,
        batch_count=0,
        batch_bytes=0,
        anchor=executed,
        next_epoch=description.digest,
    )


def check_opening(
    opening: Header,
    head: Header,
    chain: ChainId,
    lost: EpochDescription,
    anchor: Header | None = None,
) -> None:
    """Check that a header follows the head, orders nothing, and ends the lost epoch.

    Raises:
        PeerFault: it does not.
    """
    begins = anchor is not None and head.digest == anchor.digest
    cut = initial_cut(head.digest, len(lost.validators)) if begins else head.cut
    above = 0 if begins else head.view
    follows = (
        (opening.chain, opening.epoch) == (chain, lost.epoch)
        and (opening.height, opening.parent) == (head.height + 1, head.digest)
        and opening.time_ms > head.time_ms
        and opening.view > above
    )
    empty = (opening.batch_count, opening.batch_bytes) == (0, 0) and opening.cut == cut
    if not follows or not empty or opening.next_epoch == lost.digest:
        raise PeerFault(
            f"recovery: block {opening.height} is not the empty one that ends epoch {lost.epoch} "
            f"above block {head.height}"
        )
    executed, certified = opening.anchor, head.anchor
    if not certified.height <= executed.height <= head.height or (
        executed.height == certified.height and executed.root != certified.root
    ):
        raise PeerFault(
            f"recovery: block {opening.height} goes on from another execution than the one that "
            f"block {head.height} anchors"
        )


def contradiction(first: RecoveryStatement, second: RecoveryStatement) -> bool:
    """Do two statements open two epochs with one generation of shares? Whoever signed both has
    agreed to two histories (T5B)."""
    return first.generation == second.generation and first != second


def check_double_agreement(
    agreements: tuple[tuple[RecoveryStatement, Agreement], tuple[RecoveryStatement, Agreement]],
    chain: ChainId,
    verify: Verify,
) -> PublicKey:
    """Check a proof that a member agreed to two recoveries of one generation; its key.

    Raises:
        PeerFault: it proves nothing.
    """
    (first, one), (second, other) = agreements
    if one.member != other.member or not contradiction(first, second):
        raise PeerFault("these agreements contradict nothing: other members, or one statement")
    for statement, agreement in agreements:
        if not verify(agreement.member, agreement.signature, statement.signed_bytes(chain)):
            raise PeerFault("an agreement is not signed by the one that it accuses")
    return one.member


def _check_head(
    head: LostHead,
    chain: ChainId,
    lost: EpochDescription,
    verify: Verify,
    anchor: Header | None,
) -> None:
    header, certificate = head.header, head.certificate
    if header.chain != chain:
        raise PeerFault("recovery: its head is of another chain")
    if certificate is None:
        if anchor is None or header.digest != anchor.digest:
            raise PeerFault(f"recovery: nothing shows that block {header.height} is final")
        return
    if header.epoch == lost.epoch and header.next_epoch != lost.digest:
        raise PeerFault(f"recovery: block {header.height} ended epoch {lost.epoch} itself")
    check_final(header, certificate, chain, lost, verify)


def _member(value: object) -> tuple[str, PublicKey]:
    name, key = codec.fields(value, str, bytes, name="member")
    if not 0 < len(name.encode()) <= RECOVERY_NAME_BYTES_MAX:
        raise NotCanonical(f"member: a name has 1..{RECOVERY_NAME_BYTES_MAX} bytes")
    return name, PublicKey(codec.sized(key, KEY_SIZE, name="member's key"))


def _evidence(value: object) -> tuple[bytes, ...]:
    listed = codec.listed(value, name="evidence", count_max=VALIDATORS_MAX)
    if any(type(one) is not bytes or len(one) > RECOVERY_EVIDENCE_BYTES_MAX for one in listed):
        raise NotCanonical(f"evidence: expected at most {RECOVERY_EVIDENCE_BYTES_MAX} bytes each")
    return tuple(listed)


def _digest_of(evidence: bytes) -> Digest:
    """Its SHA-256; evidence has more bytes than that."""
    return Digest(evidence if len(evidence) == DIGEST_SIZE else sha256(evidence).digest())


def _digests(value: object, name: str, count_max: int) -> tuple[Digest, ...]:
    listed = codec.listed(value, name=name, count_max=count_max)
    return tuple(Digest(codec.sized(one, DIGEST_SIZE, name=name)) for one in listed)
