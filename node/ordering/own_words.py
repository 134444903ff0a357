"""What a node says of itself: STATUS, signed by its node key, and HEAD, over somebody's nonce
(PROTOCOL §3, §6).

Owns what stands in them. Signing is the enclave's.
"""

from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.messages import HeadBody, StatusBody
from strongroom.consensus.types import Height, PublicKey
from strongroom.node.ordering.epoch_run import EpochRun


def status_body(run: EpochRun, executed: Height) -> StatusBody:
    """Where a node stands, for all to hear."""
    replica = run.replica
    return StatusBody(
        epoch=run.epoch,
        view=replica.view,
        final_view=replica.final_view,
        height=replica.final.height,
        digest=replica.final.digest,
        executed=executed,
        lanes=replica.lane_lengths,
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
    replica, index = run.replica, run.index_of(asker)
    return HeadBody(
        nonce,
        run.epoch,
        replica.final,
        replica.final_certificate or (None if opened is None else opened.certificate),
        replica.newest_notarized,
        () if index is None else replica.newest_votes_of(index),
    )
