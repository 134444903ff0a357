"""The second flavour of the simulated platform: Intel TDX-form quotes and the collateral that they
are judged with.

Owns what on a real platform nobody but Intel and its silicon has: a root, the authority of platform
keys, the signer of collateral, a platform that quotes. Everything that it signs is accepted by an
unmodified dcap-qvl under this root, and under no other; every name says SIMULATED (T26). Our own
enclaves show the first flavour (chip.py).

Sources: Intel, "SGX DCAP Quoting Library API" (quote version 4), "TDX Module Base Architecture"
(TDREPORT).
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.consensus import codec
from strongroom.enclave.attestation.report import MEASUREMENT_SIZE, REPORT_DATA_SIZE
from strongroom.enclave.outside.issuing import NOT_AFTER, NOT_BEFORE
from strongroom.enclave.outside.tdx_form import (
    CURRENT_LEVELS,
    MODULE_SVN,
    PLATFORM_SVN,
    QE_PRODUCT,
    QE_SIGNER,
    QE_SVN,
    SGX_EXTENSION,
    Level,
    authority,
    compact,
    leaf,
    platform_extension,
    qe_identity,
    subject,
    tcb_info,
)

SEPT_VE_DISABLE = 1 << 28
"""TD_ATTRIBUTES of such a domain: not debuggable, not migratable."""
ATTESTATION_ECDSA_P256, TEE_TDX = 2, 0x81
PCK_CHAIN, QE_REPORT = 5, 6
QE_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
QE_AUTH_DATA = bytes(range(32))
_CRL_NUMBER = 1


class _Authority:
    """A P-256 key with its certificate, and what it signs."""

    __slots__ = ("certificate", "key")

    def __init__(
        self, name: str, issuer: "_Authority | None", extensions: Sequence[tuple[Any, bool]]
    ) -> None:
        self.certificate: x509.Certificate
        self.key = ec.generate_private_key(ec.SECP256R1())
        own = subject(name)
        builder = x509.CertificateBuilder(
            issuer_name=own if issuer is None else issuer.certificate.subject,
            subject_name=own,
            public_key=self.key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=NOT_BEFORE,
            not_valid_after=NOT_AFTER,
        )
        signer = self.key if issuer is None else issuer.key
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        for extension, critical in ((identifier, False), *extensions):
            builder = builder.add_extension(extension, critical)
        self.certificate = builder.sign(signer, SHA256())

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256: r ‖ s, 64 bytes."""
        return sign(self.key, message)

    def revocations(self, begin: datetime, end: datetime, serials: Iterable[int]) -> bytes:
        """The list of revoked certificates, DER."""
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, begin, end)
        for serial in serials:
            entry = x509.RevokedCertificateBuilder(
                serial_number=serial, revocation_date=begin
            ).build()
            builder = builder.add_revoked_certificate(entry)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(x509.CRLNumber(_CRL_NUMBER), critical=False)
        return (
            builder.add_extension(identifier, critical=False)
            .sign(self.key, SHA256())
            .public_bytes(Encoding.DER)
        )

    @property
    def pem(self) -> str:
        """The certificate as text."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")


class TdxManufacturer:
    """Root, authority of platform keys and signer of collateral."""

    __slots__ = ("_platforms", "_root", "_signer")

    def __init__(self) -> None:
        self._root = _Authority("SIMULATED SGX Root CA", None, authority(1))
        self._platforms = _Authority("SIMULATED SGX PCK Platform CA", self._root, authority(0))
        self._signer = _Authority("SIMULATED SGX TCB Signing", self._root, leaf())

    @property
    def root(self) -> bytes:
        """The root's certificate, DER: what a policy pins."""
        return self._root.certificate.public_bytes(Encoding.DER)

    @property
    def signer_serial(self) -> int:
        """Serial number of the certificate that signs collateral."""
        return self._signer.certificate.serial_number

    def make_platform(
        self, *, svn: int = PLATFORM_SVN, module_svn: int = MODULE_SVN
    ) -> "TdxPlatform":
        """A new platform with firmware of these versions."""
        extension = x509.UnrecognizedExtension(
            x509.ObjectIdentifier(SGX_EXTENSION), platform_extension(svn)
        )
        key = _Authority(
            "SIMULATED SGX PCK Certificate", self._platforms, (*leaf(), (extension, False))
        )
        return TdxPlatform(
            key, key.pem + self._platforms.pem + self._root.pem, svn=svn, module_svn=module_svn
        )

    def collateral(
        self,
        issued: int,
        due: int,
        *,
        levels: Sequence[Level] = CURRENT_LEVELS,
        revoked: Iterable[int] = (),
        revoked_by_root: Iterable[int] = (),
        qe_svn: int = QE_SVN,
    ) -> bytes:
        """What a verifier needs beside the quote: a QuoteCollateralV3, JSON.

        Args:
            issued: Unix seconds.
            due: when the next one is, Unix seconds.
            levels: of firmware, from newest to oldest.
            revoked: serial numbers of platform certificates.
            revoked_by_root: serial numbers of authorities and signers.
            qe_svn: least security version of the quoting enclave.
        """
        begin, end = (datetime.fromtimestamp(moment, UTC) for moment in (issued, due))
        info = compact(tcb_info(begin, end, levels))
        identity = compact(qe_identity(begin, end, qe_svn))
        signer_chain = self._signer.pem + self._root.pem
        document = {
            "pck_crl_issuer_chain": self._platforms.pem + self._root.pem,
            "root_ca_crl": self._root.revocations(begin, end, revoked_by_root).hex(),
            "pck_crl": self._platforms.revocations(begin, end, revoked).hex(),
            "tcb_info_issuer_chain": signer_chain,
            "tcb_info": info,
            "tcb_info_signature": self._signer.sign(info.encode()).hex(),
            "qe_identity_issuer_chain": signer_chain,
            "qe_identity": identity,
            "qe_identity_signature": self._signer.sign(identity.encode()).hex(),
        }
        return json.dumps(document, indent=1).encode()

    def __repr__(self) -> str:
        return "TdxManufacturer(SIMULATED)"


