"""Keeps things back: batches, proposals, or everything for some, or for a time (rows 4, 5, 15; T31)."""

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet
from tests.simulation.network import kind_of, view_of

from strongroom.consensus.events import Now
from strongroom.consensus.messages import BatchMessage, Propose
from strongroom.consensus.types import SignerIndex


class Withholder(Puppet):
    """Its batches reach one follower only, from which the others must fetch them."""

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Drop batches, but for one receiver."""
        favourite = SignerIndex((self.role.index + 1) % len(self.role.members.validators))
        return [send for send in sends if not isinstance(send.message, BatchMessage) or send.to == favourite]


class Selective(Puppet):
    """Speaks to an own choice of members for each view and kind of message."""

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Drop by (view, kind, receiver)."""
        return [send for send in sends if hash((view_of(send.message), _number(send), send.to or 0)) % 3]


class SilentProposer(Puppet):
    """Votes, and never proposes (row 4)."""

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Drop proposals."""
        return [send for send in sends if not isinstance(send.message, Propose)]


class SlowDrip(Puppet):
    """Proposes only just before the others lose patience (row 5)."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._held: list[tuple[float, Send]] = []

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Hold proposals back for almost t_prop."""
        wait = 3.5 * self.role.settings.delta0
        self._held += [(now.monotonic + wait, send) for send in sends if isinstance(send.message, Propose)]
        due = [send for at, send in self._held if at <= now.monotonic]
        self._held = [(at, send) for at, send in self._held if at > now.monotonic]
        return due + [send for send in sends if not isinstance(send.message, Propose)]

    def deadline(self) -> float | None:
        """The inner node's, or the next held proposal's."""
        times = [super().deadline(), *(at for at, _ in self._held)]
        return min(at for at in times if at is not None)


def _number(send: Send) -> int:
    return sum(kind_of(send.message).encode())
