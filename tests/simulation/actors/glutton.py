"""Asks everybody for the whole past, again and again (T31)."""

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.messages import RangeRequest
from strongroom.consensus.replica.events import Now
from strongroom.consensus.types import Height

PERIOD = 0.2
AT_ONCE = 3


class Glutton(Puppet):
    """Works honestly, and never has enough."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._next = 0.0

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Beside what is honest: several questions for all blocks, at once."""
        if now.monotonic < self._next:
            return sends
        self._next = now.monotonic + PERIOD
        return sends + [Send(None, RangeRequest(Height(1)))] * AT_ONCE
