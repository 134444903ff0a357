"""Discrete Laplace noise, exact and keyed (S10).

Owns the sampler: whole numbers alone, no floating point, hence no gap between what is proven and
what is drawn. Keyed by the job's secret, so that the same job draws the same noise wherever it
runs, and averaging over runs or executors tells nothing (T62).

Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy", 2020,
algorithms 1 and 2: P(x) is proportional to exp(-|x| · below / above), for a scale above / below.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from strongroom.consensus import codec, labels
from strongroom.enclave.primitives import Secret


@dataclass(slots=True, repr=False)
class Dice:
    """Whole numbers drawn from a key: HMAC-SHA256 in counter mode."""

    key: bytes
    context: bytes
    _counter: int = 0
    _left: bytes = b""

    @classmethod
    def of(cls, job: Secret, release: int, aggregate: int, key: tuple[str | None, ...]) -> "Dice":
        """Those of one number of a result: of this release, aggregate and group."""
        context = codec.encode((release, aggregate, key))
        return cls(job.derive(labels.ROOM_NOISE).reveal(), context)

    def below(self, bound: int) -> int:
        """A number in 0 … bound - 1, each as likely."""
        bits = (bound - 1).bit_length()
        size = (bits + 7) // 8
        while True:
            drawn = int.from_bytes(self._take(size), "big") >> (8 * size - bits)
            if drawn < bound:
                return drawn

    def _take(self, size: int) -> bytes:
        while len(self._left) < size:
            counter = self._counter.to_bytes(8, "big")
            self._left += hmac.digest(self.key, counter + self.context, "sha256")
            self._counter += 1
        taken, self._left = self._left[:size], self._left[size:]
        return taken


def discrete_laplace(above: int, below: int, dice: Dice) -> int:
    """One whole number with the scale above / below; both are positive."""
    while True:
        drawn = dice.below(above)
        if not _happens_exp(Fraction(drawn, above), dice):
            continue
        turns = 0
        while _happens_exp(Fraction(1), dice):
            turns += 1
        magnitude = (drawn + above * turns) // below
        negative = dice.below(2) == 1
        if not (negative and magnitude == 0):
            return -magnitude if negative else magnitude


def drawing(job: Secret, program: str) -> Callable[[tuple[str | int, ...], int, int], int]:
    """The noise of a library program: of each number by its place in the result."""
    key = job.derive(labels.ROOM_NOISE, program.encode()).reveal()

    def draw(place: tuple[str | int, ...], above: int, below: int) -> int:
        return discrete_laplace(above, below, Dice(key, codec.encode(place)))

    return draw


def _happens_exp(gamma: Fraction, dice: Dice) -> bool:
    """Whether what has the probability exp(-gamma) happens, for a gamma in 0 … 1."""
    turns = 1
    while dice.below(turns * gamma.denominator) < gamma.numerator:
        turns += 1
    return turns % 2 == 1
