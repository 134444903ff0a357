"""What is said to members that are behind, or silent: repetition and help (R12, R13).

Owns the bounds of both: what one message repeats, and how often one peer is answered.
"""

from strongroom.consensus.messages import Justify
from strongroom.consensus.replica.state import ReplicaState
from strongroom.consensus.statements import Certificate, Kind, Vote
from strongroom.consensus.types import SignerIndex, View

FINALIZE_VOTES_RETRIED_MAX = 8
"""Own FINALIZE votes above the final block that one message repeats."""


class LaggardHelp:
    """The JUSTIFY messages of one replica."""

    def __init__(self, state: ReplicaState) -> None:
        self._state = state
        self._given: dict[tuple[SignerIndex, bool], tuple[View, float]] = {}

    def due(
        self, peer: SignerIndex, view: View, interval: float, now: float, *, asked: bool = False
    ) -> bool:
        """May this peer be answered now? Once per interval, unless it has come to a later view;
        takes note of it."""
        last_view, last = self._given.get((peer, asked), (View(0), float("-inf")))
        if view <= last_view and now - last < interval:
            return False
        self._given[peer, asked] = (view, now)
        return True

    def helping(self, view: View) -> Justify:
        """R13: what moves somebody in `view` on: all certificates from there, and one's own
        votes."""
        state = self._state
        lowest = View(max(view, state.final_view + 1))
        return self._justify(state.proofs.leading_from(lowest, state.view))

    def repeating(self) -> Justify:
        """R12: why one is in the current view, and what one has said there. Bounded on purpose."""
        state = self._state
        return self._justify(state.proofs.leading_to(state.view, state.final_view))

    def _justify(self, certificates: tuple[Certificate, ...]) -> Justify:
        state = self._state
        head = () if state.final_certificate is None else (state.final_certificate,)
        return Justify(state.epoch, state.view, head + certificates, self._votes())

    def _votes(self) -> tuple[Vote, ...]:
        state = self._state
        if state.own is None:
            return ()
        votes = [
            vote
            for vote in state.tally.votes_of(state.own)
            if vote.statement.view > state.final_view
        ]
        earlier = [
            vote
            for vote in votes
            if vote.statement.kind is Kind.FINALIZE and vote.statement.view < state.view
        ]
        here = [vote for vote in votes if vote.statement.view >= state.view]
        return (*here, *earlier[-FINALIZE_VOTES_RETRIED_MAX:])
