"""What a proposal must be to count at all, and how a leader builds one (R4, R5).

Owns the form: a pure function of the message and the validator set says whether it is entitled;
signatures of certificates and the block's validity are checked elsewhere.
"""

from strongroom.consensus.blocks import Anchor, Header
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.leaders import leader_of
from strongroom.consensus.messages import Propose
from strongroom.consensus.replica.lanes import Cut
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import (
    ChainId,
    Digest,
    Epoch,
    Height,
    Milliseconds,
    SignerIndex,
    View,
)

CLOCK_SKEW_MAX = 500
"""Milliseconds by which a block's time may be ahead of a voter's clock (R6): it leads the clocks of
an honest part of every quorum by no more."""


def check_proposal(
    message: Propose,
    *,
    epoch: Epoch,
    order: tuple[SignerIndex, ...],
    anchor: Digest,
    terminal: bool,
) -> None:
    """R5 without signatures: the leader's vote, a complete justification, and a block that is fresh
    or again.

    Args:
        message: the proposal, brought by anybody.
        epoch: the replica's.
        order: the epoch's order of leaders.
        anchor: digest of the epoch's anchor, the parent where no certificate is given.
        terminal: does its header end the epoch?

    Raises:
        PeerFault: it is not entitled to stand in its view.
    """
    header, view, justification, vote = (
        message.header,
        message.view,
        message.justification,
        message.vote,
    )
    leader = leader_of(order, view)
    if vote.signer != leader or vote.statement != Statement(
        Kind.NOTARIZE, epoch, view, header.digest
    ):
        raise PeerFault(f"proposal in view {view} without its leader's vote for it")
    justification.check_shape(view)
    parent = anchor if justification.parent is None else justification.parent.digest
    again = terminal and header.digest == parent
    fresh = header.view == view and header.parent == parent and header.proposer == leader
    if not (again or fresh):
        raise PeerFault(f"proposal in view {view} is neither fresh nor a terminal block again")


def ahead_ms(header: Header, parent: Header, wall_ms: Milliseconds) -> int:
    """Milliseconds by which a block's time is ahead of what a member with this clock votes for
    (R6); 0: it is not.

    A block one millisecond above its parent is never ahead: where the parent's time was taken from
    clocks that have been put right since, time stands nearly still until they pass it, and the
    chain goes on.
    """
    allowed = max(wall_ms + CLOCK_SKEW_MAX, parent.time_ms + 1)
    return max(0, header.time_ms - allowed)


def build_header(
    parent: Header,
    *,
    chain: ChainId,
    epoch: Epoch,
    view: View,
    proposer: SignerIndex,
    wall_ms: Milliseconds,
    data: tuple[Cut, int, int],
    anchor: tuple[Anchor, Digest],
) -> Header:
    """A child of `parent`: `data` is its cut with batches and bytes, `anchor` its anchor with the
    next epoch."""
    cut, count, size = data
    executed, next_epoch = anchor
    return Header(
        chain=chain,
        epoch=epoch,
        view=view,
        height=Height(parent.height + 1),
        parent=parent.digest,
        proposer=proposer,
        time_ms=Milliseconds(max(parent.time_ms + 1, wall_ms)),
        cut=cut,
        batch_count=count,
        batch_bytes=size,
        anchor=executed,
        next_epoch=next_epoch,
    )
