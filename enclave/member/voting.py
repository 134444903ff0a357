"""The voting key and the rule that it obeys, inside the enclave (PROTOCOL §4 Guard, T30).

Owns the only way in which a consensus statement gets signed. The host's log refills the promises
after a restart; a peer that shows a vote of this key which the log does not have silences it for
good (PROTOCOL §6).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.remembered import RememberedSignatures
from strongroom.consensus.safety import SafetyRules
from strongroom.consensus.statements import Statement, Vote
from strongroom.consensus.types import ChainId, Epoch, Signature, View
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.primitives import SigningKey


class Silenced(ClientFault):
    """This enclave does not vote, or not yet."""


class VoteSigner:
    """Signs what was never contradicted."""

    def __init__(
        self,
        chain: ChainId,
        description: EpochDescription,
        key: SigningKey,
        signatures: RememberedSignatures,
    ) -> None:
        self._chain, self._description, self._key = chain, description, key
        self._signatures = signatures
        self._promises = SafetyRules(description.epoch)
        self._has_cast = False
        self.silenced_by = ""
        """Why this key only observes; empty while it may vote."""

    @property
    def may_vote(self) -> bool:
        """False once a peer has shown a vote of mine that I do not remember."""
        return not self.silenced_by

    @property
    def promises(self) -> tuple[Statement, ...]:
        """What was said and is not forgotten."""
        return self._promises.all()

    @property
    def floor(self) -> View:
        """Up to which view nothing new is said."""
        return self._promises.floor

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
        """Look at votes that peers hold of this key: one that is unknown here proves a lost or
        stale log."""
        for vote in votes:
            statement = vote.statement
            if statement.epoch != self._description.epoch or self._promises.knows(statement):
                continue
            message = statement.signed_bytes(self._chain)
            if self._signatures(self._key.public, vote.signature, message):
                self.silenced_by = f"a vote in view {statement.view} is not in the log"

    def cast(self, statements: Iterable[Statement]) -> tuple[Signature, ...]:
        """Sign statements, each checked against all promises, those of this call included.

        Raises:
            Silenced: this key must not vote.
            GuardRefuses: a statement contradicts an earlier one; none of this call is signed or
                remembered.
        """
        if self.silenced_by:
            raise Silenced(f"this enclave only observes: {self.silenced_by}")
        held = list(statements)
        self._promise(held)
        self._has_cast = True
        return tuple(map(self._sign, held))

    def _sign(self, statement: Statement) -> Signature:
        """The certificate that comes back with this signature in it has one less to verify."""
        message = statement.signed_bytes(self._chain)
        signature = self._key.sign(message)
        self._signatures.made(self._key.public, signature, message)
        return signature

    def _promise(self, statements: list[Statement]) -> None:
        """Take all of them, or none when one contradicts what was said before or another one of
        them."""
        together = SafetyRules(self._description.epoch)
        for statement in statements:
            self._promises.check(statement)
            together.add(statement)
        for statement in statements:
            self._promises.add(statement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What binds the vote keys of a boot, whichever process has them."""

    said: tuple[Statement, ...]
    """Every statement that must not be contradicted."""
    floors: tuple[tuple[Epoch, View], ...]
    """Up to which view of an epoch nothing new may be said."""
    silenced: tuple[tuple[Epoch, str], ...] = ()
    """Epochs in which this boot does not vote, and why."""


@dataclass(frozen=True, slots=True)
class _Handed:
    """What binds a vote key of one epoch, from the process that had it before."""

    said: tuple[Statement, ...]
    floor: View
    silenced_by: str


