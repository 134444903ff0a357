"""The card of one organisation: what it says of itself before there is a service (DESIGN §5,
Genesis).

Owns its fields and bytes. Whether what it says holds: ceremony_proposal.py.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import (
    DIGEST_SIZE,
    KEY_SIZE,
    SIGNATURE_SIZE,
    Digest,
    PublicKey,
    Signature,
)
from strongroom.enclave.attestation.claims import checked_name
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.policy import is_country
from strongroom.enclave.attestation.report import CHIP_ID_SIZE, MEASUREMENT_SIZE
from strongroom.node import tls
from strongroom.node.config import Address
from strongroom.node.membership.ceremony_signed import SignedFile

CARD_BYTES_MAX = 16 * 1024
CARD_CERTIFICATE_BYTES_MAX = 4096
ADDRESS_BYTES_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(SignedFile):
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
        ) = cls.read(data, *shape, bytes, bytes)
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


def _check_address(text: str) -> None:
    if len(text) > ADDRESS_BYTES_MAX or not text.isascii() or not text.isprintable():
        raise NotCanonical(f"card: an address is at most {ADDRESS_BYTES_MAX} printable characters")
    try:
        Address.parse(text).check_announced()
    except ValueError as fault:
        raise NotCanonical(f"card: {fault}") from None
