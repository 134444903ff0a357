"""Public keys and signatures of tokens and messages: which algorithm fits which key, and nothing in
between.

Owns the calls of `cryptography` that verify a signature of JOSE (RFC 7518, RFC 8037) or COSE
(RFC 9053, RFC 8230); the names of both lead to the same few schemes.
"""

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from strongroom.enclave.tokens.reasons import Reason, demand, refuse

RSA_BITS_MIN = 2048
RSA_BITS_MAX = 8192

_FIELD = 2**255 - 19
_SMALL_ORDER = frozenset(
    (
        0,
        1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        _FIELD - 1,
        _FIELD,
        _FIELD + 1,
    )
)
"""y of the points of Ed25519 that 8 takes to nothing, in all their encodings: under such a key what
anybody signs verifies, one message of eight or more."""

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Scheme:
    """One signature algorithm."""

    name: str
    hash: HashAlgorithm
    curve: type[ec.EllipticCurve] | None = None
    """Of ECDSA; the signature is r ‖ s, each as long as the curve's field."""
    pss: bool = False
    """RSASSA-PSS with MGF1 of the same hash and a salt as long as it; else PKCS #1 v1.5."""
    edwards: bool = False
    """Ed25519 (RFC 8032), which hashes by itself."""


ES256 = Scheme("ES256", SHA256(), ec.SECP256R1)
ES384 = Scheme("ES384", SHA384(), ec.SECP384R1)
ES512 = Scheme("ES512", SHA512(), ec.SECP521R1)
PS256 = Scheme("PS256", SHA256(), pss=True)
PS384 = Scheme("PS384", SHA384(), pss=True)
PS512 = Scheme("PS512", SHA512(), pss=True)
RS256 = Scheme("RS256", SHA256())
EDDSA = Scheme("EdDSA", SHA512(), edwards=True)
ED25519 = Scheme("Ed25519", SHA512(), edwards=True)
"""The same under the name that RFC 9864 gives it."""


def verify(scheme: Scheme, key: PublicKey, signature: bytes, message: bytes) -> None:
    """Check a signature of COSE or JOSE.

    Raises:
        AttestationError: ``algorithm`` when the key is of another kind, ``signature``.
    """
    try:
        if scheme.curve is not None:
            _verify_ecdsa(scheme, scheme.curve, key, signature, message)
        elif scheme.edwards:
            _verify_edwards(scheme, key, signature, message)
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


def _verify_edwards(scheme: Scheme, key: PublicKey, signature: bytes, message: bytes) -> None:
    if not isinstance(key, Ed25519PublicKey):
        refuse(Reason.ALGORITHM, f"{scheme.name} does not fit the key")
    key.verify(signature, message)


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


def edwards_key(point: bytes) -> Ed25519PublicKey:
    """An Ed25519 key of 32 bytes.

    Raises:
        AttestationError: ``malformed``, also for a point by which everybody signs.
    """
    y = int.from_bytes(point, "little") & ((1 << 255) - 1)
    demand(y not in _SMALL_ORDER, Reason.MALFORMED, "the key is a point by which everybody signs")
    try:
        return Ed25519PublicKey.from_public_bytes(point)
    except ValueError:
        refuse(Reason.MALFORMED, "the key is no Ed25519 key of 32 bytes")


def rsa_key(modulus: bytes, exponent: bytes) -> rsa.RSAPublicKey:
    """An RSA key from modulus and exponent, big-endian.

    Raises:
        AttestationError: ``malformed``.
    """
    try:
        return rsa.RSAPublicNumbers(
            int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")
        ).public_key()
    except ValueError:
        refuse(Reason.MALFORMED, "the key is no RSA key")
