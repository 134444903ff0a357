"""The files of a founding between organisations: what each of them says, and signs (DESIGN §5,
Genesis).

    card          of one organisation: its node, machine, code, keys and addresses
    proposal      all cards and the terms; the constitution follows from it, and only from it
    acceptance    genesis evidence of one organisation's enclave over exactly that constitution
    founding      the genesis and the wrapped secret, by the founder, with all acceptances
    confirmation  one organisation's word that this genesis is the one it begins with

Owns their bytes: canonical, bounded, each under a label of its own, signed by the operator's key
and the member's. Whether what they say holds is ceremony_judging.py's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    DIGEST_SIZE,
    KEY_SIZE,
    NO_DIGEST,
    SIGNATURE_SIZE,
    ChainId,
    Digest,
    Milliseconds,
    PublicKey,
    Signature,
)
from strongroom.consensus.validators import VALIDATORS_MAX
from strongroom.enclave.attestation.claims import checked_name
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.evidence import EVIDENCE_BYTES_MAX
from strongroom.enclave.attestation.policy import is_country, named_key
from strongroom.enclave.attestation.report import CHIP_ID_SIZE, MEASUREMENT_SIZE
from strongroom.enclave.primitives import SigningKey
from strongroom.enclave.primitives import digest as digest_of
from strongroom.enclave.proofs.constitution import CONSTITUTION_ENTRIES_MAX, CONSTITUTION_SALT_SIZE
from strongroom.enclave.proofs.genesis import GENESIS_BYTES_MAX
from strongroom.node import tls
from strongroom.node.config import Address

CEREMONY_VERSION = 1
CARD_BYTES_MAX = 16 * 1024
PROPOSAL_BYTES_MAX = VALIDATORS_MAX * CARD_BYTES_MAX
ACCEPTANCE_BYTES_MAX = EVIDENCE_BYTES_MAX + 1024
FOUNDING_BYTES_MAX = 3 * GENESIS_BYTES_MAX
CONFIRMATION_BYTES_MAX = 2048
CARD_CERTIFICATE_BYTES_MAX = 4096
ADDRESS_BYTES_MAX = 256
UNSIGNED = Signature(bytes(SIGNATURE_SIZE))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """A file that an organisation signs twice: as who runs a node, and as who governs."""

    LABEL: ClassVar[bytes]
    NAME: ClassVar[str]
    BYTES_MAX: ClassVar[int]

    operator: str
    operator_signature: Signature = UNSIGNED
    member_signature: Signature = UNSIGNED

    def body(self) -> tuple[object, ...]:
        """The fields that are signed."""
        raise NotImplementedError

    def signed_bytes(self) -> bytes:
        """What both keys sign; no chain, because there is none yet."""
        return labels.bound(self.LABEL, ChainId(NO_DIGEST), codec.encode(self.body()))

    def sign(self, operator: SigningKey, member: SigningKey) -> Self:
        """The same, under both signatures."""
        message = self.signed_bytes()
        return replace(
            self, operator_signature=operator.sign(message), member_signature=member.sign(message)
        )

    def encode(self) -> bytes:
        """Canonical bytes; the first field is the label."""
        signatures = (self.operator_signature, self.member_signature)
        return codec.encode((self.LABEL, CEREMONY_VERSION, self.body(), *signatures))

    @property
    def digest(self) -> Digest:
        """SHA-256 under the label: what people compare."""
        return labels.labelled_digest(self.LABEL, self.encode())

    @classmethod
    def _read(cls, data: bytes, *shape: type) -> tuple[tuple[Any, ...], dict[str, Signature]]:
        value = codec.decode(data, size_max=cls.BYTES_MAX)
        label, version, body, *signatures = codec.fields(
            value, bytes, int, tuple, bytes, bytes, name=cls.NAME
        )
        if label != cls.LABEL or version != CEREMONY_VERSION:
            raise NotCanonical(f"{cls.NAME}: another file, or another version")
        names = ("operator_signature", "member_signature")
        return codec.fields(body, *shape, name=cls.NAME), {
            name: Signature(codec.sized(one, SIGNATURE_SIZE, name=name))
            for name, one in zip(names, signatures, strict=True)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(_Signed):
    """What one organisation says of itself before there is a service."""

    LABEL = labels.CEREMONY_CARD
    NAME = "card"
    BYTES_MAX = CARD_BYTES_MAX

    operator_key: PublicKey
    member: str
    member_key: PublicKey
    node: str
    region: str
    country: str
    """Two capital letters, or nothing."""
    chip_id: bytes
    measurement: bytes
    root: Digest
    """SHA-256 of the SubjectPublicKeyInfo of the root that vouches for the chip."""
    deployment: Signature
    """The operator's, on the deployment statement of exactly this machine."""
    rpc: str
    peer: str
    """Where the others reach it, HOST:PORT."""
    certificate: bytes
    """Its TLS certificate, DER."""
    credential: Digest
    """SHA-256 of the credential that its people show at the nodes' doors."""

    def __post_init__(self) -> None:
        for value, name in (
            (self.operator, "operator"),
            (self.member, "member"),
            (self.node, "node"),
            (self.region, "region"),
        ):
            checked_name(value, name=name)
        for text in (self.rpc, self.peer):
            _check_address(text)
        if self.country and not is_country(self.country):
            raise NotCanonical("card: a country is two capital letters")
        if len(self.certificate) > CARD_CERTIFICATE_BYTES_MAX:
            raise NotCanonical(
                f"card: a certificate has at most {CARD_CERTIFICATE_BYTES_MAX} bytes"
            )

    @property
    def statement(self) -> Deployment:
        """The deployment that the operator signed."""
        return Deployment(
            name=self.node,
            operator=self.operator,
            chip_id=self.chip_id,
            measurement=self.measurement,
            region=self.region,
        )

    @property
    def tls_key(self) -> Digest:
        """SHA-256 of its SubjectPublicKeyInfo.

        Raises:
            CertificateInvalid: it is no certificate.
        """
        return tls.spki_digest(self.certificate)

    def body(self) -> tuple[object, ...]:
        """The fields that are signed."""
        return (
            self.operator,
            self.operator_key,
            self.member,
            self.member_key,
            self.node,
            self.region,
            self.country,
            self.chip_id,
            self.measurement,
            self.root,
            self.deployment,
            self.rpc,
            self.peer,
            self.certificate,
            self.credential,
        )

    @classmethod
    def decode(cls, data: bytes) -> "Card":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a card.
        """
        shape = (str, bytes, str, bytes, str, str, str, bytes, bytes, bytes, bytes, str, str)
        (
            (
                operator,
                operator_key,
                member,
                member_key,
                node,
                region,
                country,
                chip,
                measurement,
                root,
                deployment,
                rpc,
                peer,
                certificate,
                credential,
            ),
            signatures,
        ) = cls._read(data, *shape, bytes, bytes)
        return cls(
            operator=operator,
            operator_key=PublicKey(codec.sized(operator_key, KEY_SIZE, name="operator's key")),
            member=member,
            member_key=PublicKey(codec.sized(member_key, KEY_SIZE, name="member's key")),
            node=node,
            region=region,
            country=country,
            chip_id=codec.sized(chip, CHIP_ID_SIZE, name="chip id"),
            measurement=codec.sized(measurement, MEASUREMENT_SIZE, name="measurement"),
            root=Digest(codec.sized(root, DIGEST_SIZE, name="root")),
            deployment=Signature(codec.sized(deployment, SIGNATURE_SIZE, name="deployment")),
            rpc=rpc,
            peer=peer,
            certificate=certificate,
            credential=Digest(codec.sized(credential, DIGEST_SIZE, name="credential")),
            **signatures,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is to be founded; nobody signs it alone. Lists are ascending and distinct."""

    name: str
    salt: bytes
    created_ms: Milliseconds
    cards: tuple[bytes, ...]
    """The encoding of each card, ascending by operator."""
    members: tuple[tuple[str, PublicKey], ...]
    """Members that run no node; they sign nothing here."""
    roles: tuple[tuple[str, str, Digest], ...]
    programs: tuple[str, ...]
    limits: tuple[tuple[str, int], ...]
    max_age_ms: Milliseconds
    """How long evidence over a recent block counts."""

    LABEL: ClassVar[bytes] = labels.CEREMONY_PROPOSAL
    NAME: ClassVar[str] = "proposal"
    BYTES_MAX: ClassVar[int] = PROPOSAL_BYTES_MAX

    @property
    def digest(self) -> Digest:
        """SHA-256 under the label: what every later file names, and people compare."""
        return labels.labelled_digest(self.LABEL, self.encode())

    def encode(self) -> bytes:
        """Canonical bytes; the first field is the label."""
        return codec.encode(
            (
                self.LABEL,
                CEREMONY_VERSION,
                self.name,
                self.salt,
                self.created_ms,
                self.cards,
                self.members,
                self.roles,
                self.programs,
                self.limits,
                self.max_age_ms,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "Proposal":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a proposal.
        """
        value = codec.decode(data, size_max=cls.BYTES_MAX)
        shape = (bytes, int, str, bytes, int, tuple, tuple, tuple, tuple, tuple, int)
        label, version, name, salt, created, cards, members, roles, programs, limits, age = (
            codec.fields(value, *shape, name=cls.NAME)
        )
        if label != cls.LABEL or version != CEREMONY_VERSION:
            raise NotCanonical("proposal: another file, or another version")
        return cls(
            name=checked_name(name, name="service"),
            salt=codec.sized(salt, CONSTITUTION_SALT_SIZE, name="salt"),
            created_ms=Milliseconds(codec.unsigned(created, name="created")),
            cards=_listed(cards, "cards", lambda one: _bytes(one, CARD_BYTES_MAX)),
            members=_listed(members, "members", lambda one: named_key(one, name="member")),
            roles=_listed(roles, "roles", _role),
            programs=_listed(programs, "programs", lambda one: checked_name(one, name="program")),
            limits=_listed(limits, "limits", _limit),
            max_age_ms=Milliseconds(codec.unsigned(age, name="age")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance(_Signed):
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
        (operator, proposal, evidence), signatures = cls._read(data, str, bytes, bytes)
        return cls(
            operator=checked_name(operator, name="operator"),
            proposal=Digest(codec.sized(proposal, DIGEST_SIZE, name="proposal")),
            evidence=evidence,
            **signatures,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundingFile(_Signed):
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
        (operator, proposal, genesis, wraps, acceptances), signatures = cls._read(data, *shape)
        return cls(
            operator=checked_name(operator, name="operator"),
            proposal=Digest(codec.sized(proposal, DIGEST_SIZE, name="proposal")),
            genesis=_bytes(genesis, GENESIS_BYTES_MAX),
            wraps=wraps,
            acceptances=_listed(
                acceptances, "acceptances", lambda one: _bytes(one, ACCEPTANCE_BYTES_MAX)
            ),
            **signatures,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation(_Signed):
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
        (operator, proposal, chain, content, founder, signature), signatures = cls._read(
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


CeremonyFile = Card | Proposal | Acceptance | FoundingFile | Confirmation
_KINDS: tuple[type[CeremonyFile], ...] = (Card, Proposal, Acceptance, FoundingFile, Confirmation)


def read_file(data: bytes) -> CeremonyFile:
    """Any file of a ceremony, by its label.

    Raises:
        NotCanonical: it is none.
    """
    value = codec.decode(data, size_max=FOUNDING_BYTES_MAX)
    label = value[0] if type(value) is tuple and value else None
    for kind in _KINDS:
        if label == kind.LABEL:
            return kind.decode(data)
    raise NotCanonical("no file of a founding ceremony")


def founding_body(
    operator: str, proposal: Digest, chain: ChainId, content: Digest
) -> tuple[object, ...]:
    """What a founder signs."""
    return (operator, proposal, chain, content)


def _check_address(text: str) -> None:
    if len(text) > ADDRESS_BYTES_MAX or not text.isascii() or not text.isprintable():
        raise NotCanonical(f"card: an address is at most {ADDRESS_BYTES_MAX} printable characters")
    try:
        Address.parse(text).check_announced()
    except ValueError as fault:
        raise NotCanonical(f"card: {fault}") from None


def _bytes(value: object, most: int) -> bytes:
    if type(value) is not bytes or len(value) > most:
        raise NotCanonical(f"expected at most {most} bytes")
    return value


def _role(value: object) -> tuple[str, str, Digest]:
    program, role, identity = codec.fields(value, str, str, bytes, name="role")
    return (
        checked_name(program, name="program"),
        checked_name(role, name="role"),
        Digest(codec.sized(identity, DIGEST_SIZE, name="identity")),
    )


def _limit(value: object) -> tuple[str, int]:
    name, bound = codec.fields(value, str, int, name="limit")
    return checked_name(name, name="limit"), codec.unsigned(bound, name="limit's value")


def _listed(value: object, name: str, read: Callable[[object], Any]) -> tuple[Any, ...]:
    return tuple(
        read(one) for one in codec.listed(value, name=name, count_max=CONSTITUTION_ENTRIES_MAX)
    )
