"""The manufacturer's certificates: root (ARK), intermediate (ASK), chip key (VCEK, or VLEK), and
what they vouch for.

Owns X.509 and the verification of RSA and P-384 signatures; with primitives.py and the simulated
manufacturers' issuing.py and tdx*.py the only importer of `cryptography` in this package. A root's
key decides the profile that everything below it must match: the roots of AMD are constants here, so
that no policy can call another root genuine (T26).

Sources: AMD publication 57230, "Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface
Specification" (extensions 1.3.6.1.4.1.3704.1.*); RFC 5280 (X.509); RFC 4055 (RSASSA-PSS).
"""

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID, NameOID, SignatureAlgorithmOID

from strongroom.consensus.types import Digest, Milliseconds
from strongroom.enclave.attestation.reasons import Reason, refuse
from strongroom.enclave.attestation.report import CHIP_ID_SIZE, Product, Report, SigningKey

CERTIFICATE_BYTES_MAX = 4096
CHAINS_MAX = 256
"""Verified chains remembered: a cluster has one per chip, and checks each many times."""
RSA_BITS = 4096
RSA_EXPONENT = 65537
PSS_SALT_SIZE = 48
_RSA_HEAD = bytes.fromhex("30820222300d06092a864886f70d01010105000382020f00")
_P384_HEAD = bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200")
"""What a SubjectPublicKeyInfo begins with, before the key: rsaEncryption with NULL (RFC 3279
§2.3.1), and P-384 by its name (RFC 5480 §2.1.1)."""
ORGANISATION = "Advanced Micro Devices"
SIMULATED_ORGANISATION = "SIMULATED manufacturer (no silicon)"

AMD_ROOTS = {
    Digest(
        bytes.fromhex("9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9")
    ): Product.MILAN,
    Digest(
        bytes.fromhex("429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831")
    ): Product.GENOA,
    Digest(
        bytes.fromhex("4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08")
    ): Product.TURIN,
}
"""SHA-256 of the SubjectPublicKeyInfo of AMD's roots; any other root is a simulated one."""

AMD_EXTENSIONS = "1.3.6.1.4.1.3704.1."
PRODUCT_NAME = AMD_EXTENSIONS + "2"
TCB_COMPONENT = AMD_EXTENSIONS + "3."
CHIP_ID = AMD_EXTENSIONS + "4"
_TCB_ORDER = (1, 2, 4, 5, 6, 7, 3, 8)
_TCB_ORDER_TURIN = (9, 1, 2, 3, 5, 6, 7, 8)
"""Which component (1 bootloader, 2 tee, 3 snp, 4-7 reserved, 8 microcode, 9 fmc) is which byte of a
TCB_VERSION."""
_UNIX_EPOCH, _SECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(seconds=1)
_CHIP_ID_SIZES = {Product.TURIN: 8}

PARSER_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""All that the parser raises on a certificate or a list of revoked ones; only some are
ValueErrors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndorsementChain:
    """Three certificates, each signed by the next, with the manufacturer's exact profile. Only
    `read_chain` makes it."""

    root: Digest
    """SHA-256 of the root's SubjectPublicKeyInfo: pinned, or worth nothing."""
    product: Product
    signing_key: SigningKey
    chip_id: bytes
    """64 bytes; zeros under a loaded key, which names no chip."""
    tcb: bytes
    """The TCB_VERSION that the chip key was derived for, 8 bytes."""
    key: ec.EllipticCurvePublicKey
    keys: frozenset[Digest]
    """SHA-256 of each certificate's SubjectPublicKeyInfo."""
    validities: tuple[tuple[Milliseconds, Milliseconds], ...]
    """First and last moment of each certificate, from chip key to root."""

    def check_time(self, time_ms: Milliseconds) -> None:
        """Check every validity at a given time.

        Raises:
            AttestationError: ``certificate-not-yet-valid``, ``certificate-expired``.
        """
        for (begin, end), name in zip(
            self.validities, ("chip key", "intermediate", "root"), strict=True
        ):
            if time_ms < begin:
                refuse(
                    Reason.CERTIFICATE_NOT_YET_VALID,
                    f"{name}: valid from {begin} ms, checked at {time_ms} ms",
                )
            if time_ms > end:
                refuse(
                    Reason.CERTIFICATE_EXPIRED,
                    f"{name}: valid until {end} ms, checked at {time_ms} ms",
                )

    def check_report(self, report: Report) -> None:
        """Check that this chain's key is the one that signed the report.

        Raises:
            AttestationError: ``chip-mismatch``, ``tcb-mismatch``, ``report-signature``, in this
                order.
        """
        if self.signing_key is SigningKey.CHIP and self.chip_id != report.chip_id:
            refuse(
                Reason.CHIP_MISMATCH,
                f"certificate of chip {self.chip_id.hex()[:16]}…, report of another",
            )
        if self.tcb != report.reported_tcb:
            refuse(
                Reason.TCB_MISMATCH,
                f"certificate for {self.tcb.hex()}, report of {report.reported_tcb.hex()}",
            )
        try:
            self.key.verify(
                encode_dss_signature(report.r, report.s), report.signed, ec.ECDSA(SHA384())
            )
        except (InvalidSignature, ValueError):
            refuse(Reason.REPORT_SIGNATURE, "the chip key did not sign this report")


