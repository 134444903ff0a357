"""Sends on what it heard long ago, to whomever (row 11; T31)."""

from tests.simulation.actors.actor import ActorEvent, Liar, Role, Send

from strongroom.consensus.messages import Message
from strongroom.consensus.replica.events import Now, Received

KEPT_MAX = 500


class Replayer(Liar):
    """Never says anything of its own."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._heard: list[Message] = []

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        """Answer one message in four with an old one."""
        if not isinstance(event, Received):
            return []
        if len(self._heard) < KEPT_MAX:
            self._heard.append(event.message)
        if self.role.random.random() < 0.75:
            return []
        return [Send(None, self.role.random.choice(self._heard))]
