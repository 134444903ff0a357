"""How long something usually takes, and how far off that mostly is, as TCP learns its timeout (RFC
6298, 2.2 and 2.3).

Owns one mean and its mean deviation, in seconds that arrive with each call.
"""

WEIGHT = 0.125
"""Of the newest time in the mean; twice that in the deviation."""


class Smoothed:
    """What was learnt of one kind of time."""

    def __init__(self) -> None:
        self.mean: float | None = None
        """None before the first."""
        self.deviation = 0.0

    def note(self, took: float) -> None:
        """One more."""
        if self.mean is None:
            self.mean, self.deviation = took, took / 2
            return
        self.deviation += 2 * WEIGHT * (abs(took - self.mean) - self.deviation)
        self.mean += WEIGHT * (took - self.mean)

    def at_most(self, deviations: float) -> float:
        """The mean, and so many mean deviations; 0 before the first."""
        return 0.0 if self.mean is None else self.mean + deviations * self.deviation
