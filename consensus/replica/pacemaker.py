"""When to lose patience: the timers of one view, Δ and its growth (R9, R12).

Owns strikes and deadlines, in monotonic seconds that arrive with each call. Knows nothing of votes;
what a firing leads to is decided in replica.py.
"""

from strongroom.consensus.replica.settings import Settings

PROPOSAL_DELTAS = 4
"""t_prop: Δs to wait for a candidate."""
VIEW_DELTAS = 6
"""t_view: Δs to wait for a certificate."""
SKIP_DELTAS_MIN = 13
"""A leader is not skipped for less silence than this many Δ, more than twice t_view (R11)."""
GROWTH_MAX = 256
JITTER_MAX = 0.25
"""Part of the retry interval by which members differ."""


class Pacemaker:
    """Timers of the current view."""

    def __init__(self, settings: Settings, *, faults: int, jitter: float) -> None:
        self._settings, self._faults = settings, faults
        self._retry_after = settings.retry * (1.0 + JITTER_MAX * jitter)
        self.strikes = 0
        self.delta = settings.delta0
        """Δ in seconds; grows only after f strikes in a row (R9)."""
        self.entered = 0.0
        self._armed = self._spent = False
        self._proposal_at: float | None = None
        self._view_at: float | None = None
        self._retry_at: float | None = None

    def _note_strikes(self, strikes: int) -> None:
        growth: int = min(2 ** min(max(0, strikes - self._faults), 30), GROWTH_MAX)
        self.strikes, self.delta = strikes, self._settings.delta0 * growth

    @property
    def skip_after(self) -> float:
        """Seconds of silence after which a leader counts as dead (R11)."""
        return max(self._settings.skip_after, SKIP_DELTAS_MIN * self.delta)

    def enter(self, now: float) -> None:
        """A view begins, unarmed."""
        self.entered = now
        self._spent = False
        self.disarm()

    def arm(self, now: float, *, candidate: bool, nullified: bool) -> None:
        """There is work: start the timers of this view, unless they run (R9)."""
        if self._armed:
            return
        self._armed = True
        if nullified or self._spent:
            self._retry_at = now + self._retry_after
            return
        self._proposal_at = None if candidate else now + PROPOSAL_DELTAS * self.delta
        self._view_at = now + VIEW_DELTAS * self.delta
        self._retry_at = now + 2 * VIEW_DELTAS * self.delta

    def disarm(self) -> None:
        """No work: no timer, no retry."""
        self._armed = False
        self._proposal_at = self._view_at = self._retry_at = None

    def candidate_came(self) -> None:
        """t_prop is met."""
        self._proposal_at = None

    def nullified(self, now: float) -> None:
        """NULLIFY was cast: only repetition is left for this view (R10)."""
        self._proposal_at = self._view_at = None
        self._spent = True
        if self._armed:
            self._retry_at = now + self._retry_after

    def expired(self, now: float) -> bool:
        """Has t_prop or t_view fired? Counts one strike for a view, then both are spent."""
        proposal_at, view_at = self._proposal_at, self._view_at
        if (proposal_at is None or proposal_at > now) and (view_at is None or view_at > now):
            return False
        self._proposal_at = self._view_at = None
        self._spent = True
        self._note_strikes(self.strikes + 1)
        return True

    def retry_due(self, now: float) -> bool:
        """Is it time to repeat what was said (R12)? Sets the next time."""
        if self._retry_at is None or self._retry_at > now:
            return False
        self._retry_at = now + self._retry_after
        return True

    def finalised(self) -> None:
        """A block became final: strikes decay by one (R8)."""
        self._note_strikes(max(0, self.strikes - 1))

    @property
    def deadlines(self) -> tuple[float | None, float | None, float | None]:
        """When t_prop, t_view and t_retry fire."""
        return self._proposal_at, self._view_at, self._retry_at
