"""Signatures of a simulated cluster: cheap, bound to signer and message, and not to be forged
without the secret.

Owns secrets by public key. One suite swaps in a keyring of the same shape over Ed25519
(test_real_signatures.py).
"""

from hashlib import blake2b, sha256
from typing import Protocol

from strongroom.consensus.types import PublicKey, Signature


class SigningKey(Protocol):
    """Signs for one public key."""

    @property
    def public(self) -> PublicKey: ...

    def sign(self, message: bytes) -> Signature: ...


class Keyring(Protocol):
    """Makes keys from seeds and verifies signatures."""

    def make(self, seed: bytes) -> SigningKey: ...

    def verify(self, public: bytes, signature: bytes, message: bytes) -> bool: ...


class FakeKey:
    """A keyed hash in the place of a signature."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.public = PublicKey(sha256(b"public" + secret).digest())

    def sign(self, message: bytes) -> Signature:
        return Signature(blake2b(message, key=self._secret, digest_size=64).digest())


class FakeKeyring:
    """Knows every secret, for verification alone; an actor is given only its own key."""

    def __init__(self) -> None:
        self._keys: dict[bytes, FakeKey] = {}
        self.verifications = 0

    def make(self, seed: bytes) -> FakeKey:
        key = FakeKey(sha256(seed).digest())
        self._keys[key.public] = key
        return key

    def verify(self, public: bytes, signature: bytes, message: bytes) -> bool:
        self.verifications += 1
        key = self._keys.get(public)
        return key is not None and key.sign(message) == signature
