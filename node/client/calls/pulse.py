"""Whether the node at the other end of a connection still lives, while something is awaited of it.

Owns when it is pinged and when it is given up. A killed process ends its connection by itself; one
that hangs, or a wire that was cut, says nothing, and would keep calls waiting. Whatever arrives is
a sign of life; how long a ping may take is learned from those before it. Pure: the clock is the
caller's.
"""

from enum import Enum, auto

TICK_SECONDS = 0.015
"""Between two looks while something is awaited."""
ANSWER_SECONDS = 0.015
"""Silence before a ping while answers are awaited."""
EVENT_SECONDS = 1.0
"""Silence before a ping while only events are awaited: a chain may rest."""
WAITED_SHARE = 0.25
SILENCE_SECONDS_MAX = 1.0
"""Who answers pings, and not the question, is pinged again after this share of the time waited, at
most so long: a service without a quorum gets no flood of pings."""
PATIENCE_SECONDS_MIN = 0.05
PATIENCE_SECONDS_MAX = 2.0
"""For the answer to a ping."""
LATE_SECONDS = 0.025
"""A look that comes so late finds our own process slow, not the node: the ping's time begins
anew."""
LATENESS_KEPT = 0.98
"""Of how late our own looks came, from one look to the next: about a second is remembered. Where
our process has to wait for a processor, a node beside it has to as well."""
SMOOTHING, DEVIATION_SMOOTHING, DEVIATIONS = 1 / 8, 1 / 4, 4
"""RFC 6298, §2.3."""


class Verdict(Enum):
    """What is to be done after a look."""

    LIVES = auto()
    PING = auto()
    GONE = auto()


class Pulse:
    """One connection's: `look` after each `wait`."""

    def __init__(self, patience_min: float = PATIENCE_SECONDS_MIN) -> None:
        self._patience_min = patience_min
        self._frames = self._answers = 0
        self._since: float | None = None
        """When the silence began; None: nothing is awaited."""
        self._waits = 0.0
        """Since when no answer came, while one is awaited."""
        self._pinged: float | None = None
        """When a ping left that nothing came after."""
        self._sent: float | None = None
        """When a ping left that has no answer yet, whatever else came since."""
        self._due: float | None = None
        self._smoothed: float | None = None
        self._deviation = 0.0
        self._lateness = 0.0
        """How late our own looks came lately."""
        self.wait = TICK_SECONDS
        """Seconds until the next look."""

    def admitted(self, patience_min: float) -> None:
        """The node is admitted: from now on it gets no longer than this, or than it usually
        takes."""
        self._patience_min = patience_min

    @property
    def patience(self) -> float:
        """Seconds that the answer to a ping may take now."""
        usual = 0.0 if self._smoothed is None else self._smoothed + DEVIATIONS * self._deviation
        crowded = DEVIATIONS * self._lateness
        return min(PATIENCE_SECONDS_MAX, max(self._patience_min, usual, crowded))

    def rested(self) -> None:
        """Nobody looked for a while: the next look is not late."""
        self._due = None

    def look(self, now: float, *, frames: int, answers: int, quiet: float | None) -> Verdict:
        """Judge the silence.

        Args:
            now: seconds of a clock that only goes forward.
            frames: how many messages came so far, of any kind.
            answers: how many of them were more than the answer to a ping.
            quiet: seconds of silence before a ping; None: nothing is awaited.
        """
        lateness = 0.0 if self._due is None else max(0.0, now - self._due)
        late = lateness > LATE_SECONDS
        self._lateness = max(LATENESS_KEPT * self._lateness, lateness)
        verdict = self._judge(now, frames, answers, quiet, late)
        self.wait = TICK_SECONDS
        if self._pinged is not None:
            self.wait = min(TICK_SECONDS, max(0.001, self._pinged + self.patience - now))
        elif quiet is not None and self._since is not None:
            self.wait = max(TICK_SECONDS, self._since + self._silence(now, quiet) - now)
        self._due = now + self.wait
        return verdict

    def _judge(
        self, now: float, frames: int, answers: int, quiet: float | None, late: bool
    ) -> Verdict:
        if quiet is None:
            self._since = self._pinged = None
            return Verdict.LIVES
        if self._since is None or frames != self._frames:
            if self._since is None or answers != self._answers:
                self._waits = now
            self._frames, self._answers, self._since, self._pinged = frames, answers, now, None
            return Verdict.LIVES
        if self._pinged is None:
            if now - self._since < self._silence(now, quiet):
                return Verdict.LIVES
            self._pinged = now
            if self._sent is None:
                self._sent = now
            return Verdict.PING
        if late:
            self._pinged = now
        return Verdict.GONE if now - self._pinged >= self.patience else Verdict.LIVES

    def _silence(self, now: float, quiet: float) -> float:
        """How long it may last before a ping."""
        waited = min(SILENCE_SECONDS_MAX, WAITED_SHARE * (now - self._waits))
        return max(quiet, waited)

    def pong(self, now: float) -> None:
        """The answer to a ping came: to the oldest that has none yet."""
        if self._sent is None:
            return
        took, self._sent = now - self._sent, None
        if self._smoothed is None:
            self._smoothed, self._deviation = took, took / 2
        else:
            apart = abs(self._smoothed - took)
            self._deviation += DEVIATION_SMOOTHING * (apart - self._deviation)
            self._smoothed += SMOOTHING * (took - self._smoothed)
