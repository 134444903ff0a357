"""The votes under way, as a document: `node_consensus` and the topic `consensus` (INTERFACES,
JSON-RPC).

Pure function of a picture of the replica and of names. Times are milliseconds.
"""

from collections.abc import Sequence

from strongroom.consensus.replica.picture import LanePicture, ReplicaPicture, ViewPicture
from strongroom.node.rpc.backend import Document


def consensus_document(
    picture: ReplicaPicture, names: Sequence[str], *, own: str, time_ms: int
) -> Document:
    """What this node sees of the votes.

    Args:
        picture: of its replica.
        names: of the epoch's validators, by index.
        own: this node's name.
        time_ms: Unix milliseconds at which the picture was taken.
    """
    before = picture.before
    return {
        "node": own,
        "time_ms": time_ms,
        "epoch": picture.epoch,
        "height": picture.height,
        "quorum": picture.quorum,
        "validators": list(names),
        **_view(picture.current, names),
        "since_ms": _ms(picture.lasted),
        "before": None if before is None else _view(before, names),
        "lanes": [_lane(lane, names) for lane in picture.lanes],
        "timeouts": {
            "strikes": picture.strikes,
            "delta_ms": _ms(picture.delta),
            "proposal_ms": _ms_or_none(picture.proposal_in),
            "view_ms": _ms_or_none(picture.view_in),
            "retry_ms": _ms_or_none(picture.retry_in),
        },
    }


def _view(view: ViewPicture, names: Sequence[str]) -> Document:
    header = view.proposal
    return {
        "view": view.view,
        "leader": names[view.leader],
        "proposal": None
        if header is None
        else {
            "height": header.height,
            "hash": header.digest,
            "proposer": names[header.proposer],
            "time_ms": header.time_ms,
            "batches": header.batch_count,
            "bytes": header.batch_bytes,
        },
        "notarize": [names[signer] for signer in view.notarize],
        "nullify": [names[signer] for signer in view.nullify],
        "finalize": [names[signer] for signer in view.finalize],
    }


def _lane(lane: LanePicture, names: Sequence[str]) -> Document:
    return {
        "name": names[lane.lane],
        "length": lane.length,
        "waiting": lane.waiting,
        "frozen": lane.frozen,
    }


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _ms_or_none(seconds: float | None) -> int | None:
    return None if seconds is None else _ms(seconds)
