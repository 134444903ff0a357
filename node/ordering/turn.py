"""What one turn of a participant wants done, collected until the order of things is known (PROTOCOL
§9).

Owns the order: records, then one sync if anything rests on it, own batches, signatures, all else.
Several events share one turn, and so one fsync; nothing of a turn is said before that.
"""

from dataclasses import dataclass, field

from strongroom.consensus.replica.events import Cast, Now
from strongroom.node.ordering.effects import Append, Effect, Sign, Sync, Tell


@dataclass(slots=True)
class Turn:
    """The effects of the events of one turn."""

    now: Now
    records: list[Append] = field(default_factory=list)
    durable: bool = False
    """There are records that must be durable before anything of this turn is said; others may
    follow later."""
    batches: list[Tell] = field(default_factory=list)
    """Own batches go out to all once they are durable."""
    casts: list[Cast] = field(default_factory=list)
    rest: list[Effect] = field(default_factory=list)

    def effects(self) -> list[Effect]:
        """All of it, in the order of the contract."""
        effects: list[Effect] = [*self.records]
        if self.durable:
            effects.append(Sync())
        effects += self.batches
        if self.casts:
            effects.append(Sign(tuple(self.casts)))
        return effects + self.rest
