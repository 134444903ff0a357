"""Restarts from a disk that is older than its last word (rows 25, 26)."""

from copy import deepcopy

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.honest import Honest
from tests.simulation.actors.puppet import Puppet
from tests.simulation.actors.witness import Witness

from strongroom.consensus.replica.events import Now


class StaleDisk(Puppet):
    """Restarts now and then from a copy of its disk that is older than its last word (rows 25,
    26)."""

    PERIOD = 0.7

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._copy = deepcopy(self.inner.disk)
        self._next = 0.0

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        """Act, and go back in time once per period."""
        sends = super().on_event(event, now)
        if now.monotonic < self._next:
            return sends
        self._next = now.monotonic + self.PERIOD
        old, self._copy = self._copy, deepcopy(self.inner.disk)
        self.inner = Honest(self.origin, Witness())
        self.inner.disk = old
        return sends + self.inner.boot(now)