@lru_cache(maxsize=CHAINS_MAX)
def read_chain(vek: bytes, ask: bytes, ark: bytes) -> EndorsementChain:
    """Read three DER certificates and check that each is signed by the next, under the profile of
    the root's key.

    Neither the root's pin nor time is checked here: see `EndorsementChain.root` and `check_time`.

    Raises:
        AttestationError: the ``certificate-…`` reasons but those of time, or ``product``.
    """
    root, intermediate, leaf = (
        _load(ark, "root"),
        _load(ask, "intermediate"),
        _load(vek, "chip key"),
    )
    for certificate, name in ((root, "root"), (intermediate, "intermediate")):
        _check_issuer_key(certificate, name)
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        refuse(Reason.CERTIFICATE_ALGORITHM, "chip key: not on P-384")
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    _check_key_form(leaf, _P384_HEAD + point, "chip key")
    product = AMD_ROOTS.get(_key_digest(root), Product.SIMULATED)
    signing_key = _check_names(product, root, intermediate, leaf)
    _check_usage(root, "root", path_length=None)
    _check_usage(intermediate, "intermediate", path_length=0)
    pairs = (
        (root, root, "root"),
        (intermediate, root, "intermediate"),
        (leaf, intermediate, "chip key"),
    )
    for certificate, issuer, name in pairs:
        if certificate.issuer != issuer.subject:
            refuse(
                Reason.CERTIFICATE_ISSUER,
                f"{name}: issued by another than {issuer.subject.rfc4514_string()}",
            )
        try:
            certificate.verify_directly_issued_by(issuer)
        except (InvalidSignature, ValueError, TypeError):
            refuse(Reason.CERTIFICATE_SIGNATURE, f"{name}: not signed by its issuer's key")
    chip_id, tcb = _read_extensions(leaf, product, signing_key)
    chain = (leaf, intermediate, root)
    return EndorsementChain(
        root=_key_digest(root),
        product=product,
        signing_key=signing_key,
        chip_id=chip_id,
        tcb=tcb,
        key=key,
        keys=frozenset(_key_digest(certificate) for certificate in chain),
        validities=tuple(
            (
                _milliseconds(certificate.not_valid_before_utc),
                _milliseconds(certificate.not_valid_after_utc),
            )
            for certificate in chain
        ),
    )


def prescribed_names(product: Product, signing_key: SigningKey) -> tuple[str, str, str]:
    """Common names of root, intermediate and leaf under a profile."""
    if product is Product.SIMULATED:
        return ("ARK-SIMULATED", "SEV-SIMULATED", "SEV-VCEK-SIMULATED")
    if signing_key is SigningKey.LOADED:
        return (f"ARK-{product}", f"SEV-VLEK-{product}", "SEV-VLEK")
    return (f"ARK-{product}", f"SEV-{product}", "SEV-VCEK")


