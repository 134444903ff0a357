"""Which block each own batch was made for, and how long before a proposal one must be made to be in
it (PROTOCOL §7, Leader).

A batch has to be signed and durable here before it leaves, which takes longer the busier this
machine and its enclave are, and then to reach a leader. The first is learnt here from own batches,
as TCP learns its timeout (RFC 6298): one that misses its block waits for the next, and its payments
with it, one that comes early is only a little smaller. Local and safe: nobody else rests on it.
"""

from collections import deque

from strongroom.consensus.types import Sequence, View

WEIGHT = 0.125
"""Of the newest time in the mean; twice that in the deviation (RFC 6298, 2.3)."""
DEVIATIONS = 1
"""A batch is made so many mean deviations earlier than it usually need be."""
AIMS_MAX = 64
"""Batches that no block has yet; of more, the oldest are forgotten."""


class BatchAims:
    """What is known of own batches that no notarized block has."""

    def __init__(self) -> None:
        self._aims: deque[tuple[Sequence, View]] = deque(maxlen=AIMS_MAX)
        self._making: tuple[Sequence, float] | None = None
        self._mean: float | None = None
        self._deviation = 0.0

    @property
    def making(self) -> float:
        """Seconds from the mempool until a batch leaves, as good as always; 0: none was made."""
        return 0.0 if self._mean is None else self._mean + DEVIATIONS * self._deviation

    def ahead(self, view: View) -> int:
        """Batches for the block of this view and later ones. Those that missed theirs are in no
        other's way: a block takes them beside the next."""
        return sum(aimed >= view for _, aimed in self._aims)

    def make(self, sequence: Sequence, view: View, now: float) -> None:
        """An own batch is begun, for the block of this view."""
        self._aims.append((sequence, view))
        self._making = sequence, now

    def hold(self, sequence: Sequence, now: float) -> None:
        """An own batch is signed: it leaves as soon as it is durable."""
        if self._making is None or self._making[0] != sequence:
            return
        took = max(0.0, now - self._making[1])
        self._making = None
        if self._mean is None:
            self._mean, self._deviation = took, took / 2
            return
        self._deviation += 2 * WEIGHT * (abs(took - self._mean) - self._deviation)
        self._mean += WEIGHT * (took - self._mean)

    def order(self, length: Sequence) -> None:
        """Notarized blocks have the own lane up to this length."""
        while self._aims and self._aims[0][0] < length:
            self._aims.popleft()
