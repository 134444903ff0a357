"""Works honestly, and sends on what it heard in earlier epochs as if it were news (row 11 across
epochs; T31)."""

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.messages import Message
from strongroom.consensus.replica.admission import epoch_of
from strongroom.consensus.replica.events import Now, Received

KEPT_MAX = 400
SHARE = 0.1


class Historian(Puppet):
    """Repeats the past, its own words included."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._kept: list[Message] = []

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """One message in ten is followed by an old one to everybody."""
        kept = self._kept
        heard = [send.message for send in sends] + (
            [event.message] if isinstance(event, Received) else []
        )
        kept += [message for message in heard if epoch_of(message) is not None][
            : KEPT_MAX - len(kept)
        ]
        if not kept or self.role.random.random() >= SHARE:
            return sends
        return [*sends, Send(None, self.role.random.choice(kept))]
