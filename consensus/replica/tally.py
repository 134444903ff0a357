"""Where a vote is counted (R1).

Owns one slot per (view, kind, signer), own votes included: there is no other path. Signatures are
verified lazily, only when a count could reach a quorum, and never after it. Knows nothing of what a
certificate then causes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.replica.events import Equivocation
from strongroom.consensus.statements import Certificate, Kind, Vote
from strongroom.consensus.types import (
    NO_DIGEST,
    ChainId,
    Digest,
    PublicKey,
    Signature,
    SignerIndex,
    View,
)
from strongroom.consensus.validators import EpochDescription, Verify

VIEWS_AHEAD_MAX = 64
"""Votes for later views than this many above one's own are dropped (R0)."""
VIEWS_BEHIND_MAX = 64
"""Votes of earlier views than this many below one's own are forgotten; their certificates are
not."""

_CONTRARY = {Kind.NULLIFY: Kind.FINALIZE, Kind.FINALIZE: Kind.NULLIFY}


@dataclass(slots=True)
class _Slot:
    vote: Vote
    verified: bool


@dataclass(slots=True)
class _Round:
    """Votes of one view."""

    slots: dict[tuple[Kind, SignerIndex], _Slot] = field(default_factory=dict)
    counts: dict[tuple[Kind, Digest], int] = field(default_factory=dict)
    certified: set[Kind] = field(default_factory=set)
    accused: set[SignerIndex] = field(default_factory=set)

    def fill(self, vote: Vote, *, verified: bool) -> int:
        """Put a vote into its free slot; returns how many now say the same."""
        statement = vote.statement
        self.slots[statement.kind, vote.signer] = _Slot(vote, verified)
        key = (statement.kind, statement.digest)
        self.counts[key] = count = self.counts.get(key, 0) + 1
        return count

    def empty(self, slot: _Slot) -> None:
        statement = slot.vote.statement
        del self.slots[statement.kind, slot.vote.signer]
        self.counts[statement.kind, statement.digest] -= 1


@dataclass(frozen=True, slots=True)
class Count:
    """What one more vote led to."""

    certificate: Certificate | None = None
    evidence: tuple[Equivocation, ...] = ()
    forgers: tuple[SignerIndex, ...] = ()
    """Members whose own link had brought a vote that does not verify."""


_NOTHING = Count()


