"""Does a batch come soon after an execution? Then a block that would only anchor it waits for that
batch to share its block (PROTOCOL §7, Leader).

Owns what was learnt of that from the last executions after which nothing waited to be ordered: how
long it took until the next batch was here, with its mean deviation, as TCP learns its timeout (RFC
6298). What a block alone costs is a round of all replicas: beyond a few of these nothing is waited
for, and where company never comes in that time an anchor leaves at once. Local and safe: nobody
else rests on it.
"""

from strongroom.consensus.replica.smoothed import Smoothed

DEVIATIONS = 4
"""An anchor waits so many mean deviations beyond the mean."""
WORTH_ROUNDS = 4.0
"""So many usual rounds at most: an anchor is what receipts wait for."""


class Company:
    """What usually comes after an execution, and what an anchor waits for that."""

    def __init__(self, most: float) -> None:
        """Nothing is known yet.

        Args:
            most: seconds that an anchor waits at most, whatever rounds take.
        """
        self._most = most
        self._since: float | None = None
        self._taken = Smoothed()

    def execute(self, now: float) -> None:
        """Something was executed, and nothing waits to be ordered."""
        if self._since is None:
            self._since = now

    def hold(self, now: float, usual_round: float) -> None:
        """A batch is here."""
        if self._since is None:
            return
        # What came later came too late, however late: one idle hour is forgotten after a few.
        self._taken.note(min(max(0.0, now - self._since), 2 * self._worth(usual_round)))
        self._since = None

    def wait(self, usual_round: float) -> float:
        """Seconds from an execution to a block that would only anchor it."""
        worth = self._worth(usual_round)
        if self._taken.mean is None:
            return worth
        if self._taken.mean >= worth:
            return 0.0
        return min(worth, self._taken.at_most(DEVIATIONS))

    def _worth(self, usual_round: float) -> float:
        return min(self._most, WORTH_ROUNDS * usual_round)
