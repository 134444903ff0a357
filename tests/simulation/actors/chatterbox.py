"""Says N, X and F about everything that it hears of (fault matrix rows 7 and 8)."""

from tests.simulation.actors.actor import ActorEvent, Liar, Role, Send

from strongroom.consensus.messages import CertificateMessage, Propose, VoteMessage
from strongroom.consensus.replica.events import Now, Received
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import NO_DIGEST

HEARD_MAX = 4096


class Chatterbox(Liar):
    """Contradicts itself in every view, and never follows the chain."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._said: set[Statement] = set()

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        """Answer each new block with every vote for it."""
        if not isinstance(event, Received) or len(self._said) > HEARD_MAX:
            return []
        match event.message:
            case Propose(header, view, _, _):
                digest = header.digest
            case VoteMessage(vote):
                view, digest = vote.statement.view, vote.statement.digest
            case CertificateMessage(certificate):
                view, digest = certificate.view, certificate.digest
            case _:
                return []
        words = [(Kind.NULLIFY, NO_DIGEST)]
        if digest != NO_DIGEST:
            words += [(Kind.NOTARIZE, digest), (Kind.FINALIZE, digest)]
        sends = []
        for kind, about in words:
            statement = Statement(kind, self.role.members.epoch, view, about)
            if statement not in self._said:
                self._said.add(statement)
                sends.append(self.say(kind, view, about))
        return sends
