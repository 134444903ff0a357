"""Proposes only just before the others lose patience (row 5)."""

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.messages import Propose
from strongroom.consensus.replica.events import Now


class SlowDrip(Puppet):
    """Proposes only just before the others lose patience (row 5)."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._held: list[tuple[float, Send]] = []

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Hold proposals back for almost t_prop."""
        wait = 3.5 * self.role.settings.delta0
        self._held += [
            (now.monotonic + wait, send) for send in sends if isinstance(send.message, Propose)
        ]
        due = [send for at, send in self._held if at <= now.monotonic]
        self._held = [(at, send) for at, send in self._held if at > now.monotonic]
        return due + [send for send in sends if not isinstance(send.message, Propose)]

    def deadline(self) -> float | None:
        """The inner node's, or the next held proposal's."""
        times = [super().deadline(), *(at for at, _ in self._held)]
        return min(at for at in times if at is not None)
