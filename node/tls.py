"""Connection keys: a self-signed certificate per node, and TLS 1.3 contexts for both ends.

Owns how connections are encrypted. It authorises nothing: who is at the other end follows from the
SHA-256 of the certificate's SubjectPublicKeyInfo, which an enclave named in its verified claims
(`tls_key`, DESIGN §5, T42). Hence host names are not checked anywhere, and a dialling peer accepts
any certificate and then compares that digest.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Digest
from strongroom.enclave.attestation.certificates import PARSER_ERRORS
from strongroom.node.machine.durable_files import write_new

_LIFETIME = timedelta(days=3652)
"""Ten years: the certificate is an envelope for a key, and the claims decide whether the key
counts."""

_BACKDATED = timedelta(days=1)
"""Tolerates clocks of clients that run behind."""

_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class CertificateInvalid(OperatorFault):
    """A certificate or key file of this machine cannot be read."""


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """A connection key with its certificate, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


def make_certificate(name: str, hosts: Sequence[str] = ()) -> TlsIdentity:
    """Make a fresh P-256 key and its self-signed certificate (RFC 5280), valid for ten years.

    Args:
        name: The node's name: common name and first alternative name.
        hosts: Further DNS names or IP addresses under which clients reach it; the local ones are
            always there.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names = [_general_name(host) for host in dict.fromkeys([name, *_LOCAL_HOSTS, *hosts])]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return TlsIdentity(
        certificate=certificate.public_bytes(Encoding.PEM),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def write_identity(identity: TlsIdentity, *, certificate: Path, key: Path) -> None:
    """Write both files; the key gets mode 0600 before its first byte. Refuses to overwrite a key.

    Raises:
        CertificateInvalid: the key file exists.
    """
    try:
        write_new(key, identity.key)
    except FileExistsError:
        raise CertificateInvalid(
            f"{key} exists: it is named in the node's claims, so it is never replaced"
        ) from None
    certificate.write_bytes(identity.certificate)


def spki_digest(certificate: bytes) -> Digest:
    """SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 5280 §4.1), 32 bytes; takes PEM or DER.

    Raises:
        CertificateInvalid: not a certificate.
    """
    try:
        if certificate.lstrip().startswith(b"-----BEGIN"):
            parsed = x509.load_pem_x509_certificate(certificate)
        else:
            parsed = x509.load_der_x509_certificate(certificate)
        spki = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except PARSER_ERRORS as fault:  # a peer shows what it likes; not all of them are ValueErrors
        raise CertificateInvalid(f"not a certificate: {fault}") from None
    return Digest(sha256(spki).digest())


def valid_until(certificate: bytes) -> datetime:
    """When a PEM certificate ends.

    Raises:
        CertificateInvalid: not a certificate.
    """
    return _pem(certificate).not_valid_after_utc


def _pem(certificate: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate)
    except PARSER_ERRORS as fault:
        raise CertificateInvalid(f"not a certificate: {fault}") from None


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The accepting end, TLS 1.3 only.

    Raises:
        CertificateInvalid: a file is missing, unreadable, or the two do not belong together.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as fault:
        raise CertificateInvalid(f"cannot use {certificate} with {key}: {fault}") from None
    return context


def dial_context() -> ssl.SSLContext:
    """The dialling end of a link between nodes: TLS 1.3, any certificate.

    Before it says or believes anything, the caller compares
    `spki_digest(ssl_object.getpeercert(binary_form=True))` with the digest in the peer's verified
    claims.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def client_context(ca_bundle: Path) -> ssl.SSLContext:
    """The end of a client: TLS 1.3, the certificate stands in the cluster's bundle.

    Neither host names nor dates are compared: what authorises a key is its digest in a node's
    verified claims, and a certificate that has run out, or a clock that is wrong, would only shut
    clients out of a service that is sound.

    Raises:
        CertificateInvalid: the bundle is missing or holds no certificate.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= _NO_CHECK_TIME
    try:
        context.load_verify_locations(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as fault:
        raise CertificateInvalid(f"cannot read the certificates in {ca_bundle}: {fault}") from None
    return context


_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL 1.1.0 and newer (X509_VERIFY_PARAM_set_flags(3)); Python has
no name for it."""


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
