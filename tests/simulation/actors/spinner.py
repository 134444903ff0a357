"""Wants a quiet chain to spin: it proposes empty blocks without any work, shows them to some, and
keeps its votes back (R4; T32)."""

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.messages import CertificateMessage, Propose, VoteMessage
from strongroom.consensus.replica.events import Now, Work
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import SignerIndex


class Spinner(Puppet):
    """Always has work, of no use to anybody; what it says of its own blocks reaches whom it
    likes."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._fed = 0.0

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        """Before anything else, there is a reason to build."""
        if self._started and self.inner.own is not None and now.monotonic >= self._fed:
            self._fed = now.monotonic + 0.01
            self.inner.replica.step(Work(), now)
        return super().on_event(event, now)

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Proposals to a part, votes that make final to one or nobody, certificates to one."""
        out = []
        seats = range(self.role.seats)
        for send in sends:
            message = send.message
            random = self.role.random
            if isinstance(message, Propose) and not message.header.batch_count:
                out += [Send(SignerIndex(to), message) for to in seats if random.random() < 0.7]
            elif isinstance(message, VoteMessage) and message.vote.statement.kind is Kind.FINALIZE:
                if random.random() < 0.3:
                    out.append(Send(SignerIndex(random.choice(seats)), message))
            elif isinstance(message, CertificateMessage) and random.random() < 0.5:
                out.append(Send(SignerIndex(random.choice(seats)), message))
            else:
                out.append(send)
        return out

    def deadline(self) -> float | None:
        """It never rests."""
        own = super().deadline()
        return self._fed if own is None else min(own, self._fed)
