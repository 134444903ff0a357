"""The data of a block: exactly the batches between its parent's cut and its own, in their order (T04).

Owns the check that the bytes to be executed are the ones that the header names. Everything is recomputed from payloads.
"""

from collections.abc import Sequence
from hashlib import sha256

from strongroom.consensus.blocks import Batch, Header, LaneTip, decode_payload, initial_cut
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.types import Digest


def ordered_envelopes(parent: Header, header: Header, batches: Sequence[Batch], members: int) -> list[bytes]:
    """The envelopes of a block in execution order: lanes in index order, sequence ascending.

    A batch whose payload is no sequence of envelopes was ordered all the same; it holds none.

    Raises:
        PeerFault: a batch is missing, superfluous, out of place, or not the one that its lane's digests name.
    """
    begins_epoch = parent.height == 0 or parent.epoch != header.epoch
    cut = initial_cut(parent.digest, members) if begins_epoch else parent.cut
    if len(header.cut) != members or len(cut) != members or len(batches) != header.batch_count:
        raise PeerFault(f"block {header.height}: expected {header.batch_count} batches through {members} lanes")
    envelopes: list[bytes] = []
    at = size = 0
    for lane, (old, new) in enumerate(zip(cut, header.cut, strict=True)):
        taken = batches[at : at + new.length - old.length] if new.length >= old.length else ()
        if old.length + len(taken) != new.length:
            raise PeerFault(f"block {header.height}: lane {lane} has not the batches {old.length} to {new.length}")
        if _chain(header, lane, old, taken) != new.digest:
            raise PeerFault(f"block {header.height}: lane {lane} does not lead to the cut's digest")
        for batch in taken:
            size += len(batch.payload)
            envelopes += _envelopes(batch)
        at += len(taken)
    if at != len(batches) or size != header.batch_bytes:
        raise PeerFault(f"block {header.height}: {size} bytes in {at} batches, expected {header.batch_bytes}")
    return envelopes


def _chain(header: Header, lane: int, tip: LaneTip, batches: Sequence[Batch]) -> Digest:
    """The digest that these batches lead to from a lane's tip."""
    previous = tip.digest
    for sequence, batch in enumerate(batches, start=tip.length):
        named = batch.header
        if (named.epoch, named.lane, named.sequence, named.previous) != (header.epoch, lane, sequence, previous):
            raise PeerFault(f"block {header.height}: batch {named.sequence} of lane {named.lane} is out of place")
        if len(batch.payload) != named.size or sha256(batch.payload).digest() != named.payload_digest:
            raise PeerFault(f"block {header.height}: batch {sequence} of lane {lane} has another payload")
        previous = named.digest
    return previous


def _envelopes(batch: Batch) -> Sequence[bytes]:
    try:
        return decode_payload(batch.payload, batch.header.count)
    except NotCanonical:
        return ()
