"""The data of a block: exactly the batches between its parent's cut and its own, in their order
(T04).

Owns the check that the bytes to be executed are the ones that the header names. Everything is
recomputed from payloads.
"""

from collections.abc import Sequence
from hashlib import sha256

from strongroom.consensus.batches import Batch, BatchHeader, decode_payload
from strongroom.consensus.blocks import Header, LaneTip, initial_cut
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.types import Digest

ENVELOPE_BYTES_MEAN_MIN = 32
"""Of a batch, its form included: the smallest envelope that means anything has more than 100."""
SMALL_ENVELOPES_MAX = 64
"""So many of a batch may be smaller."""


def is_void(header: BatchHeader) -> bool:
    """Does a batch hold too many envelopes for its bytes? Then it holds none.

    Every envelope has a line of 35 bytes in its block's outcome, whatever its own size. A liar's
    lane of a million envelopes of one byte would make an outcome that no message carries, at each
    replay anew; none that an honest node makes (node/mempool/mempool.py) is void.
    """
    return (
        header.count > SMALL_ENVELOPES_MAX and header.size < header.count * ENVELOPE_BYTES_MEAN_MIN
    )


def envelopes_of(batch: Batch) -> Sequence[bytes]:
    """What a batch holds: nothing when its payload is no sequence of envelopes, or when it is
    void."""
    if is_void(batch.header):
        return ()
    try:
        return decode_payload(batch.payload, batch.header.count)
    except NotCanonical:
        return ()


def ordered_envelopes(
    parent: Header, header: Header, batches: Sequence[Batch], members: int
) -> list[bytes]:
    """The envelopes of a block in execution order; see `ordered_lanes`."""
    lanes = ordered_lanes(parent, header, batches, members)
    return [envelope for lane in lanes for envelope in lane]


def ordered_lanes(
    parent: Header, header: Header, batches: Sequence[Batch], members: int
) -> list[list[bytes]]:
    """The envelopes of a block in execution order: lanes in index order, sequence ascending.

    A batch that holds none, see `envelopes_of`, was ordered all the same.

    Raises:
        PeerFault: a batch is missing, superfluous, out of place, or not the one that its lane's
            digests name.
    """
    begins_epoch = parent.height == 0 or parent.epoch != header.epoch
    cut = initial_cut(parent.digest, members) if begins_epoch else parent.cut
    if len(header.cut) != members or len(cut) != members or len(batches) != header.batch_count:
        raise PeerFault(
            f"block {header.height}: expected {header.batch_count} batches through {members} lanes"
        )
    lanes: list[list[bytes]] = []
    at = size = 0
    for lane, (old, new) in enumerate(zip(cut, header.cut, strict=True)):
        taken = batches[at : at + new.length - old.length] if new.length >= old.length else ()
        if old.length + len(taken) != new.length:
            raise PeerFault(
                f"block {header.height}: lane {lane} has not the "
                f"batches {old.length} to {new.length}"
            )
        if _chain(header, lane, old, taken) != new.digest:
            raise PeerFault(f"block {header.height}: lane {lane} does not lead to the cut's digest")
        envelopes: list[bytes] = []
        for batch in taken:
            size += len(batch.payload)
            envelopes += envelopes_of(batch)
        lanes.append(envelopes)
        at += len(taken)
    if at != len(batches) or size != header.batch_bytes:
        raise PeerFault(
            f"block {header.height}: {size} bytes in {at} batches, expected {header.batch_bytes}"
        )
    return lanes


def _chain(header: Header, lane: int, tip: LaneTip, batches: Sequence[Batch]) -> Digest:
    """The digest that these batches lead to from a lane's tip."""
    previous = tip.digest
    for sequence, batch in enumerate(batches, start=tip.length):
        named = batch.header
        if (named.epoch, named.lane, named.sequence, named.previous) != (
            header.epoch,
            lane,
            sequence,
            previous,
        ):
            raise PeerFault(
                f"block {header.height}: batch {named.sequence} of "
                f"lane {named.lane} is out of place"
            )
        if (
            len(batch.payload) != named.size
            or sha256(batch.payload).digest() != named.payload_digest
        ):
            raise PeerFault(
                f"block {header.height}: batch {sequence} of lane {lane} has another payload"
            )
        previous = named.digest
    return previous
