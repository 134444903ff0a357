"""What a node says of itself: STATUS, signed by its node key, and HEAD, over somebody's nonce
(PROTOCOL §3, §6).

Owns what stands in them. Signing is the enclave's.
"""

from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.heads import HeadBody
from strongroom.consensus.messages import StatusBody
from strongroom.consensus.types import Height, PublicKey
from strongroom.node.ordering.epoch_run import EpochRun


def status_body(run: EpochRun, executed: Height) -> StatusBody:
    """Where a node stands, for all to hear."""
    state = run.replica.state
    return StatusBody(
        epoch=run.epoch,
        view=state.view,
        final_view=state.final_view,
        height=state.final.height,
        digest=state.final.digest,
        executed=executed,
        lanes=state.lane_lengths,
        lowest=Height(1),
    )


def head_body(run: EpochRun, opened: EpochEntry | None, nonce: bytes, asker: PublicKey) -> HeadBody:
    """What is newest here.

    Args:
        run: the epoch that runs.
        opened: what opened it, which proves its anchor; None: genesis did.
        nonce: of whoever asks, so that this is no older than the question.
        asker: the newest votes that are known of this node stand in the answer.
    """
    state, index = run.replica.state, run.index_of(asker)
    return HeadBody(
        nonce,
        run.epoch,
        state.final,
        state.final_proof or (None if opened is None else opened.certificate),
        state.newest_notarized,
        () if index is None else state.newest_votes_of(index),
    )