def _load(der: bytes, name: str) -> x509.Certificate:
    """Load one certificate; its version, signature algorithm and parameters must be the
    manufacturer's."""
    if len(der) > CERTIFICATE_BYTES_MAX:
        refuse(
            Reason.CERTIFICATE_FORM,
            f"{name}: {len(der)} bytes, at most {CERTIFICATE_BYTES_MAX} are read",
        )
    try:
        certificate = _parse(der)
    except PARSER_ERRORS as error:
        refuse(Reason.CERTIFICATE_FORM, f"{name}: {type(error).__name__}")
    if (
        certificate.version is not x509.Version.v3
        or certificate.public_bytes(Encoding.DER) != der
        or _unused_bits(der, certificate)
    ):
        refuse(Reason.CERTIFICATE_FORM, f"{name}: not one DER encoding of an X.509 v3 certificate")
    scheme = certificate.signature_algorithm_parameters
    if (
        certificate.signature_algorithm_oid != SignatureAlgorithmOID.RSASSA_PSS
        or not isinstance(certificate.signature_hash_algorithm, SHA384)
        or not isinstance(scheme, padding.PSS)
        or not isinstance(scheme.mgf, padding.MGF1)
        or not isinstance(scheme.mgf._algorithm, SHA384)
        or scheme._salt_length != PSS_SALT_SIZE
    ):
        refuse(
            Reason.CERTIFICATE_ALGORITHM,
            f"{name}: not RSASSA-PSS with SHA-384, MGF1-SHA-384, salt {PSS_SALT_SIZE}",
        )
    return certificate


def _unused_bits(der: bytes, certificate: x509.Certificate) -> int:
    """How many bits its signature's BIT STRING calls unused, which the parser lets pass where they
    are zero: the octet before the signature, which ends the certificate (X.690 §8.6.2)."""
    return der[-len(certificate.signature) - 1]


def _parse(der: bytes) -> x509.Certificate:
    """Parse one certificate, and at once all of it that the library would parse, and refuse, only
    when it is read."""
    with warnings.catch_warnings():
        # A verdict is an error or none. AMD's chip key certificates have serial number 0, which the
        # parser deprecates.
        warnings.simplefilter("ignore")
        certificate = x509.load_der_x509_certificate(der)
        _ = (
            certificate.issuer,
            certificate.subject,
            certificate.extensions,
            certificate.public_key(),
        )
        _ = (certificate.signature_algorithm_parameters, certificate.signature_hash_algorithm)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    return certificate


def _check_issuer_key(certificate: x509.Certificate, name: str) -> None:
    key = certificate.public_key()
    if (
        not isinstance(key, rsa.RSAPublicKey)
        or key.key_size != RSA_BITS
        or key.public_numbers().e != RSA_EXPONENT
    ):
        refuse(
            Reason.CERTIFICATE_ALGORITHM,
            f"{name}: not an RSA key of {RSA_BITS} bits with exponent {RSA_EXPONENT}",
        )
    numbers = key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    _check_key_form(certificate, _RSA_HEAD + numbers, name)


def _check_key_form(certificate: x509.Certificate, expected: bytes, name: str) -> None:
    """Check that a key is written as manufacturers write it. The parser takes other forms of the
    same key (an algorithm that limits it to PSS, a curve by its parameters, another encoding of a
    point), so that one key would have several certificates, and verifiers would differ."""
    tbs = certificate.tbs_certificate_bytes
    at = _content(tbs, 0)[0]
    for _ in ("version", "serial number", "signature", "issuer", "validity", "subject"):
        at = _content(tbs, at)[1]
    if tbs[at : _content(tbs, at)[1]] != expected:
        refuse(Reason.CERTIFICATE_ALGORITHM, f"{name}: its key is in another form than prescribed")


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at this place begins and ends; the parser has checked its
    length."""
    size, begin = der[at + 1], at + 2
    if size >= 0x80:
        size, begin = int.from_bytes(der[begin : begin + size - 0x80], "big"), begin + size - 0x80
    return begin, begin + size


def _check_names(
    product: Product, root: x509.Certificate, intermediate: x509.Certificate, leaf: x509.Certificate
) -> SigningKey:
    """Check organisation and common names; the leaf's says which kind of key signs the reports."""
    organisation = SIMULATED_ORGANISATION if product is Product.SIMULATED else ORGANISATION
    loaded = _name(leaf, NameOID.COMMON_NAME) == prescribed_names(product, SigningKey.LOADED)[2]
    signing_key = (
        SigningKey.LOADED if loaded and product is not Product.SIMULATED else SigningKey.CHIP
    )
    expected = prescribed_names(product, signing_key)
    for certificate, common_name in zip((root, intermediate, leaf), expected, strict=True):
        own = (
            _name(certificate, NameOID.ORGANIZATION_NAME),
            _name(certificate, NameOID.COMMON_NAME),
        )
        if own != (organisation, common_name):
            refuse(Reason.CERTIFICATE_NAME, f"{own}, expected {(organisation, common_name)}")
    return signing_key