class VotingGuards:
    """One guard per epoch in which this enclave is a validator: a promise of one says nothing in
    another (T33)."""

    def __init__(self, chain: ChainId, signatures: RememberedSignatures) -> None:
        self._chain, self._signatures = chain, signatures
        self._guards: dict[Epoch, VoteSigner] = {}
        self._handed: dict[Epoch, _Handed] = {}
        """Of epochs that another process of this boot knew, and this one does not know yet."""

    def begin(self, description: EpochDescription, key: SigningKey | None) -> None:
        """An epoch is known, in which this enclave has this vote key (None: it is no validator).
        Once per epoch; what another process of this boot said there binds it from the start."""
        if key is not None and description.epoch not in self._guards:
            guard = VoteSigner(self._chain, description, key, self._signatures)
            if description.epoch in self._handed:
                _go_on(guard, self._handed.pop(description.epoch))
            self._guards[description.epoch] = guard

    def close_below(self, epoch: Epoch) -> None:
        """Epochs that ended: nothing is cast there any more."""
        self._guards = {at: guard for at, guard in self._guards.items() if at >= epoch}
        self._handed = {at: handed for at, handed in self._handed.items() if at >= epoch}

    def of(self, epoch: Epoch) -> VoteSigner:
        """The guard of an epoch.

        Raises:
            Silenced: this enclave has no vote there.
        """
        guard = self._guards.get(epoch)
        if guard is None:
            raise Silenced(f"this enclave has no vote in epoch {epoch}")
        return guard

    def may_vote(self, epoch: Epoch) -> bool:
        """Is there a guard that signs?"""
        return epoch in self._guards and self._guards[epoch].may_vote

    def recall(self, statements: Iterable[Statement]) -> None:
        """Take over what the log says was cast; of epochs that are over, or in which there is no
        vote, nothing.

        Raises:
            Silenced: after the first cast of this boot in that epoch.
            GuardRefuses: the log contradicts itself.
        """
        by_epoch: dict[Epoch, list[Statement]] = {}
        for statement in statements:
            by_epoch.setdefault(statement.epoch, []).append(statement)
        for epoch, said in by_epoch.items():
            if epoch in self._guards:
                self._guards[epoch].recall(said)

    def notice(self, votes: Iterable[Vote]) -> None:
        """Look at votes that peers hold of this enclave's keys."""
        shown = list(votes)
        for guard in self._guards.values():
            guard.notice(shown)

    def cast(self, statements: Sequence[Statement]) -> tuple[Signature, ...]:
        """Sign statements of one epoch.

        Raises:
            Silenced: no vote there, or not any more; or they are of several epochs.
            GuardRefuses: a statement contradicts an earlier one.
        """
        epochs = {statement.epoch for statement in statements}
        if len(epochs) > 1:
            raise Silenced("statements of several epochs in one call")
        return self.of(epochs.pop()).cast(statements) if epochs else ()

    def forget_below(self, epoch: Epoch, view: View) -> None:
        """Drop promises of an epoch up to a final view."""
        if epoch in self._guards:
            self._guards[epoch].forget_below(view)

    def hand_over(self) -> Promises:
        """All that was said and is not forgotten, for whoever goes on with these keys; also what
        was taken over of epochs that never became known here."""
        bound = dict(self._handed) | {
            epoch: _Handed(guard.promises, guard.floor, guard.silenced_by)
            for epoch, guard in self._guards.items()
        }
        return Promises(
            said=tuple(statement for one in bound.values() for statement in one.said),
            floors=tuple((epoch, one.floor) for epoch, one in sorted(bound.items())),
            silenced=tuple(
                (epoch, one.silenced_by) for epoch, one in sorted(bound.items()) if one.silenced_by
            ),
        )

    def take_over(self, promises: Promises) -> None:
        """Go on with keys that spoke in another process of this boot.

        Its host may have kept the beginning of an epoch from this one: what was said there waits
        until it is shown (T30).
        """
        by_epoch: dict[Epoch, list[Statement]] = {}
        for statement in promises.said:
            by_epoch.setdefault(statement.epoch, []).append(statement)
        limits, silenced = dict(promises.floors), dict(promises.silenced)
        self._handed = {
            epoch: _Handed(
                tuple(by_epoch.get(epoch, ())),
                limits.get(epoch, View(0)),
                silenced.get(epoch, ""),
            )
            for epoch in {*by_epoch, *limits, *silenced, *self._guards}
        }
        for epoch, guard in self._guards.items():
            _go_on(guard, self._handed.pop(epoch))


def _go_on(guard: VoteSigner, handed: _Handed) -> None:
    guard.recall(handed.said)
    # As known as it was to the process before: a peer may show a vote of a final view at any time.
    guard.forget_below(handed.floor)
    # What a learner noticed counts for nothing: it did not know what was said.
    guard.silenced_by = handed.silenced_by
