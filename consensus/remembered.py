"""Each signature is looked at once by a process: what verified, and what it made itself, is
remembered.

Owns a bounded memory of triples (key, signature, message) that hold. A signature that does not
verify is never remembered, and one that differs in a bit is another one. Knows no key's meaning.
"""

from strongroom.consensus.errors import invariant
from strongroom.consensus.validators import Verify

REMEMBERED_MAX = 1024
"""Signatures; beyond this the oldest is forgotten, and verified again when it comes again."""

_Triple = tuple[bytes, bytes, bytes]


class RememberedSignatures:
    """A `Verify` that does the work for each (key, signature, message) once."""

    def __init__(self, verify: Verify, remembered_max: int = REMEMBERED_MAX) -> None:
        """Remember nothing yet.

        Args:
            verify: (public key, signature, message) → does it verify?
            remembered_max: how many are kept.
        """
        invariant(remembered_max > 0, "a memory for no signature")
        self._verify, self._max = verify, remembered_max
        self._held: dict[_Triple, None] = {}

    def __call__(self, key: bytes, signature: bytes, message: bytes) -> bool:
        """Does this signature verify?"""
        triple = (key, signature, message)
        if triple in self._held:
            return True
        if not self._verify(key, signature, message):
            return False
        self._remember(triple)
        return True

    def made(self, key: bytes, signature: bytes, message: bytes) -> None:
        """This process, or the enclave that it started, made this signature with this very key just
        now."""
        self._remember((key, signature, message))

    def __len__(self) -> int:
        return len(self._held)

    def _remember(self, triple: _Triple) -> None:
        held = self._held
        held[triple] = None
        if len(held) > self._max:
            del held[next(iter(held))]
