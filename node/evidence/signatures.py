"""Public keys and signatures: which algorithm fits which key, and nothing in between.

Owns the only calls of `cryptography` that verify a signature in this package. The names of
algorithms are those of the COSE registry (RFC 9053, RFC 8230) and of JOSE (RFC 7518); both lead to
the same few schemes.
"""

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from strongroom.node.evidence.reasons import Reason, demand, refuse

RSA_BITS_MIN = 2048
RSA_BITS_MAX = 8192

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class Scheme:
    """One signature algorithm."""

    name: str
    hash: HashAlgorithm
    curve: type[ec.EllipticCurve] | None = None
    """Of ECDSA; the signature is r ‖ s, each as long as the curve's field."""
    pss: bool = False
    """RSASSA-PSS with MGF1 of the same hash and a salt as long as it; else PKCS #1 v1.5."""


ES256 = Scheme("ES256", SHA256(), ec.SECP256R1)
ES384 = Scheme("ES384", SHA384(), ec.SECP384R1)
ES512 = Scheme("ES512", SHA512(), ec.SECP521R1)
PS256 = Scheme("PS256", SHA256(), pss=True)
PS384 = Scheme("PS384", SHA384(), pss=True)
PS512 = Scheme("PS512", SHA512(), pss=True)
RS256 = Scheme("RS256", SHA256())


def verify(scheme: Scheme, key: PublicKey, signature: bytes, message: bytes) -> None:
    """Check a signature of COSE or JOSE.

    Raises:
        AttestationError: ``algorithm`` when the key is of another kind, ``signature``.
    """
    try:
        if scheme.curve is not None:
            _verify_ecdsa(scheme, scheme.curve, key, signature, message)
        else:
            _verify_rsa(scheme, key, signature, message)
    except (InvalidSignature, ValueError):
        refuse(Reason.SIGNATURE, f"{scheme.name}: does not verify")


def _verify_ecdsa(
    scheme: Scheme, curve: type[ec.EllipticCurve], key: PublicKey, signature: bytes, message: bytes
) -> None:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, curve):
        refuse(Reason.ALGORITHM, f"{scheme.name} does not fit the key")
    size = (key.key_size + 7) // 8
    demand(
        len(signature) == 2 * size,
        Reason.SIGNATURE,
        f"{scheme.name}: {len(signature)} bytes, expected {2 * size}",
    )
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(scheme.hash))


def _verify_rsa(scheme: Scheme, key: PublicKey, signature: bytes, message: bytes) -> None:
    if not isinstance(key, rsa.RSAPublicKey) or not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        refuse(Reason.ALGORITHM, f"{scheme.name} does not fit the key")
    demand(
        len(signature) == (key.key_size + 7) // 8,
        Reason.SIGNATURE,
        f"{scheme.name}: not as long as the key",
    )
    if scheme.pss:
        salted = padding.PSS(mgf=padding.MGF1(scheme.hash), salt_length=scheme.hash.digest_size)
        key.verify(signature, message, salted, scheme.hash)
    else:
        key.verify(signature, message, padding.PKCS1v15(), scheme.hash)


def load_public_key(spki: bytes) -> PublicKey:
    """Read a DER SubjectPublicKeyInfo of an RSA or a NIST curve's key.

    Raises:
        AttestationError: ``algorithm``.
    """
    try:
        key = load_der_public_key(spki)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        refuse(Reason.ALGORITHM, "the public key is not one that is read here")
    if not isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
        refuse(Reason.ALGORITHM, "the public key is neither RSA nor elliptic")
    return key


def elliptic_key(curve: type[ec.EllipticCurve], x: bytes, y: bytes) -> ec.EllipticCurvePublicKey:
    """A point on a curve, from its coordinates, each as long as the curve's field.

    Raises:
        AttestationError: ``malformed``.
    """
    size = (curve().key_size + 7) // 8
    demand(
        len(x) == len(y) == size,
        Reason.MALFORMED,
        f"coordinates of {len(x)} and {len(y)} bytes, expected {size}",
    )
    try:
        numbers = ec.EllipticCurvePublicNumbers(
            int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve()
        )
        return numbers.public_key()
    except ValueError:
        refuse(Reason.MALFORMED, "the key is no point of its curve")
