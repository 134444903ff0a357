"""Chains of X.509 certificates inside other formats: each issued by the next, up to one that is
pinned.

Owns the checks of RFC 5280 that such a chain needs, and the pins of did:x509
(draft-birkholz-did-x509): the digest of an authority's certificate, and a use of the key.
"""

import base64
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID

from strongroom.consensus.types import Digest
from strongroom.enclave.attestation.certificates import PARSER_ERRORS
from strongroom.enclave.tokens.signatures import RSA_BITS_MIN, PublicKey
from strongroom.node.evidence.certificates import split_certificate
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.reasons import Reason, demand, refuse

CHAIN_MAX = 5
REMEMBERED_MAX = 64
"""Certificates read once: a root stands in many chains of one piece of evidence."""
_HASHES = (SHA256, SHA384, SHA512)
_UNDERSTOOD = (
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
)


@dataclass(frozen=True, slots=True)
class Chain:
    """Certificates from leaf to root, each issued by the next. Only `read_chain` makes one; no time
    was looked at."""

    certificates: tuple[x509.Certificate, ...]
    key: PublicKey
    """The leaf's."""

    def check_time(self, demands: Demands) -> None:
        """Check every validity at the time that is demanded.

        Raises:
            AttestationError: ``not-yet-valid``, ``expired``.
        """
        for certificate in self.certificates:
            demands.check_window(*window(certificate), certificate.subject.rfc4514_string())


@lru_cache(maxsize=REMEMBERED_MAX)
def load(der: bytes) -> x509.Certificate:
    """One DER certificate, read to the end.

    Raises:
        AttestationError: ``certificate-form``.
    """
    split_certificate(der)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a verdict is an error or none
            certificate = x509.load_der_x509_certificate(der)
            _ = (
                certificate.issuer,
                certificate.subject,
                certificate.extensions,
                certificate.public_key(),
            )
            _ = (
                certificate.signature_algorithm_parameters,
                certificate.signature_hash_algorithm,
                window(certificate),
            )
    except PARSER_ERRORS as error:
        refuse(Reason.CERTIFICATE_FORM, f"not an X.509 certificate ({type(error).__name__})")
    demand(
        certificate.version is x509.Version.v3,
        Reason.CERTIFICATE_FORM,
        "not an X.509 v3 certificate",
    )
    return certificate


def window(certificate: x509.Certificate) -> tuple[int, int]:
    """First and last second of validity, Unix."""
    return int(certificate.not_valid_before_utc.timestamp()), int(
        certificate.not_valid_after_utc.timestamp()
    )


def key_digest(certificate: x509.Certificate) -> Digest:
    """SHA-256 of the SubjectPublicKeyInfo."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Digest(sha256(spki).digest())


def read_chain(ders: Sequence[bytes]) -> Chain:
    """Read a chain from leaf to a self-signed root and check every link.

    Raises:
        AttestationError: ``certificate-form``, ``algorithm``, ``certificate-chain``.
    """
    demand(
        2 <= len(ders) <= CHAIN_MAX,
        Reason.CERTIFICATE_CHAIN,
        f"expected 2..{CHAIN_MAX} certificates",
    )
    demand(
        all(type(der) is bytes for der in ders),
        Reason.CERTIFICATE_FORM,
        "a certificate is no byte string",
    )
    certificates = tuple(load(der) for der in ders)
    for certificate in certificates:
        _check_critical(certificate)
    for below, certificate in enumerate(certificates[1:]):
        _check_authority(certificate, below)
    for certificate, issuer in zip(
        certificates, (*certificates[1:], certificates[-1]), strict=True
    ):
        check_issued(certificate, issuer)
    leaf = certificates[0]
    demand(not _is_authority(leaf), Reason.CERTIFICATE_CHAIN, "the leaf is an authority")
    return Chain(certificates, _key(leaf))


def check_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Check name, algorithm and signature of one link.

    Raises:
        AttestationError: ``algorithm``, ``certificate-chain``.
    """
    _key(issuer)
    demand(
        isinstance(certificate.signature_hash_algorithm, _HASHES),
        Reason.ALGORITHM,
        "certificate: signed over a weak hash",
    )
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        refuse(
            Reason.CERTIFICATE_CHAIN,
            f"{certificate.subject.rfc4514_string()}: not issued by the next certificate",
        )


def _key(certificate: x509.Certificate) -> PublicKey:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS_MIN:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(
        key.curve, (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
    ):
        return key
    refuse(
        Reason.ALGORITHM,
        f"{certificate.subject.rfc4514_string()}: a key of a kind that is not allowed",
    )


def _check_critical(certificate: x509.Certificate) -> None:
    for extension in certificate.extensions:
        if extension.critical:
            known = extension.oid in _UNDERSTOOD
            demand(
                known, Reason.CERTIFICATE_FORM, f"critical extension {extension.oid.dotted_string}"
            )


def _is_authority(certificate: x509.Certificate) -> bool:
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.BasicConstraints):
            return extension.value.ca
    return False


def _check_authority(certificate: x509.Certificate, below: int) -> None:
    """Check that a certificate may issue, with this many authorities below it (RFC 5280
    §4.2.1.9)."""
    found = {extension.oid: extension.value for extension in certificate.extensions}
    constraints, usage = (
        found.get(ExtensionOID.BASIC_CONSTRAINTS),
        found.get(ExtensionOID.KEY_USAGE),
    )
    may = isinstance(constraints, x509.BasicConstraints) and constraints.ca
    may = may and isinstance(usage, x509.KeyUsage) and usage.key_cert_sign
    name = certificate.subject.rfc4514_string()
    demand(may, Reason.CERTIFICATE_CHAIN, f"{name}: may not issue certificates")
    limit = constraints.path_length if isinstance(constraints, x509.BasicConstraints) else None
    demand(
        limit is None or limit >= below,
        Reason.CERTIFICATE_CHAIN,
        f"{name}: too many authorities below it",
    )


def check_did(did: str, chain: Chain) -> None:
    """Check that a did:x509 of the form ``did:x509:0:sha256:FINGERPRINT::eku:OID`` describes this
    chain.

    Raises:
        AttestationError: ``issuer``, ``root-unknown``, ``extended-key-usage``.
    """
    parts = did.split(":")
    shaped = (
        len(parts) == 8
        and parts[:4] == ["did", "x509", "0", "sha256"]
        and parts[5:7] == ["", "eku"]
    )
    demand(shaped, Reason.ISSUER, f"{did!r} is not of the form did:x509:0:sha256:…::eku:…")
    fingerprints = {_fingerprint(certificate) for certificate in chain.certificates[1:]}
    demand(
        parts[4] in fingerprints,
        Reason.ROOT_UNKNOWN,
        "no authority of the chain has the pinned fingerprint",
    )
    uses = [
        value
        for value in (e.value for e in chain.certificates[0].extensions)
        if isinstance(value, x509.ExtendedKeyUsage)
    ]
    allowed = {oid.dotted_string for value in uses for oid in value}
    demand(parts[7] in allowed, Reason.EXTENDED_KEY_USAGE, f"the leaf's key is not for {parts[7]}")


def _fingerprint(certificate: x509.Certificate) -> str:
    digest = sha256(certificate.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
