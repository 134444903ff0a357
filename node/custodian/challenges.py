"""Nonces that a room's evidence must answer: fresh, ours, and each good once.

Owns their form. A challenge says itself when it was made, under a key of this process, so that
whoever asks for many takes nobody's place; only those that a room's evidence answered are
remembered, until they are too old anyway. What proves nothing fills no memory, and uses up no
challenge of another.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hmac import compare_digest
from hmac import digest as hmac_digest

from strongroom.consensus.types import NONCE_SIZE
from strongroom.enclave.primitives import random_bytes
from strongroom.node.custodian.errors import HalfRefused

CHALLENGE_SECONDS = 60.0
ANSWERED_MAX = 4096
"""Challenges that are remembered as answered; the next is refused."""
_HALF = NONCE_SIZE // 2


class Challenges:
    """Those of one process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._key = clock, random_bytes(32)
        self._answered: OrderedDict[bytes, float] = OrderedDict()
        """Answered ones, and when they are too old."""
        self._under_way: set[bytes] = set()
        """Of requests that are being judged: as many as the releaser judges at once."""

    def fresh(self) -> bytes:
        """Milliseconds (8 bytes), random (8), and a tag over both (16)."""
        made = int(self._clock() * 1000).to_bytes(8, "big") + random_bytes(_HALF - 8)
        return made + self._tag(made)

    @contextmanager
    def under_way(self, nonce: bytes) -> Iterator[None]:
        """While one request over it is judged, no other is.

        Raises:
            HalfRefused: it is not ours, too old, was answered, or is being judged.
        """
        now = self._clock()
        until = int.from_bytes(nonce[:8], "big") / 1000 + CHALLENGE_SECONDS
        ours = compare_digest(self._tag(nonce[:_HALF]), nonce[_HALF:])
        while self._answered and next(iter(self._answered.values())) < now:
            self._answered.popitem(last=False)
        if not ours or until < now or nonce in self._answered or nonce in self._under_way:
            raise HalfRefused(
                "form",
                "the challenge is not ours, too old, or was answered already: ask for another",
            )
        self._under_way.add(nonce)
        try:
            yield
        finally:
            self._under_way.discard(nonce)

    def answer(self, nonce: bytes) -> None:
        """Use one up: evidence over it holds.

        Raises:
            HalfRefused: too many were in this minute.
        """
        if len(self._answered) >= ANSWERED_MAX:
            raise HalfRefused("busy", f"{ANSWERED_MAX} requests in a minute: ask again later")
        self._answered[nonce] = self._clock() + CHALLENGE_SECONDS

    def _tag(self, made: bytes) -> bytes:
        return hmac_digest(self._key, made, "sha256")[:_HALF]
