"""How many are enough (PROTOCOL §1)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quorum:
    """Sizes for `members` validators, of which at most `faults` may lie."""

    members: int

    @property
    def faults(self) -> int:
        """f = ⌊(n−1)/3⌋: how many members may do anything."""
        return (self.members - 1) // 3

    @property
    def size(self) -> int:
        """q = ⌊(n+f)/2⌋+1: two quorums share an honest member."""
        return (self.members + self.faults) // 2 + 1

    @property
    def blocking(self) -> int:
        """b = n−q+1: without one of these no quorum forms."""
        return self.members - self.size + 1
