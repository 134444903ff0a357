"""Proposes blocks whose times stand at the edges of what is voted for, or far beyond (R6; T32)."""

from dataclasses import replace

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.blocks import Header
from strongroom.consensus.messages import Propose, VoteMessage
from strongroom.consensus.replica.events import Now
from strongroom.consensus.replica.proposals import CLOCK_SKEW_MAX
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Digest, Milliseconds


def timed(header: Header, time_ms: int) -> Header:
    """The same block at another time."""
    values = {
        name: getattr(header, name)
        for name in header.__dataclass_fields__
        if name not in ("encoded", "digest")
    }
    return Header(**{**values, "time_ms": Milliseconds(time_ms)})


class EdgeOfTime(Puppet):
    """Every block of its own stands at an edge: a moment after its parent, as far ahead as is voted
    for or one more, or at the end of time."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._moved: dict[Digest, Header] = {}

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Replace each fresh proposal by one of another time, with a genuine vote."""
        out = []
        for send in sends:
            match send.message:
                case Propose(header, view, _, _) if header.view == view:
                    if header.digest not in self._moved:
                        self._moved[header.digest] = timed(header, self._edge(header, now))
                    moved = self._moved[header.digest]
                    vote = self.vote(Kind.NOTARIZE, view, moved.digest)
                    out.append(Send(send.to, replace(send.message, header=moved, vote=vote)))
                case VoteMessage(vote) if vote.statement.digest in self._moved:
                    digest = self._moved[vote.statement.digest].digest
                    again = self.vote(vote.statement.kind, vote.statement.view, digest)
                    out.append(Send(send.to, VoteMessage(again)))
                case _:
                    out.append(send)
        return out

    def _edge(self, header: Header, now: Now) -> int:
        parent = self.inner.replica.state.final.time_ms
        far = now.wall_ms + CLOCK_SKEW_MAX
        edges = (parent + 1, far, far + 1, far + 50, 2**63 - 1, 2**63, 2**64 - 1)
        return self.role.random.choice(edges)
