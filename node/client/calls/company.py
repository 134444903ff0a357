"""How long calls wait for others to share their frame, learnt from answers.

A frame costs both sides something whatever is in it; a call that waits a little for others makes
them fewer. A part of what an answer takes anyway is hardly felt, on whatever machine and links.
Owns that estimate, in seconds that arrive with each call; decides nothing else.
"""

SHARE = 0.05
"""Of what answers usually take: so long calls wait at most. Half of that is what one waits as a
mean."""
SECONDS_MAX = 0.02
COMPANY_CALLS = 64
"""With so many waiting a frame's own cost is small beside theirs: it leaves at once."""
WEIGHT = 0.125
"""Of the newest answer in the mean."""
TELLING_ANSWERS_MAX = 4.0
"""An answer counts as so many of the mean at most: one that took an hour is forgotten soon."""


class FrameCompany:
    """What one client knows of the answers to its frames."""

    def __init__(self) -> None:
        self._mean: float | None = None

    def answered(self, seconds: float) -> None:
        """A frame's answer took so long."""
        took = max(0.0, seconds)
        if self._mean is None:
            self._mean = took
        else:
            self._mean += WEIGHT * (min(took, TELLING_ANSWERS_MAX * self._mean) - self._mean)

    def pause(self, under_way: int, waiting: int) -> float:
        """Seconds that calls wait for others now.

        Args:
            under_way: frames without an answer; a lone call never waits.
            waiting: calls that wait to be sealed.
        """
        if not under_way or waiting >= COMPANY_CALLS or self._mean is None:
            return 0.0
        return min(SECONDS_MAX, SHARE * self._mean)
