"""Votes, and never proposes (row 4)."""

from tests.simulation.actors.actor import ActorEvent, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.messages import Propose
from strongroom.consensus.replica.events import Now


class SilentProposer(Puppet):
    """Votes, and never proposes (row 4)."""

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Drop proposals."""
        return [send for send in sends if not isinstance(send.message, Propose)]
