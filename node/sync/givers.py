"""Whom a catching-up node asks for outcomes: one peer at a time, how long it has, and who is asked
no more.

Owns turns and patience, nothing of what is asked for. Pure: time arrives as an argument. Patience
grows when as many turns were too slow as there are peers, and nothing was proven meanwhile, so a
slow network is waited for; it shrinks when something is proven by an answer that came much sooner.
"""

from strongroom.consensus.types import Height, PublicKey

PATIENCE_SECONDS = 0.5
"""What a peer has for its first answer."""
PATIENCE_SECONDS_MAX = 32.0


class Givers:
    """The peers that may be asked, in turn."""

    def __init__(self) -> None:
        self._linked: tuple[PublicKey, ...] = ()
        self._liars: set[PublicKey] = set()
        self._peer: PublicKey | None = None
        """Whose turn it is."""
        self._awaited: tuple[Height, float] | None = None
        """(height from which on it was asked, when)."""
        self._patience, self._late = PATIENCE_SECONDS, 0
        self._took = 0.0
        """Seconds to the last answer."""

    def see(self, linked: tuple[PublicKey, ...]) -> bool:
        """Who is linked now. Is the one whose turn it was linked no more, so that nobody is waited
        for?"""
        self._linked = linked
        if self._peer is None or self._peer in linked:
            return False
        self._peer = self._awaited = None
        return True

    def rest(self) -> None:
        """Nothing is wanted of anybody now; whose turn it is stays."""
        self._awaited = None

    @property
    def awaited(self) -> PublicKey | None:
        """Who was asked and has not answered."""
        return self._peer if self._awaited is not None else None

    def choose(self) -> PublicKey | None:
        """Whose turn it is. Those that lied have none while anybody else is linked."""
        if self._peer is None:
            self.turn()
        return self._peer

    @property
    def awaited_start(self) -> Height:
        """From where on it was asked; 0: nobody was."""
        return Height(0) if self._awaited is None else self._awaited[0]

    def asked(self, start: Height, now: float) -> None:
        """The chosen one was asked."""
        self._awaited = (start, now)

    def answered(self, peer: PublicKey, start: Height, now: float) -> bool:
        """Is this what was asked for? Then nothing is awaited any more."""
        if peer != self._peer or self._awaited is None or self._awaited[0] != start:
            return False
        self._took, self._awaited = now - self._awaited[1], None
        return True

    def proved(self) -> None:
        """What was given is proven. Only that counts: whoever says little and soon could keep
        patience short."""
        self._late = 0
        if self._took < self._patience / 8:
            self._patience = max(PATIENCE_SECONDS, self._patience / 2)

    def is_late(self, now: float) -> bool:
        """Has the one who was asked had its time? Then it is the next one's turn."""
        if self._awaited is None or now - self._awaited[1] < self._patience:
            return False
        self._late += 1
        if self._late >= max(1, len(self._asked_of())):
            self._late, self._patience = 0, min(PATIENCE_SECONDS_MAX, 2 * self._patience)
        self.turn()
        return True

    def turn(self) -> None:
        """It is the next one's turn."""
        self._awaited = None
        peers = self._asked_of()
        if not peers:
            self._peer = None
            return
        at = self._linked.index(self._peer) if self._peer in self._linked else -1
        following = self._linked[at + 1 :] + self._linked[: at + 1]
        self._peer = next(peer for peer in following if peer in peers)

    def shun(self) -> PublicKey:
        """The one whose turn it was lied: its key. It is another one's turn."""
        liar = self._peer
        assert liar is not None, "whoever gave something had its turn"
        self._liars.add(liar)
        self.turn()
        return liar

    def _asked_of(self) -> tuple[PublicKey, ...]:
        honest = tuple(peer for peer in self._linked if peer not in self._liars)
        return honest or self._linked
