"""Fetching what is left of an epoch that is over elsewhere (R0, R16): nobody speaks of it by
himself any more.

Owns whom to ask for the next range, one reachable node after the other, and when. What comes is
checked, and becomes final, like any range.
"""

from collections.abc import Collection

from strongroom.consensus.types import Height, PublicKey

ANSWER_SECONDS = 0.5
"""So long one node has to send the next range; then the next one is asked."""
LOOK_SECONDS = 0.02
"""Between two looks at whether execution has caught up."""


class TailFetch:
    """Asks until the block that ends the epoch is final here; idle until `begin`."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        """Monotonic seconds; None: nothing is asked for."""
        self._turn = 0
        self._asked_at: Height | None = None
        """The final height at the last question."""

    def begin(self, now: float) -> None:
        """The end of the epoch is known, and not final here."""
        if self.deadline is None:
            self.deadline = now

    def end(self) -> None:
        """It is final."""
        self.deadline = None

    def whom(
        self, final: Height, peers: Collection[PublicKey], now: float, *, overfull: bool
    ) -> PublicKey | None:
        """Whom to ask now for what lies above the final height, if it is time."""
        if self.deadline is None:
            return None
        answered = self._asked_at is not None and final > self._asked_at
        if not answered and now < self.deadline:
            return None
        if overfull:
            self.deadline = now + LOOK_SECONDS
            return None
        self.deadline = now + ANSWER_SECONDS
        if not answered:  # whoever answers is asked again
            self._turn += 1
        self._asked_at = final
        order = sorted(peers)
        return order[self._turn % len(order)] if order else None