class TdxPlatform:
    """One simulated processor with its quoting enclave. Has no repr of its keys."""

    __slots__ = ("_attestation", "_chain", "_key", "_module_svn", "_svn")

    def __init__(self, key: _Authority, chain: str, *, svn: int, module_svn: int) -> None:
        self._key, self._chain = key, chain
        self._svn, self._module_svn = svn, module_svn
        self._attestation = ec.generate_private_key(ec.SECP256R1())

    @property
    def serial(self) -> int:
        """Serial number of the platform's certificate."""
        return self._key.certificate.serial_number

    def quote(
        self, report_data: bytes, *, measurement: bytes, attributes: int = SEPT_VE_DISABLE
    ) -> bytes:
        """Sign a version 4 quote of a trust domain.

        Args:
            report_data: 64 bytes of the domain's choice.
            measurement: MRTD, SHA-384 of the domain, 48 bytes.
            attributes: TD_ATTRIBUTES under which the host launched it.
        """
        signed = _header() + self._body(report_data, measurement, attributes)
        public = self._attestation.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )[1:]
        qe_report = self._qe_report(public)
        chain = self._chain.encode("ascii")
        inner = qe_report + self._key.sign(qe_report)
        inner += len(QE_AUTH_DATA).to_bytes(2, "little") + QE_AUTH_DATA + _typed(PCK_CHAIN, chain)
        data = sign(self._attestation, signed) + public + _typed(QE_REPORT, inner)
        return signed + len(data).to_bytes(4, "little") + data

    def _body(self, report_data: bytes, measurement: bytes, attributes: int) -> bytes:
        """TDREPORT 1.0, 584 bytes."""
        module = bytes((self._module_svn, 0, self._module_svn + 1)).ljust(16, b"\x00")
        seam = sha256(b"SIMULATED TDX module").digest().ljust(MEASUREMENT_SIZE, b"\x00") + bytes(56)
        flags = attributes.to_bytes(8, "little") + bytes.fromhex("e702060000000000")
        measured = codec.sized(measurement, MEASUREMENT_SIZE, name="measurement")
        rest = bytes(3 * MEASUREMENT_SIZE + 4 * MEASUREMENT_SIZE)
        return (
            module
            + seam
            + flags
            + measured
            + rest
            + codec.sized(report_data, REPORT_DATA_SIZE, name="report data")
        )

    def _qe_report(self, public: bytes) -> bytes:
        """SGX report of the quoting enclave, 384 bytes: commits to the attestation key."""
        report = bytearray(384)
        report[0:16] = bytes((self._svn,)) * 16
        report[48:50] = b"\x11\x00"
        report[64:96] = sha256(b"SIMULATED quoting enclave").digest()
        report[128:160] = QE_SIGNER
        report[256:260] = QE_PRODUCT.to_bytes(2, "little") + QE_SVN.to_bytes(2, "little")
        report[320:352] = sha256(public + QE_AUTH_DATA).digest()
        return bytes(report)

    def __repr__(self) -> str:
        return "TdxPlatform(SIMULATED)"


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """ECDSA with SHA-256: r ‖ s, 64 bytes."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _header() -> bytes:
    """Version 4, ECDSA P-256, TDX, Intel's vendor id; 48 bytes."""
    numbers = (
        (4).to_bytes(2, "little")
        + ATTESTATION_ECDSA_P256.to_bytes(2, "little")
        + TEE_TDX.to_bytes(4, "little")
    )
    return numbers + bytes(4) + QE_VENDOR + bytes(20)


def _typed(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2, "little") + len(data).to_bytes(4, "little") + data
