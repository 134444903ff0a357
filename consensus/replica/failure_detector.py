"""Who is there: when each member was last heard, and so whether a leader is dead while a quorum
lives (R11).

Owns times in monotonic seconds. Anything that came over a member's authenticated link counts. A
lost link says the same as a long silence, and says it sooner; a member of whose link nothing was
ever told is judged by silence alone.
"""

from strongroom.consensus.types import SignerIndex


class FailureDetector:
    """Last signs of life, as seen by one replica."""

    def __init__(self, members: int, own: SignerIndex | None, quorum: int) -> None:
        self._own, self._quorum = own, quorum
        self._heard = [0.0] * members
        self._linked: set[SignerIndex] = set()
        self._lost: dict[SignerIndex, float] = {}
        self._back: set[SignerIndex] = set()
        """Whose links came up since the last relay over new links."""
        self._relayed_at = float("-inf")
        self.relay_at: float | None = None
        """When unordered batches are relayed again because links came up; links come up
        together."""

    def __len__(self) -> int:
        return len(self._heard)

    def begin(self, now: float) -> None:
        """Give everybody the benefit of the doubt."""
        self._heard = [now] * len(self._heard)

    def note(self, member: SignerIndex, now: float) -> None:
        """A member said something."""
        self._heard[member] = now

    def link_up(self, member: SignerIndex, now: float, delta: float) -> bool:
        """A link came up; returns whether there was none before. Then a relay is due, one per Δ."""
        self.note(member, now)
        self._lost.pop(member, None)
        fresh = member not in self._linked
        self._linked.add(member)
        if fresh:
            self._back.add(member)
            self.relay_at = max(now, self._relayed_at + delta)
        return fresh

    def relay_due(self, now: float) -> tuple[SignerIndex, ...]:
        """Members whose links came up, once it is time to relay to them: once for all."""
        if self.relay_at is None or self.relay_at > now:
            return ()
        back = tuple(sorted(self._back & self._linked))
        self._back.clear()
        self._relayed_at, self.relay_at = now, None
        return back

    def link_down(self, member: SignerIndex, now: float) -> None:
        """The last link was lost."""
        self._linked.discard(member)
        self._lost.setdefault(member, now)

    def cut_off_at(self, leader: SignerIndex) -> float | None:
        """Since when a leader's link is lost, while q members, oneself included, are linked; None
        if it is not so."""
        lost = self._lost.get(leader)
        if lost is None or leader == self._own:  # mostly: its link stands
            return None
        others = sum(member != self._own for member in self._linked)
        return lost if 1 + others >= self._quorum else None

    def is_dead(self, leader: SignerIndex, since: float) -> bool:
        """Was nothing heard of the leader after `since`, while q members, oneself included, were
        heard?"""
        if leader == self._own or self._heard[leader] > since:
            return False
        others = sum(at > since for member, at in enumerate(self._heard) if member != self._own)
        return 1 + others >= self._quorum
