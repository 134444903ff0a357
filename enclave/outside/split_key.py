"""Split keys: the data key opens only with both halves, the ledger's and the customer's (VAULT §2).

Owns which key is meant (`KeyName`), what the customer's HSM is asked over (`half_input`), and how
K is wrapped under both halves. It knows no HSM, ledger, lease or file. No core enclave loads it:
rooms and owners do.

K = AES-KWP-unwrap(HKDF-SHA256(L ‖ C), wrapped), AES-KWP of RFC 5649, HKDF of RFC 5869. Where a key
is given in pieces, piece i opens with HKDF-SHA256(K_i ‖ C_i): a half of its own for each.
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from strongroom.consensus import codec, labels
from strongroom.consensus.types import DIGEST_SIZE, ChainId
from strongroom.enclave.primitives import SECRET_SIZE, DoesNotOpen, Secret

WRAPPED_SIZE = SECRET_SIZE + 8
"""Bytes of a wrapped data key: AES-KWP adds one block of 8 to 32 bytes."""
KEY_VERSIONS_MAX = 2**32 - 1
KEY_PIECES_MAX = 2**32 - 1
KEY_NAME_BYTES_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyName:
    """One version of one key of one service."""

    chain: ChainId
    owner: bytes
    """The owner's identity, 32 bytes."""
    name: str
    version: int
    """From 1 on."""

    def __post_init__(self) -> None:
        codec.sized(self.chain, DIGEST_SIZE, name="chain")
        codec.sized(self.owner, DIGEST_SIZE, name="owner")
        if not 0 < len(self.name.encode()) <= KEY_NAME_BYTES_MAX:
            raise ValueError(f"a key's name has 1 to {KEY_NAME_BYTES_MAX} bytes")
        if not 0 < self.version <= KEY_VERSIONS_MAX:
            raise ValueError(f"a key's version is from 1 to {KEY_VERSIONS_MAX}")

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode((self.chain, self.owner, self.name, self.version))

    def __str__(self) -> str:
        return f"id:{self.owner.hex()}/{self.name}@{self.version}"


def half_input(key: KeyName, piece: int | None = None) -> bytes:
    """What the customer's half is a keyed function of: (chain, key, version[, piece]).

    Args:
        key: which key.
        piece: of a key that is given in pieces; None for the whole.
    """
    if piece is not None and not 0 <= piece <= KEY_PIECES_MAX:
        raise ValueError(f"a piece is from 0 to {KEY_PIECES_MAX}")
    return labels.CUSTODIAN_HALF + b"\x00" + codec.encode((key.encode(), piece))


def wrap(data_key: Secret, key: KeyName, *, ledger: Secret, customer: Secret) -> bytes:
    """Wrap K under both halves: WRAPPED_SIZE bytes, to be stored anywhere."""
    return aes_key_wrap_with_padding(_wrapping(key, ledger, customer), data_key.reveal())


def unwrap(wrapped: bytes, key: KeyName, *, ledger: Secret, customer: Secret) -> Secret:
    """K again.

    Raises:
        DoesNotOpen: a half is of another key or version, or the wrapped key was changed.
    """
    words = (
        f"the wrapped key of {key} does not open with these two halves: one is of another key or "
        "version, the HSM's key was changed, or the wrapped key was"
    )
    if len(wrapped) != WRAPPED_SIZE:
        raise DoesNotOpen(words)
    try:
        data_key = aes_key_unwrap_with_padding(_wrapping(key, ledger, customer), wrapped)
    except (InvalidUnwrap, ValueError):
        raise DoesNotOpen(words) from None
    if len(data_key) != SECRET_SIZE:
        raise DoesNotOpen(words)
    return Secret(data_key)


def piece_under_half(piece_key: Secret, key: KeyName, piece: int, customer: Secret) -> Secret:
    """Key of one piece of a split key that is given in pieces: HKDF(K_i ‖ C_i), so that K alone
    opens none."""
    info = labels.SPLIT_PIECE + b"\x00" + codec.encode((key.encode(), piece))
    hkdf = HKDF(algorithm=SHA256(), length=SECRET_SIZE, salt=None, info=info)
    return Secret(hkdf.derive(piece_key.reveal() + customer.reveal()))


def _wrapping(key: KeyName, ledger: Secret, customer: Secret) -> bytes:
    """The key's name is part of the derivation: what was wrapped as one key opens as no other."""
    info = labels.SPLIT_KEY + b"\x00" + key.encode()
    hkdf = HKDF(algorithm=SHA256(), length=SECRET_SIZE, salt=None, info=info)
    return hkdf.derive(ledger.reveal() + customer.reveal())
