"""The voting key and the rule that it obeys, inside the enclave (PROTOCOL §4 Guard, T30).

Owns the only way in which a consensus statement gets signed. The host's log refills the promises after a restart; a
peer that shows a vote of this key which the log does not have silences it for good (PROTOCOL §6).
"""

from collections.abc import Iterable

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.guard import Promises
from strongroom.consensus.statements import Statement, Vote
from strongroom.consensus.types import ChainId, Signature, View
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.primitives import SigningKey, verify

CASTS_MAX = 4096


class Silenced(ClientFault):
    """This enclave does not vote, or not yet."""


class VotingGuard:
    """Signs what was never contradicted."""

    def __init__(self, chain: ChainId, members: EpochDescription, key: SigningKey) -> None:
        self._chain, self._members, self._key = chain, members, key
        self._promises = Promises(members.epoch)
        self._has_cast = False
        self._silenced_by = ""

    @property
    def may_vote(self) -> bool:
        """False once a peer has shown a vote of mine that I do not remember."""
        return not self._silenced_by

    def recall(self, statements: Iterable[Statement]) -> None:
        """Take over what the log says was cast in earlier boots.

        Raises:
            Silenced: after the first cast of this boot; a log is read before it is written.
            GuardRefuses: the log contradicts itself; nothing of it is taken.
        """
        if self._has_cast:
            raise Silenced("statements are recalled before the first cast, not after")
        self._promise(list(statements))

    def forget_below(self, view: View) -> None:
        """Drop promises up to a final view; nothing is cast there any more."""
        self._promises.forget_below(view)

    def notice(self, votes: Iterable[Vote]) -> None:
        """Look at votes that peers hold of this key: one that is unknown here proves a lost or stale log."""
        for vote in votes:
            statement = vote.statement
            if statement.epoch != self._members.epoch or self._promises.knows(statement):
                continue
            if verify(self._key.public, vote.signature, statement.signed_bytes(self._chain)):
                self._silenced_by = f"a vote in view {statement.view} is not in the log"

    def cast(self, statements: Iterable[Statement]) -> tuple[Signature, ...]:
        """Sign statements, each checked against all promises, those of this call included.

        Raises:
            Silenced: this key must not vote.
            GuardRefuses: a statement contradicts an earlier one; none of this call is signed or remembered.
        """
        if self._silenced_by:
            raise Silenced(f"this enclave only observes: {self._silenced_by}")
        held = list(statements)
        self._promise(held)
        self._has_cast = True
        return tuple(self._key.sign(statement.signed_bytes(self._chain)) for statement in held)

    def _promise(self, statements: list[Statement]) -> None:
        """Take all of them, or none when one contradicts what was said before or another one of them."""
        together = Promises(self._members.epoch)
        for statement in statements:
            self._promises.check(statement)
            together.add(statement)
        for statement in statements:
            self._promises.add(statement)
