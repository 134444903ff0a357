"""Says X in every view that it hears of, and nothing else (row 9)."""

from tests.simulation.actors.actor import ActorEvent, Liar, Role, Send

from strongroom.consensus.messages import CertificateMessage, Propose
from strongroom.consensus.replica.events import Now, Received
from strongroom.consensus.statements import Kind


class Nuller(Liar):
    """Says X in every view that it hears of, and nothing else (row 9)."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._newest = 0

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        """Nullify a view as soon as it begins."""
        if not isinstance(event, Received):
            return []
        match event.message:
            case Propose(_, view, _, _):
                heard = int(view)
            case CertificateMessage(certificate):
                heard = certificate.view + 1
            case _:
                return []
        if heard <= self._newest:
            return []
        self._newest = heard
        return [self.say(Kind.NULLIFY, heard)]
