"""What is said to members that are behind, or silent: repetition and help (R12, R13).

Owns the bounds of both: what one message repeats, and how often one peer is answered.
"""

from strongroom.consensus.messages import Justify
from strongroom.consensus.replica.proofs import Proofs
from strongroom.consensus.replica.tally import Tally
from strongroom.consensus.statements import Certificate, Kind, Vote
from strongroom.consensus.types import Epoch, SignerIndex, View

FINALIZE_VOTES_RETRIED_MAX = 8
"""Own FINALIZE votes above the final block that one message repeats."""


class LaggardHelp:
    """The JUSTIFY messages of one replica."""

    def __init__(self, epoch: Epoch, own: SignerIndex | None, proofs: Proofs, tally: Tally) -> None:
        self._epoch, self._own, self._proofs, self._tally = epoch, own, proofs, tally
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

    def helping(
        self, view: View, current: View, final_view: View, final: Certificate | None
    ) -> Justify:
        """R13: what moves somebody in `view` on: all certificates from there, and one's own
        votes."""
        certificates = self._proofs.leading_from(View(max(view, final_view + 1)), current)
        return self._justify(current, final_view, final, certificates)

    def repeating(self, current: View, final_view: View, final: Certificate | None) -> Justify:
        """R12: why one is in the current view, and what one has said there. Bounded on purpose."""
        return self._justify(
            current, final_view, final, self._proofs.leading_to(current, final_view)
        )

    def _justify(
        self,
        current: View,
        final_view: View,
        final: Certificate | None,
        certificates: tuple[Certificate, ...],
    ) -> Justify:
        head = () if final is None else (final,)
        return Justify(self._epoch, current, head + certificates, self._votes(current, final_view))

    def _votes(self, current: View, final_view: View) -> tuple[Vote, ...]:
        if self._own is None:
            return ()
        votes = [
            vote for vote in self._tally.votes_of(self._own) if vote.statement.view > final_view
        ]
        earlier = [
            vote
            for vote in votes
            if vote.statement.kind is Kind.FINALIZE and vote.statement.view < current
        ]
        here = [vote for vote in votes if vote.statement.view >= current]
        return (*here, *earlier[-FINALIZE_VOTES_RETRIED_MAX:])
