"""Forges votes of others, and certificates in every wrong form (rows 10, 13; T33, T36)."""

from collections import Counter
from dataclasses import replace

from tests.simulation.actors.actor import ActorEvent, Liar, Role, Send

from strongroom.consensus.messages import CertificateMessage, Justify, Propose, VoteMessage
from strongroom.consensus.replica.events import Now, Received
from strongroom.consensus.statements import Certificate, Kind, Statement, Vote
from strongroom.consensus.types import Signature, SignerIndex, View

FORGERIES_PER_VIEW = 8
"""So that two forgers do not answer each other for ever."""


class Forger(Liar):
    """Takes what it hears, and sends it on as somebody else's, or as more than it is."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._forged_in: Counter[View] = Counter()

    def on_event(self, event: ActorEvent, now: Now) -> list[Send]:
        """Forge something of the same view."""
        if not isinstance(event, Received) or self.role.random.random() < 0.5:
            return []
        match event.message:
            case VoteMessage(vote):
                self._forged_in[vote.statement.view] += 1
                return (
                    self._forge_vote(vote)
                    if self._forged_in[vote.statement.view] <= FORGERIES_PER_VIEW
                    else []
                )
            case Propose(_, view, _, vote):
                twisted = replace(vote, signature=Signature(bytes(64)))
                forged = replace(event.message, vote=twisted)
                return [
                    Send(None, forged),
                    self._certificate(Kind.FINALIZE, view, vote),
                    *self._forge_vote(vote),
                ]
            case _:
                return []

    def _forge_vote(self, vote: Vote) -> list[Send]:
        members = len(self.role.members.validators)
        victim = SignerIndex(
            (self.role.index + 1 + self.role.random.randrange(members - 1)) % members
        )
        forged = Vote(vote.statement, victim, Signature(self.role.random.randbytes(64)))
        about = vote.statement
        own = Vote(about, self.role.index, Signature(bytes(64)))
        justify = Justify(about.epoch, View(about.view + 1), (self._forged(about),), (forged,))
        return [
            Send(None, VoteMessage(forged)),
            Send(None, VoteMessage(own)),
            Send(victim, justify),
        ]

    def _certificate(self, kind: Kind, view: View, vote: Vote) -> Send:
        return Send(None, CertificateMessage(self._forged(replace(vote.statement, kind=kind))))

    def _forged(self, statement: Statement) -> Certificate:
        """One genuine signature, repeated for a quorum of signers; or one signer too few."""
        signature = self.role.vote_key.sign(statement.signed_bytes(self.role.chain))
        size = self.role.members.quorum.size - self.role.random.randrange(2)
        signers = tuple(SignerIndex(index) for index in range(max(1, size)))
        return Certificate(statement, signers, (signature,) * len(signers))
