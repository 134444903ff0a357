"""How long a leader waits for company, learnt from its own rounds (PROTOCOL §7, Leader).

A round lasts from a leader's proposal to its notarization: two links' delays and what all replicas
work for it. The shortest one of late is what the links alone take; what the others take longer is
queueing: processors that have too much to do. Waiting makes blocks fewer and larger, so it pays
exactly then, in proportion; where nothing queues, a leader proposes at once, however long its links
are. Owns that estimate, in seconds that arrive with each call. Local and safe: nobody else rests on
it.
"""

from collections import deque
from math import inf

from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import View

ROUNDS_MAX = 1024
"""Own rounds of which the shortest counts: when links become slower for good, what they take now is
the measure after so many."""
GAP_DELTAS_MAX = 0.25
"""A leader waits no longer than so many Δ0, and as long again for the rest of a full block: others
wait 4Δ for a proposal, and their Δ is Δ0 at least (R9). The leader's own Δ is no measure: strikes
that it alone has seen make it grow here and nowhere else."""
WEIGHT = 0.2
"""Of the newest round in the mean."""
TELLING_ROUNDS_MAX = 4.0
"""A round counts in the mean as so many of the shortest at most: one hour in which the process
stood still, or one round that a liar held up, is forgotten after a few."""


class Patience:
    """The queueing that one leader sees, and what it waits for that."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._proposed: tuple[View, float] | None = None
        self._rounds: deque[float] = deque(maxlen=ROUNDS_MAX)
        self._shortest = inf
        self._mean = 0.0

    def propose(self, view: View, now: float) -> None:
        """An own proposal goes out."""
        self._proposed = (view, now)

    def enter(self, view: View, now: float, *, notarized: bool) -> None:
        """A view begins, the one before notarized or not. If that was an own proposal, this is how
        long its round took; one that was given up says nothing."""
        if self._proposed is None:
            return
        led, at = self._proposed
        self._proposed = None
        if notarized and view == led + 1:
            took, first = max(0.0, now - at), not self._rounds
            self._note(took)
            most = TELLING_ROUNDS_MAX * self._shortest
            told = min(took, most)
            self._mean = told if first else min(most, self._mean + WEIGHT * (told - self._mean))

    def _note(self, took: float) -> None:
        """Keep it among the rounds of late, and the shortest of them up to date."""
        full = len(self._rounds) == ROUNDS_MAX
        forgotten = self._rounds[0] if full else inf
        self._rounds.append(took)
        if forgotten <= self._shortest:
            self._shortest = min(self._rounds)
        else:
            self._shortest = min(self._shortest, took)

    @property
    def queueing(self) -> float:
        """Seconds that a round takes longer than the shortest one of late."""
        return max(0.0, self._mean - self._shortest)

    def gap(self, share: float) -> float:
        """Seconds from entering a view to a proposal.

        Args:
            share: 0 to 1, by the batches of the block below: of a lone one there is little company
                to wait for.
        """
        if not self._rounds or not self._mean:
            return 0.0
        settings, queueing = self._settings, self.queueing
        learnt = settings.gap_per_queueing * queueing * (queueing / self._mean)
        most = min(settings.gap_rounds_max * self._shortest, GAP_DELTAS_MAX * settings.delta0)
        return share * min(learnt, most)
