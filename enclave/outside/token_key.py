"""Keys of custody `hsm`: the data key is made inside the customer's token, wrapped there, and
opened in one room (VAULT §2).

Owns what the token computes, byte by byte, and how a room asks for a key and opens it. The
custodian carries the wrapped key and cannot open it. Knows no HSM, ledger or lease. No core enclave
loads it: rooms and owners do.

    D = AES-CBC(K, key_input)                 CKM_AES_CBC_ENCRYPT_DATA, IV of zeros; K stays inside
    Z = x(e · P)                              CKM_ECDH1_DERIVE on P-256, CKD_NULL; P is the room's
    W = AES-CBC(Z, SHA-256(context ‖ E))      CKM_AES_CBC_ENCRYPT_DATA; E = e · G
    wrapped = AES-KWP(W, D)                   CKM_AES_KEY_WRAP_PAD (RFC 5649)
    answer = X-Wing, to the room's seal key, of E ‖ wrapped

D is the data key, or that of one piece: then the lease is in pieces, and D of the whole is never
given. The room's point is signed by its session key, which its evidence names.
"""

from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import SIGNATURE_SIZE, ChainId
from strongroom.enclave.outside.half_request import (
    REQUEST_BYTES_MAX,
    WHOLE,
    HalfRequest,
)
from strongroom.enclave.outside.split_key import KEY_PIECES_MAX, WRAPPED_SIZE, KeyName
from strongroom.enclave.primitives import (
    SECRET_SIZE,
    DoesNotOpen,
    HybridKey,
    Secret,
    SigningKey,
    hybrid_seal,
    verify,
)

POINT_SIZE = 65
"""An uncompressed point of P-256 (SEC 1 §2.3.3)."""
TOKEN_REQUEST_BYTES_MAX = REQUEST_BYTES_MAX + 512
_VERSION = 1
_ZERO_IV = bytes(16)
"""Of a cipher that is used as a function of inputs that are hashes: no two begin alike."""


def key_input(key: KeyName, piece: int = WHOLE) -> bytes:
    """What the token derives a data key from: 32 bytes, for this key, version and piece alone."""
    if not WHOLE <= piece <= KEY_PIECES_MAX:
        raise ValueError(f"a piece is from 0 to {KEY_PIECES_MAX}")
    return labels.labelled_digest(labels.TOKEN_KEY, codec.encode((key.encode(), piece)))


def key_id(key: KeyName) -> bytes:
    """CKA_ID of the key in the token, 16 bytes: one for each version."""
    return labels.labelled_digest(labels.TOKEN_KEY, key.encode())[:16]


def handover_context(
    key: KeyName, *, lease: bytes, nonce: bytes, piece: int, point: bytes
) -> bytes:
    """For whom, and for what, a token wraps a key: 32 bytes. Part of the wrapping key."""
    place = codec.encode((key.encode(), lease, nonce, piece, point))
    return labels.labelled_digest(labels.TOKEN_ANSWER, place)


def wrapping_input(context: bytes, token_point: bytes) -> bytes:
    """What the wrapping key is derived from, 32 bytes."""
    return sha256(context + token_point).digest()


def is_point(data: bytes) -> bool:
    """Is it a point of P-256, uncompressed?"""
    try:
        _point(data)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKeyRequest:
    """A room asks for a key that the token hands over: what it shows for a half, and a point."""

    shown: HalfRequest
    point: bytes
    """Of the room, made for this request alone."""
    signature: bytes
    """By the session key that the evidence names."""

    @classmethod
    def signed(
        cls, shown: HalfRequest, point: bytes, *, chain: ChainId, session: SigningKey
    ) -> "TokenKeyRequest":
        """Put it together in the room."""
        signature = session.sign(_signed(shown, point, chain))
        return cls(shown=shown, point=point, signature=signature)

    def is_by(self, session_key: bytes, chain: ChainId) -> bool:
        """Did the room of this session key sign for this point, challenge, lease and piece?"""
        return verify(session_key, self.signature, _signed(self.shown, self.point, chain))

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode((_VERSION, self.shown.encode(), self.point, self.signature))

    @classmethod
    def decode(cls, data: bytes) -> "TokenKeyRequest":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a request, or its point is none of P-256.
        """
        version, shown, point, signature = codec.fields(
            codec.decode(data, size_max=TOKEN_REQUEST_BYTES_MAX),
            *(int, bytes, bytes, bytes),
            name="request for a key",
        )
        if version != _VERSION:
            raise NotCanonical(f"a request of version {version}, this custodian reads {_VERSION}")
        if not is_point(point):
            raise NotCanonical("request for a key: the point is none of P-256, uncompressed")
        return cls(
            shown=HalfRequest.decode(shown),
            point=point,
            signature=codec.sized(signature, SIGNATURE_SIZE, name="signature"),
        )


class HandoverKey:
    """A P-256 key of one request, in the room. Has no repr of itself, and is not stored."""

    __slots__ = ("_key", "point")

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.point = self._key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )

    def open(self, token_point: bytes, wrapped: bytes, context: bytes) -> Secret:
        """The key that a token wrapped for this one.

        Raises:
            DoesNotOpen: for another room, key, lease, challenge or piece, or it was changed.
        """
        words = "what the token handed over does not open: it is for another room or request"
        if len(wrapped) != WRAPPED_SIZE:
            raise DoesNotOpen(words)
        try:
            shared = self._key.exchange(ec.ECDH(), _point(token_point))
            wrapping = cbc(shared, wrapping_input(context, token_point))
            data_key = aes_key_unwrap_with_padding(wrapping, wrapped)
        except (InvalidUnwrap, ValueError):
            raise DoesNotOpen(words) from None
        if len(data_key) != SECRET_SIZE:
            raise DoesNotOpen(words)
        return Secret(data_key)

    def __repr__(self) -> str:
        return "HandoverKey(…)"


def seal_token_key(
    seal_key: bytes, token_point: bytes, wrapped: bytes, context: bytes, chain: ChainId
) -> bytes:
    """The answer for one room: what the token wrapped, once more under X-Wing."""
    info = labels.bound(labels.TOKEN_ANSWER, chain, context)
    return hybrid_seal(seal_key, token_point + wrapped, info)


def open_token_key(
    own: HybridKey, handover: HandoverKey, sealed: bytes, *, context: bytes, chain: ChainId
) -> Secret:
    """The data key, or that of the piece, inside the room.

    Raises:
        DoesNotOpen: for another room, key, lease, challenge or piece, or it was changed.
    """
    opened = own.open(sealed, labels.bound(labels.TOKEN_ANSWER, chain, context))
    return handover.open(opened[:POINT_SIZE], opened[POINT_SIZE:], context)


def cbc(key: bytes, data: bytes) -> bytes:
    """CKM_AES_CBC_ENCRYPT_DATA with an IV of zeros: what the token computes."""
    encryptor = Cipher(algorithms.AES(key), modes.CBC(_ZERO_IV)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def _point(data: bytes) -> ec.EllipticCurvePublicKey:
    if len(data) != POINT_SIZE:
        raise ValueError("a point of another size")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)


def _signed(shown: HalfRequest, point: bytes, chain: ChainId) -> bytes:
    """What the session key signs: all that the request is about, but the evidence, which is over
    the same challenge."""
    about = (shown.nonce, shown.transaction, sha256(shown.claim).digest(), shown.piece, point)
    return labels.bound(labels.TOKEN_POINT, chain, codec.encode(about))
