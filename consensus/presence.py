"""Who is there: when each member was last heard, and so whether a leader is dead while a quorum lives (R11).

Owns times in monotonic seconds. Anything that came over a member's authenticated link counts.
"""

from strongroom.consensus.types import SignerIndex


class Presence:
    """Last signs of life, as seen by one replica."""

    def __init__(self, members: int, own: SignerIndex | None, quorum: int) -> None:
        self._own, self._quorum = own, quorum
        self._heard = [0.0] * members

    def __len__(self) -> int:
        return len(self._heard)

    def begin(self, now: float) -> None:
        """Give everybody the benefit of the doubt."""
        self._heard = [now] * len(self._heard)

    def note(self, member: SignerIndex, now: float) -> None:
        """A member said something."""
        self._heard[member] = now

    def is_dead(self, leader: SignerIndex, since: float) -> bool:
        """Was nothing heard of the leader after `since`, while q members, oneself included, were heard?"""
        if leader == self._own or self._heard[leader] > since:
            return False
        others = sum(at > since for member, at in enumerate(self._heard) if member != self._own)
        return 1 + others >= self._quorum
