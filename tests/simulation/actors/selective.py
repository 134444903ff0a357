"""Speaks to an own choice of members for each view and kind of message (T31)."""

from tests.simulation.actors.actor import ActorEvent, Send
from tests.simulation.actors.puppet import Puppet
from tests.simulation.network import kind_of, view_of

from strongroom.consensus.replica.events import Now


class Selective(Puppet):
    """Speaks to an own choice of members for each view and kind of message."""

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Drop by (view, kind, receiver)."""
        return [
            send for send in sends if hash((view_of(send.message), _number(send), send.to or 0)) % 3
        ]


def _number(send: Send) -> int:
    return sum(kind_of(send.message).encode())
