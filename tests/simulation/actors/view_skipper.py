"""Proposes past notarized blocks that are not final yet, without an X for their views (row 14)."""

from dataclasses import replace

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.blocks import Header
from strongroom.consensus.justifications import Justification
from strongroom.consensus.messages import Propose, VoteMessage
from strongroom.consensus.replica.events import Now
from strongroom.consensus.replica.proposals import build_header
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Digest


class ViewSkipper(Puppet):
    """Builds on the final block whatever was notarized above it."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._skipping: dict[Digest, Header] = {}

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Replace each proposal by an empty block on the final one, justified by that one's
        certificate alone."""
        certificate = self.inner.replica.state.final_certificate
        out = []
        for send in sends:
            match send.message:
                case Propose(header, view, _, _) as proposal:
                    skipping = self._skipping.setdefault(header.digest, self._on_final(header, now))
                    vote = self.vote(Kind.NOTARIZE, view, skipping.digest)
                    justification = Justification(certificate, ())
                    changed = replace(
                        proposal, header=skipping, justification=justification, vote=vote
                    )
                    out.append(Send(send.to, changed))
                case VoteMessage(vote) if vote.statement.digest in self._skipping:
                    continue
                case _:
                    out.append(send)
        return out

    def _on_final(self, header: Header, now: Now) -> Header:
        replica = self.inner.replica
        return build_header(
            replica.state.final,
            chain=header.chain,
            epoch=header.epoch,
            view=header.view,
            proposer=header.proposer,
            wall_ms=now.wall_ms,
            data=(replica.state.final_cut, 0, 0),
            anchor=(replica.state.final.anchor, self.role.members.digest),
        )
