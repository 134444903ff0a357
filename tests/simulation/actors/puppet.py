"""Base of the liars that follow the chain: an honest node inside, whose words are twisted on their
way out."""

from dataclasses import replace

from tests.simulation.actors.actor import ActorEvent, Liar, Role, Send
from tests.simulation.actors.honest import Honest
from tests.simulation.actors.witness import Witness

from strongroom.consensus.replica.events import Now


class Puppet(Liar):
    """Runs an honest node and hands on what `twist` makes of its messages."""

    hears_links = True

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self.origin = role
        """Its role in epoch 0; `self.role` follows the inner node's epoch while it is a member."""
        self.inner = Honest(role, Witness())
        self._started = False

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        """Let the honest node act, and twist what it says."""
        sends: list[Send] = []
        if not self._started:
            self._started = True
            sends += self.inner.boot(now)
        sends += self.inner.on_event(event, now)
        self._follow()
        return self.twist(sends, event, now)

    def _follow(self) -> None:
        inner = self.inner
        if inner.own is not None and inner.epoch != self.role.members.epoch:
            self.role = replace(
                self.role,
                index=inner.own,
                members=inner.members,
                anchor=inner.anchor,
                vote_key=inner.vote_key,
            )

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """What goes out in the place of `sends`."""
        return sends

    def deadline(self) -> float | None:
        """When the honest node wants a tick; at once before it has begun."""
        return self.inner.deadline() if self._started else 0.0
