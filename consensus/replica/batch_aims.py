"""Which block each own batch was made for, and how long before a proposal one must be made to be in
it (PROTOCOL §7, Leader).

A batch has to be signed and durable here before it leaves, which takes longer the busier this
machine and its enclave are: learnt from own batches, as TCP learns its timeout (RFC 6298). Then it
has to reach a leader, half a round away, and what that lacks is learnt from batches that miss their
blocks. One that does waits for the next, and its payments with it; one that comes early is only a
little smaller: so a miss counts for much more than a hit. Local and safe: nobody else rests on it.
"""

from collections import deque

from strongroom.consensus.replica.smoothed import Smoothed
from strongroom.consensus.types import Sequence, View

DEVIATIONS = 1
"""A batch is made so many mean deviations earlier than it usually need be."""
MISS_ROUNDS, HIT_ROUNDS = 0.1, 0.01
"""What a miss adds to the slack, and a hit takes away, in usual rounds."""
SLACK_ROUNDS_MAX = 0.5
PUNCTUAL_ROUNDS = 0.25
"""Made so much later than due, a batch says nothing: there was nothing to make it of before."""
AHEAD_MAX = 2
"""A batch is made for the block of this view or one of the next two: where views do not end, what
waits had better leave."""
AIMS_MAX = 64
"""Batches that no block has yet; of more, the oldest are forgotten."""


class BatchAims:
    """What is known of own batches that no notarized block has."""

    def __init__(self) -> None:
        self._aims: deque[tuple[Sequence, View, bool]] = deque(maxlen=AIMS_MAX)
        """Place in the lane, whose block it is for, and whether that is judged."""
        self._taken = View(0)
        """The newest view for whose block one was made that was due."""
        self._slack_rounds = 0.0
        self._begun: tuple[Sequence, float] | None = None
        self._making = Smoothed()

    def lead(self, usual_round: float) -> float:
        """Seconds from the mempool until a leader has a batch, as good as always."""
        return self._making.at_most(DEVIATIONS) + (0.5 + self._slack_rounds) * usual_round

    def following(self, view: View) -> View:
        """The first view from this one on whose block no batch was made for. Those that missed
        theirs are in no other's way, for a block takes them beside the next; nor are those that
        were full before they were due."""
        return View(max(view, self._taken + 1))

    def make(
        self, sequence: Sequence, view: View, now: float, *, late: float, usual_round: float
    ) -> None:
        """An own batch is begun, for the block of this view.

        Args:
            sequence: its place in the lane.
            view: whose block it is for.
            now: monotonic seconds.
            late: seconds since it was due; negative: it was full before; infinite: when was not
                known.
            usual_round: seconds; 0: none is known.
        """
        self._aims.append((sequence, view, 0.0 <= late <= PUNCTUAL_ROUNDS * usual_round))
        if late >= 0.0:
            self._taken = max(self._taken, view)
        self._begun = sequence, now

    def hold(self, sequence: Sequence, now: float) -> None:
        """An own batch is signed: it leaves as soon as it is durable."""
        if self._begun is not None and self._begun[0] == sequence:
            self._making.note(max(0.0, now - self._begun[1]))
            self._begun = None

    def order(self, view: View, length: Sequence) -> None:
        """The block of a view is notarized; with it the own lane is ordered up to this length."""
        while self._aims and self._aims[0][0] < length:
            _, aimed, judged = self._aims.popleft()
            if judged and aimed >= view:
                self._slack_rounds = max(0.0, self._slack_rounds - HIT_ROUNDS)
        if any(judged and aimed == view for _, aimed, judged in self._aims):
            self._slack_rounds = min(SLACK_ROUNDS_MAX, self._slack_rounds + MISS_ROUNDS)
