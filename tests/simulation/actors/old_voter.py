"""Votes on with the keys of epochs that have ended, whether or not it is still a member (row 39;
T33)."""

from tests.simulation.actors.actor import ActorEvent, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.messages import Propose, VoteMessage
from strongroom.consensus.replica.events import Now, Received
from strongroom.consensus.statements import Kind, Statement, Vote
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, SignerIndex, View


class OldVoter(Puppet):
    """Its first key speaks in every epoch, and its newest key in those before."""

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Beside what is honest: NOTARIZE, NULLIFY and FINALIZE of what is proposed, by keys that
        have no say."""
        if not isinstance(event, Received) or not isinstance(event.message, Propose):
            return sends
        header, view = event.message.header, event.message.view
        out = list(sends)
        for epoch in {Epoch(0), header.epoch, Epoch(header.epoch + 1)}:
            for kind, digest in (
                (Kind.NOTARIZE, header.digest),
                (Kind.NULLIFY, NO_DIGEST),
                (Kind.FINALIZE, header.digest),
            ):
                out.append(Send(None, VoteMessage(self._old_vote(kind, epoch, view, digest))))
        return out

    def _old_vote(self, kind: Kind, epoch: Epoch, view: View, digest: Digest) -> Vote:
        statement = Statement(kind, epoch, view, digest)
        key = self.origin.vote_key
        return Vote(
            statement,
            SignerIndex(self.role.index),
            key.sign(statement.signed_bytes(self.role.chain)),
        )
