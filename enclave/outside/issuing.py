"""The private side of the simulated manufacturer: RSA and P-384 private keys, and the certificates
that they sign.

Owns what on a real platform nobody but AMD and its silicon has. It stands apart from
attestation/certificates.py so that the code that judges evidence cannot make any. Every name that
it writes says SIMULATED.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Digest
from strongroom.enclave.attestation.certificates import (
    AMD_EXTENSIONS,
    CHIP_ID,
    PRODUCT_NAME,
    PSS_SALT_SIZE,
    RSA_BITS,
    RSA_EXPONENT,
    SIMULATED_ORGANISATION,
    TCB_COMPONENT,
    prescribed_names,
)
from strongroom.enclave.attestation.report import Product, SigningKey, Tcb
from strongroom.enclave.platform.chip_key import ChipKey, load_key
from strongroom.enclave.primitives import digest

NOT_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2050, 1, 1, tzinfo=UTC)
"""Validity of every simulated certificate: fixed, so that making them needs no clock."""
_NAMES = prescribed_names(Product.SIMULATED, SigningKey.CHIP)
_PSS = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=PSS_SALT_SIZE)


class IssuerKey:
    """RSA-4096 private key of a simulated authority."""

    __slots__ = ("_key",)

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> "IssuerKey":
        """A fresh key; takes about a second."""
        return cls(rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=RSA_BITS))

    @classmethod
    def from_der(cls, data: bytes) -> "IssuerKey":
        """Read what `to_der` wrote.

        Raises:
            OperatorFault: not an RSA private key.
        """
        key = load_key(data)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise OperatorFault(
                "the simulated manufacturer's file holds no RSA key; make a new one"
            )
        return cls(key)

    def to_der(self) -> bytes:
        """PKCS #8, unencrypted: a simulation has no safe."""
        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @property
    def digest(self) -> Digest:
        """SHA-256 of the SubjectPublicKeyInfo."""
        return digest(
            self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    def issue_root(self) -> bytes:
        """The self-signed root certificate, DER."""
        return self._issue(
            _NAMES[0], _NAMES[0], self._key.public_key(), _authority(None, crl_sign=True)
        )

    def issue_intermediate(self, intermediate: "IssuerKey") -> bytes:
        """The intermediate's certificate, signed by this root, DER."""
        return self._issue(
            _NAMES[1], _NAMES[0], intermediate._key.public_key(), _authority(0, crl_sign=False)
        )

    def issue_chip(self, chip: "ChipKey", *, chip_id: bytes, tcb: Tcb) -> bytes:
        """A chip key's certificate, signed by this intermediate, DER: names the chip and its
        firmware as AMD's does."""
        components = {
            1: tcb.bootloader,
            2: tcb.tee,
            3: tcb.snp,
            4: 0,
            5: 0,
            6: 0,
            7: 0,
            8: tcb.microcode,
        }
        name = Product.SIMULATED.encode()
        extensions = {
            AMD_EXTENSIONS + "1": _integer(0),
            PRODUCT_NAME: bytes((0x16, len(name))) + name,
            **{f"{TCB_COMPONENT}{number}": _integer(value) for number, value in components.items()},
            CHIP_ID: chip_id,
        }
        return self._issue(_NAMES[2], _NAMES[1], chip.public, _unrecognized(extensions))

    def _issue(
        self,
        subject: str,
        issuer: str,
        public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> bytes:
        builder = x509.CertificateBuilder(
            issuer_name=_subject(issuer),
            subject_name=_subject(subject),
            public_key=public,
            serial_number=x509.random_serial_number(),
            not_valid_before=NOT_BEFORE,
            not_valid_after=NOT_AFTER,
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, SHA384(), rsa_padding=_PSS).public_bytes(Encoding.DER)

    def __repr__(self) -> str:
        return "IssuerKey(…)"


def _subject(common_name: str) -> x509.Name:
    return x509.Name(
        (
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, SIMULATED_ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        )
    )


def _authority(path_length: int | None, *, crl_sign: bool) -> list[tuple[x509.ExtensionType, bool]]:
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
    return [(x509.BasicConstraints(ca=True, path_length=path_length), True), (usage, True)]


def _unrecognized(extensions: Mapping[str, bytes]) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), False)
        for oid, value in extensions.items()
    ]


def _integer(value: int) -> bytes:
    """DER INTEGER of 0..255."""
    return bytes((2, 1, value)) if value < 0x80 else bytes((2, 2, 0, value))