def _name(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if len(found) == 1 else ""


def _check_usage(certificate: x509.Certificate, name: str, *, path_length: int | None) -> None:
    """Check that a certificate is one of an authority, of this path length, that may sign
    certificates."""
    extensions = _extensions(certificate, name)
    constraints = extensions.get(ExtensionOID.BASIC_CONSTRAINTS.dotted_string)
    usage = extensions.get(ExtensionOID.KEY_USAGE.dotted_string)
    if not isinstance(constraints, x509.BasicConstraints) or not isinstance(usage, x509.KeyUsage):
        refuse(Reason.CERTIFICATE_EXTENSION, f"{name}: no basic constraints or no key usage")
    if not constraints.ca or constraints.path_length != path_length or not usage.key_cert_sign:
        refuse(
            Reason.CERTIFICATE_EXTENSION,
            f"{name}: may not sign certificates, or over another path length",
        )


def _extensions(certificate: x509.Certificate, name: str) -> dict[str, x509.ExtensionType]:
    """Extensions by OID; one that is critical and unknown is refused (RFC 5280 §4.2)."""
    found = {}
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in (
            ExtensionOID.BASIC_CONSTRAINTS,
            ExtensionOID.KEY_USAGE,
        ):
            refuse(
                Reason.CERTIFICATE_EXTENSION,
                f"{name}: critical extension {extension.oid.dotted_string}",
            )
        if isinstance(extension.value, x509.CRLDistributionPoints):
            _check_points(extension.value, name)
        found[extension.oid.dotted_string] = extension.value
    return found


def _check_points(points: x509.CRLDistributionPoints, name: str) -> None:
    """Check that addresses of lists are ASCII (IA5String, RFC 5280 §4.2.1.6): the parser takes any
    UTF-8."""
    for point in points:
        for one in (*(point.full_name or ()), *(point.crl_issuer or ())):
            if isinstance(one, x509.UniformResourceIdentifier) and not one.value.isascii():
                refuse(Reason.CERTIFICATE_EXTENSION, f"{name}: a revocation point is no ASCII")


def _read_extensions(
    leaf: x509.Certificate, product: Product, signing_key: SigningKey
) -> tuple[bytes, bytes]:
    """Chip id (64 bytes) and TCB_VERSION (8 bytes) of a chip key's certificate."""
    extensions = _extensions(leaf, "chip key")
    constraints = extensions.get(ExtensionOID.BASIC_CONSTRAINTS.dotted_string)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        refuse(Reason.CERTIFICATE_EXTENSION, "chip key: is an authority")
    raw = {
        oid: value.value
        for oid, value in extensions.items()
        if isinstance(value, x509.UnrecognizedExtension)
    }
    named = raw.get(PRODUCT_NAME, b"")
    if len(named) < 2 or named[0] != 0x16 or named[1] != len(named) - 2:
        refuse(Reason.CERTIFICATE_EXTENSION, "chip key: no product name")
    if named[2:].split(b"-")[0] != product.encode():
        refuse(Reason.PRODUCT, f"chip key of product {named[2:]!r} under the root of {product}")
    order = _TCB_ORDER_TURIN if product is Product.TURIN else _TCB_ORDER
    tcb = bytes(_small_integer(raw.get(f"{TCB_COMPONENT}{component}", b"")) for component in order)
    if signing_key is SigningKey.LOADED:
        return bytes(CHIP_ID_SIZE), tcb
    chip_id = raw.get(CHIP_ID, b"")
    if len(chip_id) != _CHIP_ID_SIZES.get(product, CHIP_ID_SIZE):
        refuse(Reason.CERTIFICATE_EXTENSION, f"chip key: chip id of {len(chip_id)} bytes")
    return chip_id.ljust(CHIP_ID_SIZE, b"\x00"), tcb


def _small_integer(der: bytes) -> int:
    """The DER INTEGER 0..255 that these bytes are."""
    if len(der) == 3 and der[:2] == b"\x02\x01" and der[2] < 0x80:
        return der[2]
    if len(der) == 4 and der[:3] == b"\x02\x02\x00" and der[3] >= 0x80:
        return der[3]
    refuse(
        Reason.CERTIFICATE_EXTENSION, "chip key: a TCB component is missing or no integer in 0..255"
    )


def _key_digest(certificate: x509.Certificate) -> Digest:
    key = certificate.public_key()
    return Digest(
        sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    )


def _milliseconds(moment: datetime) -> Milliseconds:
    return Milliseconds((moment - _UNIX_EPOCH) // _SECOND * 1000)
