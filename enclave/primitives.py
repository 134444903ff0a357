"""Cryptographic recipes; with the attestation certificates, the only importer of primitives in this
package.

Owns the choice of algorithm, mode, nonce and key form. Callers pass purposes and sequence numbers,
never a nonce, curve or mode, and no key here has a repr that shows it.

Ed25519 (RFC 8032), HKDF-SHA256 (RFC 5869), AES-256-GCM (NIST SP 800-38D), AES-256-GCM-SIV (RFC
8452), HPKE base mode (RFC 9180) with KEM MLKEM768-X25519 (X-Wing, draft-connolly-cfrg-xwing-kem),
HKDF-SHA256, AES-256-GCM; the same with DHKEM(P-256) for keys that lie in a token.
"""

import os
from functools import lru_cache
from hashlib import sha256, shake_256

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.consensus.types import Digest, PublicKey, Signature

SECRET_SIZE = 32
TAG_SIZE = 16
HYBRID_PUBLIC_SIZE = 1184 + 32
"""ML-KEM-768 encapsulation key (FIPS 203), then the X25519 public key (RFC 7748)."""
HYBRID_OVERHEAD = 1088 + 32 + TAG_SIZE
"""What `hybrid_seal` adds: both encapsulations and the tag."""
_VERIFY_CACHE_MAX = 4096
_HYBRID_CACHE_MAX = 1024
_LATTICE_SIZE = 1184
"""Of a hybrid key's 1216 bytes the ML-KEM-768 encapsulation key: 3·256 coefficients of 12 bits,
then a seed of 32."""
_COEFFICIENT_BYTES = 3 * 256 * 12 // 8
_LATTICE_MODULUS = 3329
_CURVE_PRIME = 2**255 - 19
_LOW_ORDER = frozenset(
    {
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _CURVE_PRIME - 1,
    }
)
"""Coordinates of Curve25519 with which every private key comes to zero (RFC 7748 §6.1,
https://cr.yp.to/ecdh.html)."""
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_CURVE_SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
CURVE_POINT_SIZE = 65
"""A point of P-256, uncompressed (SEC 1 §2.3.3)."""
CURVE_OVERHEAD = CURVE_POINT_SIZE + TAG_SIZE
"""What `curve_seal` adds."""
_P256_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
"""y² = x³ - 3x + b (FIPS 186-4, D.1.2.3). The group's order is a prime: no point is of a low
one."""


class DoesNotOpen(ClientFault):
    """A sealed message was not made for this key and context, or was changed."""


class Secret:
    """32 secret bytes that do not print themselves."""

    __slots__ = ("_bytes",)

    def __init__(self, data: bytes | memoryview) -> None:
        if len(data) != SECRET_SIZE:
            raise ValueError(f"a secret has {SECRET_SIZE} bytes")
        self._bytes = data

    @classmethod
    def fresh(cls) -> "Secret":
        """32 bytes of the operating system's randomness."""
        return cls(os.urandom(SECRET_SIZE))

    def reveal(self) -> bytes:
        """The bytes themselves; every caller is a place to review."""
        return bytes(self._bytes)

    def derive(self, label: bytes, context: bytes = b"") -> "Secret":
        """HKDF-SHA256 with `label ‖ 0 ‖ context` as info."""
        info = label + b"\x00" + context
        return Secret(
            HKDF(algorithm=SHA256(), length=SECRET_SIZE, salt=None, info=info).derive(self._bytes)
        )

    def __repr__(self) -> str:
        return "Secret(…)"


def random_bytes(size: int) -> bytes:
    """Randomness of the operating system: for nonces, salts and queries' blinding, never for
    consensus state."""
    return os.urandom(size)


