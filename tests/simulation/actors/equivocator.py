"""As leader, proposes one block to some and another to the rest, and votes for both (fault matrix
row 6)."""

from dataclasses import replace

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.blocks import Header
from strongroom.consensus.messages import Propose, VoteMessage
from strongroom.consensus.replica.events import Now
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Digest, Milliseconds


def with_time(header: Header, time_ms: int) -> Header:
    """The same block at another time: valid, and another digest."""
    values = {
        name: getattr(header, name)
        for name in header.__dataclass_fields__
        if name not in ("encoded", "digest")
    }
    return Header(**{**values, "time_ms": Milliseconds(time_ms)})


class Equivocator(Puppet):
    """Two faces in every view that it leads; says N and F for both."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._faces: dict[Digest, Propose] = {}

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Proposals turn into one of two; votes for one block into votes for both."""
        out: list[Send] = []
        for send in sends:
            match send.message:
                case Propose() as proposal:
                    out += self._split(send, proposal)
                case VoteMessage(vote) if vote.statement.digest in self._faces:
                    other = self._faces[vote.statement.digest]
                    out += [
                        send,
                        self.say(
                            vote.statement.kind,
                            vote.statement.view,
                            other.header.digest,
                            to=send.to,
                        ),
                    ]
                case _:
                    out.append(send)
        return out

    def _split(self, send: Send, proposal: Propose) -> list[Send]:
        if proposal.header.digest not in self._faces:
            twin = with_time(proposal.header, proposal.header.time_ms + 1)
            vote = self.vote(Kind.NOTARIZE, proposal.view, twin.digest)
            self._faces[proposal.header.digest] = replace(proposal, header=twin, vote=vote)
        twin_proposal = self._faces[proposal.header.digest]
        chosen = (proposal, twin_proposal)[self.role.random.randrange(2)]
        both = [proposal.header.digest, twin_proposal.header.digest]
        words = [self.say(Kind.FINALIZE, proposal.view, digest, to=send.to) for digest in both]
        return [Send(send.to, chosen), *words]
