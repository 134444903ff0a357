"""f+1 conspirators: the control that must break agreement, so that the checkers are known to see it
(row 46)."""

from dataclasses import replace

from tests.simulation.actors.actor import ActorEvent, Liar, Role, Send
from tests.simulation.actors.equivocator import with_time
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.messages import CertificateMessage, Propose, VoteMessage
from strongroom.consensus.replica.events import Now, Received
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Digest, SignerIndex


class ForkingLeader(Puppet):
    """Shows one block to even members and another to odd ones, and votes with each side."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._faces: dict[Digest, Propose] = {}

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Split proposals; say N and F for both sides' blocks to their side."""
        out: list[Send] = []
        for send in sends:
            match send.message:
                case Propose(header, view, _, _) as proposal if send.to is not None:
                    if header.digest not in self._faces:
                        twin = with_time(header, header.time_ms + 1)
                        vote = self.vote(Kind.NOTARIZE, view, twin.digest)
                        self._faces[header.digest] = replace(proposal, header=twin, vote=vote)
                    shown = self._faces[header.digest] if send.to % 2 else proposal
                    out.append(Send(send.to, shown))
                    out.append(self.say(Kind.FINALIZE, view, shown.header.digest, to=send.to))
                case VoteMessage(vote) if vote.statement.digest in self._faces:
                    continue
                case CertificateMessage(certificate) if certificate.digest in self._faces:
                    continue
                case _:
                    out.append(send)
        return out


class Accomplice(Liar):
    """Agrees with everybody: says N and F to each member for what that member votes for."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._agreed: set[tuple[SignerIndex, int, Digest]] = set()

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        """Support whatever it is told, to the one that told it."""
        if not isinstance(event, Received) or not isinstance(event.message, VoteMessage):
            return []
        statement = event.message.vote.statement
        key = (event.sender, int(statement.view), statement.digest)
        if statement.kind is not Kind.NOTARIZE or key in self._agreed:
            return []
        self._agreed.add(key)
        kinds = (Kind.NOTARIZE, Kind.FINALIZE)
        return [self.say(kind, statement.view, statement.digest, to=event.sender) for kind in kinds]
