"""What one may see of a replica at one moment: who leads, what is proposed, who said what.

Owns a copy of facts that stand elsewhere; it changes nothing and decides nothing. Made for people
who watch: votes count here as they came over their signers' links, before anybody verifies them.
"""

from dataclasses import dataclass

from strongroom.consensus.blocks import Header
from strongroom.consensus.leaders import leader_of
from strongroom.consensus.replica.state import ReplicaState
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Epoch, Height, Sequence, SignerIndex, View


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPicture:
    """One view."""

    view: View
    leader: SignerIndex
    proposal: Header | None
    """The candidate that is held here; None: none is, or it was forgotten."""
    notarize: tuple[SignerIndex, ...]
    """Who said so, as far as it is known here, whichever block they named; certificates count
    too."""
    nullify: tuple[SignerIndex, ...]
    finalize: tuple[SignerIndex, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePicture:
    """One validator's lane."""

    lane: SignerIndex
    length: Sequence
    """Batches that are held here without a gap, from the lane's first one on."""
    waiting: int
    """Of these, beyond the final cut."""
    frozen: bool
    """Two branches of it were seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaPicture:
    """A replica, now. Times are seconds."""

    epoch: Epoch
    height: Height
    """Of the final block."""
    quorum: int
    current: ViewPicture
    before: ViewPicture | None
    """The view below the current one, whose FINALIZE votes arrive during this one; None in the
    first view."""
    lasted: float
    """Since this replica entered the current view."""
    lanes: tuple[LanePicture, ...]
    """By index."""
    strikes: int
    delta: float
    """Δ (R9)."""
    proposal_in: float | None
    """Until t_prop fires; None: it is not armed."""
    view_in: float | None
    """The same of t_view."""
    retry_in: float | None
    """The same of t_retry (R12)."""


def picture_of(state: ReplicaState, now: float) -> ReplicaPicture:
    """Look at a replica between two of its steps.

    Args:
        state: the replica's.
        now: monotonic seconds, of the clock whose times its events carry.
    """
    pacemaker = state.pacemaker
    left = (None if at is None else max(0.0, at - now) for at in pacemaker.deadlines)
    proposal_in, view_in, retry_in = left
    return ReplicaPicture(
        epoch=state.epoch,
        height=state.final.height,
        quorum=state.quorum.size,
        current=_view(state, state.view),
        before=None if state.view <= 1 else _view(state, View(state.view - 1)),
        lasted=max(0.0, now - pacemaker.entered),
        lanes=_lanes(state),
        strikes=pacemaker.strikes,
        delta=pacemaker.delta,
        proposal_in=proposal_in,
        view_in=view_in,
        retry_in=retry_in,
    )


def _view(state: ReplicaState, view: View) -> ViewPicture:
    return ViewPicture(
        view=view,
        leader=leader_of(state.tree.order, view),
        proposal=_proposal(state, view),
        notarize=_signers(state, view, Kind.NOTARIZE),
        nullify=_signers(state, view, Kind.NULLIFY),
        finalize=_signers(state, view, Kind.FINALIZE),
    )


def _proposal(state: ReplicaState, view: View) -> Header | None:
    if view == state.final_view:
        return state.final
    digest = state.candidates.get(view)
    if digest is None:
        notarized = state.proofs.get(Kind.NOTARIZE, view)
        digest = None if notarized is None else notarized.digest
    return None if digest is None else state.header_of(digest)


def _signers(state: ReplicaState, view: View, kind: Kind) -> tuple[SignerIndex, ...]:
    """Votes are forgotten once their view is final; the certificate stands."""
    certificate = state.proofs.get(kind, view)
    said = set() if certificate is None else set(certificate.signers)
    members = map(SignerIndex, range(len(state.members.validators)))
    return tuple(
        signer
        for signer in members
        if signer in said or state.tally.vote_of(view, kind, signer) is not None
    )


def _lanes(state: ReplicaState) -> tuple[LanePicture, ...]:
    cut, frozen = state.final_cut, state.lanes.frozen
    return tuple(
        LanePicture(
            lane=SignerIndex(index),
            length=length,
            waiting=length - cut[index].length,
            frozen=index in frozen,
        )
        for index, length in enumerate(state.lane_lengths)
    )