class SigningKey:
    """Ed25519 private key."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: Secret) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed.reveal())
        self.public = PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> Signature:
        """Sign bytes that begin with a purpose label (see labels.bound). Deterministic."""
        return Signature(self._key.sign(message))

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"


@lru_cache(maxsize=_VERIFY_CACHE_MAX)
def _load(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Does this Ed25519 signature verify? Malformed keys and signatures do not."""
    try:
        _load(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class HybridKey:
    """X-Wing private key (ML-KEM-768 and X25519) made from a 32-byte seed, as in
    draft-connolly-cfrg-xwing-kem §5.2."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: Secret) -> None:
        expanded = shake_256(seed.reveal()).digest(96)
        lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        curve = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._key = MLKEM768X25519PrivateKey(lattice, curve)
        self.public = (
            lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        )

    def open(self, message: bytes, info: bytes) -> bytes:
        """Open what `hybrid_seal` sealed under the same info.

        Raises:
            DoesNotOpen: another key, another info, or changed bytes.
        """
        try:
            return _SUITE.decrypt(message, self._key, info)
        except (InvalidTag, ValueError):
            raise DoesNotOpen("hybrid message does not open") from None

    def __repr__(self) -> str:
        return f"HybridKey(public={sha256(self.public).hexdigest()})"


@lru_cache(maxsize=_HYBRID_CACHE_MAX)
def check_hybrid(public: bytes) -> None:
    """Check that something can be sealed to a hybrid public key, by these bytes alone: no library's
    word is asked.

    Every replica must come to one answer, whatever it was built with: ML-KEM's modulus check (FIPS
    203 §7.2), and that the X25519 point is of large order, for with one of low order an exchange
    comes to nothing and is refused (RFC 7748 §6.1). 60 µs, once per key.

    Raises:
        NotCanonical: of another size, a coefficient out of range, or a point of low order.
    """
    if len(public) != HYBRID_PUBLIC_SIZE:
        raise NotCanonical(f"a hybrid public key has {HYBRID_PUBLIC_SIZE} bytes, got {len(public)}")
    for at in range(0, _COEFFICIENT_BYTES, 3):
        low, middle, high = public[at : at + 3]
        if (
            low | (middle & 15) << 8 >= _LATTICE_MODULUS
            or middle >> 4 | high << 4 >= _LATTICE_MODULUS
        ):
            raise NotCanonical("not a hybrid public key: a coefficient is out of range")
    coordinate = int.from_bytes(public[_LATTICE_SIZE:], "little") & (1 << 255) - 1
    if coordinate % _CURVE_PRIME in _LOW_ORDER:
        raise NotCanonical("not a hybrid public key: a point of low order")


def hybrid_seal(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Seal to a hybrid public key (HYBRID_PUBLIC_SIZE bytes); adds HYBRID_OVERHEAD bytes.

    Raises:
        DoesNotOpen: nothing can be sealed to this key (see `check_hybrid`).
    """
    try:
        check_hybrid(public)
        lattice = MLKEM768PublicKey.from_public_bytes(public[:_LATTICE_SIZE])
        curve = X25519PublicKey.from_public_bytes(public[_LATTICE_SIZE:])
        return bytes(_SUITE.encrypt(plaintext, MLKEM768X25519PublicKey(lattice, curve), info))
    except (NotCanonical, ValueError):
        raise DoesNotOpen("nothing can be sealed to this hybrid public key") from None


def check_point(point: bytes) -> None:
    """Check that something can be sealed to a point of P-256, by these bytes alone: every replica
    comes to one answer.

    Raises:
        NotCanonical: of another size or form, or not on the curve.
    """
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    if (
        len(point) != CURVE_POINT_SIZE
        or point[0] != 4
        or max(x, y) >= _P256_PRIME
        or (y * y - (x * x * x - 3 * x + _P256_B)) % _P256_PRIME
    ):
        raise NotCanonical("not a point of P-256, uncompressed")


def curve_seal(point: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Seal to a P-256 key, for instance of a token; adds CURVE_OVERHEAD bytes. By itself it holds
    nothing against a quantum computer: put it inside `hybrid_seal` (P11).

    Raises:
        DoesNotOpen: nothing can be sealed to this point.
    """
    try:
        check_point(point)
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        return bytes(_CURVE_SUITE.encrypt(plaintext, key, info))
    except (NotCanonical, ValueError):
        raise DoesNotOpen("nothing can be sealed to this point") from None


class SequenceBox:
    """AES-256-GCM under a key that its one writer uses with strictly increasing sequence numbers
    (nonce = sequence)."""

    __slots__ = ("_key",)

    def __init__(self, key: Secret) -> None:
        self._key = AESGCM(key.reveal())

    def seal(self, sequence: int, plaintext: bytes, aad: bytes) -> bytes:
        """Ciphertext and 16-byte tag; the caller never repeats a sequence number."""
        return self._key.encrypt(sequence.to_bytes(12, "big"), plaintext, aad)

    def open(self, sequence: int, box: bytes, aad: bytes) -> bytes:
        """Open a box.

        Raises:
            DoesNotOpen: another key, sequence or AAD, or changed bytes.
        """
        try:
            return self._key.decrypt(sequence.to_bytes(12, "big"), box, aad)
        except (InvalidTag, ValueError):
            raise DoesNotOpen("box does not open") from None

    def __repr__(self) -> str:
        return "SequenceBox(…)"


class DeterministicBox:
    """AES-256-GCM-SIV: the same plaintext at the same place gives the same bytes on every replica,
    and no more."""

    __slots__ = ("_key",)

    def __init__(self, key: Secret) -> None:
        self._key = AESGCMSIV(key.reveal())

    def seal(self, place: int, plaintext: bytes, aad: bytes) -> bytes:
        """Ciphertext and 16-byte tag; `place` (a 96-bit number: a sequence, or height·2^32 + index)
        is the nonce."""
        return self._key.encrypt(place.to_bytes(12, "big"), plaintext, aad)

    def open(self, place: int, box: bytes, aad: bytes) -> bytes:
        """Open a box.

        Raises:
            DoesNotOpen: another key, place or AAD, or changed bytes.
        """
        try:
            return self._key.decrypt(place.to_bytes(12, "big"), box, aad)
        except (InvalidTag, ValueError):
            raise DoesNotOpen("box does not open") from None

    def __repr__(self) -> str:
        return "DeterministicBox(…)"


def place_of(height: int, index: int) -> int:
    """The nonce number of the index-th box of a height (DESIGN §4: nonce from height and index)."""
    return (height << 32) | index


def digest(data: bytes) -> Digest:
    """SHA-256."""
    return Digest(sha256(data).digest())
