"""How often one peer is answered, and how many bytes of the past it gets at once (T31).

Owns the bounds that ordering, sync and membership share; knows no message and no clock.
"""

from collections.abc import Hashable

PEERS_MAX = 1024
"""Peers whose next time is remembered; beyond this everybody's time has come."""
RANGE_BYTES_MAX = 16 * 1024 * 1024
"""Of old blocks or outcomes, in one answer."""
RANGE_BYTES_PER_SECOND = 64 * 1024 * 1024
"""To one peer: whoever asks for old blocks, outcomes or chunks faster than it could use them is not
answered, and asks again."""


class Pace:
    """When each peer may have its next answer; bounded."""

    def __init__(self) -> None:
        self._at: dict[Hashable, float] = {}

    def allows(self, peer: Hashable, now: float) -> bool:
        """Is it time?"""
        return now >= self._at.get(peer, float("-inf"))

    def wait(self, peer: Hashable, until: float) -> None:
        """Nothing before then."""
        if len(self._at) >= PEERS_MAX:
            self._at.clear()
        self._at[peer] = until

    def spend(self, peer: Hashable, now: float, seconds: float, *, saved: float) -> None:
        """An answer that is worth so many seconds; up to `saved` of them were put by."""
        self.wait(peer, max(self._at.get(peer, float("-inf")), now - saved) + seconds)
