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
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Digest
from strongroom.enclave.attestation.certificates import PARSER_ERRORS
from strongroom.node.machine.durable_files import write_new

_LIFETIME = timedelta(days=397)
"""What foreign tools still take. The certificate is an envelope for a key, and the claims decide
whether the key counts; a running node renews the envelope (`renewed`)."""

RENEWAL = timedelta(days=90)
"""So long before its end a certificate is renewed, or in the last third of a shorter life."""

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
    """Make a fresh P-256 key and its self-signed certificate (RFC 5280), valid for 397 days.

    Args:
        name: The node's name: common name and first alternative name.
        hosts: Further DNS names or IP addresses under which clients reach it; the local ones are
            always there.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [_general_name(host) for host in dict.fromkeys([name, *_LOCAL_HOSTS, *hosts])]
    return TlsIdentity(
        certificate=_certificate(key, subject, x509.SubjectAlternativeName(names)),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def renewal_due(certificate: bytes) -> datetime:
    """From when on a PEM certificate is to be renewed.

    Raises:
        CertificateInvalid: not a certificate.
    """
    parsed = _pem(certificate)
    life = parsed.not_valid_after_utc - parsed.not_valid_before_utc
    return parsed.not_valid_after_utc - min(RENEWAL, life / 3)


def renewed(certificate: bytes, key: bytes) -> bytes:
    """A PEM certificate for the same key and names with a new term: claims, peers and clients know
    the key, so that nothing else changes.

    Raises:
        CertificateInvalid: one of the two cannot be read, or they do not belong together.
    """
    parsed = _pem(certificate)
    try:
        private = load_pem_private_key(key, password=None)
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (*PARSER_ERRORS, x509.ExtensionNotFound) as fault:
        raise CertificateInvalid(f"cannot renew the certificate: {fault}") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise CertificateInvalid("cannot renew the certificate: no elliptic curve key")
    made = _certificate(private, parsed.subject, names)
    if spki_digest(made) != spki_digest(certificate):
        raise CertificateInvalid("cannot renew the certificate: it is not this key's")
    return made


def _certificate(
    key: ec.EllipticCurvePrivateKey, subject: x509.Name, names: x509.SubjectAlternativeName
) -> bytes:
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
        .add_extension(names, critical=False)
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
    return certificate.public_bytes(Encoding.PEM)


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


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a PEM certificate as browsers show it, 64 hex digits.

    Raises:
        CertificateInvalid: not a certificate.
    """
    return _pem(certificate).fingerprint(SHA256()).hex()


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


def check_der(certificate: bytes) -> None:
    """Check that these are the DER bytes of a certificate, and no PEM: what somebody else gave,
    before it goes into a bundle.

    Raises:
        CertificateInvalid: they are not.
    """
    try:
        x509.load_der_x509_certificate(certificate)
    except PARSER_ERRORS as fault:
        raise CertificateInvalid(f"not a certificate in DER: {fault}") from None


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


def client_context(ca_bundle: Path, only: Digest | None = None) -> ssl.SSLContext:
    """The end of a client: TLS 1.3, and a key of the cluster's bundle.

    The key alone is compared: neither host names nor dates nor the certificate around it. What
    authorises a key is its digest in a node's verified claims; a certificate that was renewed, one
    that has run out, or a clock that is wrong, would only shut clients out of a service that is
    sound.

    Args:
        ca_bundle: the cluster's certificates, PEM.
        only: of the bundle's keys this one alone: that of a node which was checked.

    Raises:
        CertificateInvalid: the bundle is missing or holds no certificate.
    """
    try:
        bundle = x509.load_pem_x509_certificates(ca_bundle.read_bytes())
        keys = frozenset(spki_digest(one.public_bytes(Encoding.DER)) for one in bundle)
    except (OSError, *PARSER_ERRORS) as fault:
        raise CertificateInvalid(f"cannot read the certificates in {ca_bundle}: {fault}") from None
    context = _PinningContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.keys = keys if only is None else keys & {only}
    context.sslobject_class, context.sslsocket_class = _PinnedObject, _PinnedSocket
    return context


class _PinningContext(ssl.SSLContext):
    """A context whose every handshake ends in a look at the other side's key."""

    keys: frozenset[Digest] = frozenset()

    def check(self, shown: bytes | None) -> None:
        """Raises ssl.SSLCertVerificationError for a key that is not in the bundle."""
        try:
            known = shown is not None and spki_digest(shown) in self.keys
        except CertificateInvalid:
            known = False
        if not known:
            raise ssl.SSLCertVerificationError(
                ssl.SSLErrorNumber.SSL_ERROR_SSL,
                "the key in this certificate is not in the bundle: copy service.json and ca.pem "
                "again from the operator",
            )


class _PinnedObject(ssl.SSLObject):
    """A connection over buffers, as asyncio makes them."""

    def do_handshake(self) -> None:
        """Shake hands, and look at the key."""
        super().do_handshake()
        _check(self.context, self.getpeercert(binary_form=True))


class _PinnedSocket(ssl.SSLSocket):
    """A connection over a socket."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, and look at the key."""
        super().do_handshake(block)
        _check(self.context, self.getpeercert(binary_form=True))


def _check(context: ssl.SSLContext, shown: bytes | None) -> None:
    if not isinstance(context, _PinningContext):
        raise ssl.SSLCertVerificationError(
            ssl.SSLErrorNumber.SSL_ERROR_SSL, "this connection belongs to no bundle"
        )
    context.check(shown)


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