class Tally:
    """Counts the votes of one epoch's members."""

    def __init__(self, chain: ChainId, members: EpochDescription, verify: Verify) -> None:
        self._chain, self._members, self._verify = chain, members, verify
        self._quorum = members.quorum.size
        self._rounds: dict[View, _Round] = {}
        self._newest: dict[tuple[SignerIndex, Kind], Vote] = {}

    def add(self, vote: Vote, *, own_link: bool, verified: bool = False) -> Count:
        """Count a vote.

        Args:
            vote: of this epoch, in a view within the caller's window.
            own_link: it came over its signer's own authenticated link; any other is verified now
                (T36).
            verified: the caller has verified it already.

        Raises:
            PeerFault: no member's, or verified and found forged; nothing has changed then.
        """
        if vote.signer >= len(self._members.validators):
            raise PeerFault(f"vote by signer {vote.signer}, who is no member")
        statement = vote.statement
        held_round = self._rounds.get(statement.view)
        held = None if held_round is None else held_round.slots.get((statement.kind, vote.signer))
        if held is not None and held_round is not None:
            if held.vote == vote:
                return _NOTHING
            return self._second(held_round, held, vote, own_link=own_link, verified=verified)
        if not own_link and not verified:
            if held_round is not None and statement.kind in held_round.certified:
                return _NOTHING
            vote.check(self._chain, self._members, self._verify)
        if held_round is None:
            held_round = self._rounds[statement.view] = _Round()
        self.note(vote)
        count = held_round.fill(vote, verified=verified or not own_link)
        if statement.kind in _CONTRARY:
            contrary = held_round.slots.get((_CONTRARY[statement.kind], vote.signer))
            if contrary is not None:
                return self._contradiction(held_round, contrary, vote)
        if count < self._quorum or statement.kind in held_round.certified:
            return _NOTHING
        return self._certify(held_round, vote)

    def _second(
        self, held_round: _Round, held: _Slot, vote: Vote, *, own_link: bool, verified: bool
    ) -> Count:
        """Another vote for an occupied slot: the first is verified, then the second, before either
        means anything."""
        if not self._genuine(held):
            held_round.empty(held)
            count = self.add(vote, own_link=own_link, verified=verified)
            return replace(count, forgers=(*count.forgers, held.vote.signer))
        if held.vote.statement == vote.statement or vote.signer in held_round.accused:
            return _NOTHING
        if not verified:
            vote.check(self._chain, self._members, self._verify)
        held_round.accused.add(vote.signer)
        return Count(evidence=(Equivocation(held.vote, vote),))

    def _contradiction(self, held_round: _Round, contrary: _Slot, vote: Vote) -> Count:
        """NULLIFY and FINALIZE by one signer in one view; each that is forged loses its slot."""
        forged = [
            slot
            for slot in (contrary, held_round.slots[vote.statement.kind, vote.signer])
            if not self._genuine(slot)
        ]
        for slot in forged:
            held_round.empty(slot)
        if forged or vote.signer in held_round.accused:
            return Count(forgers=(vote.signer,) if forged else ())
        held_round.accused.add(vote.signer)
        return self._with_certificate(
            held_round, vote, Count(evidence=(Equivocation(contrary.vote, vote),))
        )

    def _with_certificate(self, held_round: _Round, vote: Vote, count: Count) -> Count:
        statement = vote.statement
        if statement.kind in held_round.certified:
            return count
        if held_round.counts[statement.kind, statement.digest] < self._quorum:
            return count
        certified = self._certify(held_round, vote)
        return replace(
            count, certificate=certified.certificate, forgers=count.forgers + certified.forgers
        )

    def _certify(self, held_round: _Round, vote: Vote) -> Count:
        """Verify until a quorum of equal votes stands; what fails loses its slot."""
        statement = vote.statement
        equal = [slot for slot in held_round.slots.values() if slot.vote.statement == statement]
        equal.sort(key=lambda slot: (not slot.verified, slot.vote.signer))
        good: list[Vote] = []
        forgers: list[SignerIndex] = []
        for slot in equal:
            if len(good) == self._quorum:
                break
            if self._genuine(slot):
                good.append(slot.vote)
            else:
                held_round.empty(slot)
                forgers.append(slot.vote.signer)
        if len(good) < self._quorum:
            return Count(forgers=tuple(forgers))
        held_round.certified.add(statement.kind)
        good.sort(key=lambda vote: vote.signer)
        signers, signatures = (
            tuple(vote.signer for vote in good),
            tuple(vote.signature for vote in good),
        )
        return Count(
            certificate=Certificate(statement, signers, signatures), forgers=tuple(forgers)
        )

    def _genuine(self, slot: _Slot) -> bool:
        if not slot.verified:
            try:
                slot.vote.check(self._chain, self._members, self._verify)
            except PeerFault:
                return False
            slot.verified = True
        return True

    def check(self, certificate: Certificate) -> None:
        """Check a certificate; signatures that were verified here as votes are not verified again.

        Raises:
            PeerFault: as `Certificate.check`.
        """
        held_round = self._rounds.get(certificate.view, _Round())
        known = {
            (self._members.validators[slot.vote.signer].vote_key, slot.vote.signature)
            for slot in held_round.slots.values()
            if slot.verified and slot.vote.statement == certificate.statement
        }

        def verify(key: bytes, signature: bytes, message: bytes) -> bool:
            return (PublicKey(key), Signature(signature)) in known or self._verify(
                key, signature, message
            )

        certificate.check(self._chain, self._members, verify)

    def has_verified(self, vote: Vote) -> bool:
        """Does exactly this vote hold its slot, verified?"""
        held_round = self._rounds.get(vote.statement.view)
        slot = (
            None if held_round is None else held_round.slots.get((vote.statement.kind, vote.signer))
        )
        return slot is not None and slot.verified and slot.vote == vote

    def close(self, view: View, kind: Kind) -> None:
        """A certificate of this kind is held: stop counting."""
        self._rounds.setdefault(view, _Round()).certified.add(kind)

    def note(self, vote: Vote) -> None:
        """Keep the newest vote of each signer and kind, whatever the view (HEAD, PROTOCOL §6)."""
        key = (vote.signer, vote.statement.kind)
        held = self._newest.get(key)
        if held is None or held.statement.view < vote.statement.view:
            self._newest[key] = vote

    def newest_of(self, signer: SignerIndex) -> tuple[Vote, ...]:
        """The newest votes of a signer, at most one per kind."""
        return tuple(vote for (by, _), vote in sorted(self._newest.items()) if by == signer)

    def vote_of(self, view: View, kind: Kind, signer: SignerIndex) -> Vote | None:
        """The vote that holds a slot."""
        held_round = self._rounds.get(view)
        slot = None if held_round is None else held_round.slots.get((kind, signer))
        return None if slot is None else slot.vote

    def votes_of(self, signer: SignerIndex) -> Iterator[Vote]:
        """All held votes of a signer, by view and kind."""
        for view in sorted(self._rounds):
            for kind in Kind:
                vote = self.vote_of(view, kind, signer)
                if vote is not None:
                    yield vote

    def nullifiers(self, view: View) -> int:
        """How many distinct members said NULLIFY."""
        held_round = self._rounds.get(view)
        return 0 if held_round is None else held_round.counts.get((Kind.NULLIFY, NO_DIGEST), 0)

    def drop_below(self, view: View) -> None:
        """Forget the votes of all views below this one."""
        for old in [at for at in self._rounds if at < view]:
            del self._rounds[old]

    @property
    def size(self) -> int:
        """Slots in use."""
        return sum(len(held_round.slots) for held_round in self._rounds.values())
