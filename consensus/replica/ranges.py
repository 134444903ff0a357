"""Catch-up by ranges of final blocks: everything is checked before any of it is stored (T34,
PROTOCOL §6).

Owns the check from a peer's Range to the FinalRange that a replica takes. One commit path: the
replica then goes through R2 and R8 as with any certificate.
"""

from collections.abc import Sequence as Items

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header, LaneTip
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.messages import Range
from strongroom.consensus.recovery import Finality
from strongroom.consensus.replica.events import FinalRange
from strongroom.consensus.replica.lanes import Cut
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Sequence


def check_links(headers: Items[Header], certificate: Finality, final: Header) -> None:
    """Check that headers chain upward from the final block to the one that a FINALIZE certificate
    names.

    Raises:
        PeerFault: a gap, another branch, a certificate of another kind or block.
    """
    parent = final
    for header in headers:
        if header.parent != parent.digest or header.height != parent.height + 1:
            raise PeerFault(
                f"range: height {header.height} does not follow final height {parent.height}"
            )
        parent = header
    if certificate.kind is not Kind.FINALIZE or certificate.digest != parent.digest:
        raise PeerFault("range: its certificate does not finalise its last block")


def check_range(message: Range, final: Header, cut: Cut) -> FinalRange:
    """Check headers and data of a range above the final block; the certificate's signatures come
    next.

    Args:
        message: what a peer sent; blocks up to the final height are skipped.
        final: the newest final header here.
        cut: the cut from which the next block goes on.

    Raises:
        PeerFault: blocks do not chain, or a block's batches are not exactly those between the cuts.
    """
    blocks = [
        (header, batches) for header, batches in message.blocks if header.height > final.height
    ]
    headers = tuple(header for header, _ in blocks)
    check_links(headers, message.certificate, final if headers else message.blocks[-1][0])
    for header, batches in blocks:
        cut = _check_data(header, batches, cut)
    return FinalRange(headers, message.certificate)


def _check_data(header: Header, batches: Items[Batch], cut: Cut) -> Cut:
    tips = list(cut)
    for batch in batches:
        named = batch.header
        tip = tips[named.lane] if named.lane < len(tips) else None
        if (
            tip is None
            or named.epoch != header.epoch
            or (named.sequence, named.previous) != (tip.length, tip.digest)
        ):
            raise PeerFault(
                f"range: a batch does not belong into the block at height {header.height}"
            )
        tips[named.lane] = LaneTip(Sequence(tip.length + 1), named.digest)
    if tuple(tips) != header.cut:
        raise PeerFault(f"range: the batches at height {header.height} do not fill its cut")
    return header.cut
