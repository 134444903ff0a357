"""What a fault is to those who run it: a name, words, and something done to a world."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from scripts.fault_matrix.world import World

Act = Callable[[World], Awaitable[None]]
"""Does something to a world, marks when it lasted, undoes it, and leaves all nodes voting unless it
spoils them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the matrix."""

    name: str
    act: Act
    spoils: bool = False
    """A node votes no more in this epoch: the next fault needs another cluster."""

    @property
    def words(self) -> str:
        """What is done, in a line, however its lines are broken in the source."""
        return " ".join((self.act.__doc__ or "").partition("\n\n")[0].split())


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p99 and the largest; of few values p99 is the largest."""
    ordered = sorted(values)
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {
        name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)
        for name, share in at.items()
    }
