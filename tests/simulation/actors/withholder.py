"""Keeps data back: batches go to one follower, from which the others must fetch them (row 15;
T31)."""

from tests.simulation.actors.actor import ActorEvent, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.messages import BatchMessage
from strongroom.consensus.replica.events import Now
from strongroom.consensus.types import SignerIndex


class Withholder(Puppet):
    """Its batches reach one follower only, from which the others must fetch them."""

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Drop batches, but for one receiver."""
        favourite = SignerIndex((self.role.index + 1) % len(self.role.members.validators))
        return [
            send
            for send in sends
            if not isinstance(send.message, BatchMessage) or send.to == favourite
        ]
