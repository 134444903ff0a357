"""Batches of this node's own lane in one epoch, one after the other (PROTOCOL §2, Lane).

Owns the chain of own batches and what of it is not ordered: when the epoch ends, those envelopes
are batched again in the next one, and the replay window makes doubles harmless.
"""

from collections import deque
from hashlib import sha256

from strongroom.consensus.batches import Batch, BatchHeader, decode_payload, encode_payload
from strongroom.consensus.blocks import LaneTip
from strongroom.consensus.types import Digest, Epoch, Lane, Sequence, Signature, SignerIndex
from strongroom.node.mempool.batch_pool import BatchPool


class OwnLane:
    """The chain of one lane: `begin` a batch, have its header signed, `complete` it, put it as
    `OwnBatch`."""

    def __init__(self, epoch: Epoch, own: SignerIndex, ordered: LaneTip, pool: BatchPool) -> None:
        """Go on where the lane ends.

        Args:
            epoch: whose lane this is.
            own: this node's index in it.
            ordered: where final blocks have come in the lane.
            pool: what is held, this lane's from before a restart among it.
        """
        self._epoch, self._lane = epoch, Lane(int(own))
        self._made: deque[Batch] = deque()
        """Not known to be ordered; back-pressure bounds them."""
        self._taken: tuple[bytes, ...] = ()
        """Envelopes of the batch that is being made."""
        self._begun: tuple[BatchHeader, bytes] | None = None
        self._pool = pool
        self._length, self._previous = int(ordered.length), ordered.digest
        self._extend()

    def _extend(self) -> None:
        """Go on above what is held of this lane from before a restart."""
        held = [batch for batch in self._pool.all() if batch.header.lane == self._lane]
        for batch in sorted(held, key=lambda batch: batch.header.sequence):
            header = batch.header
            if (header.epoch, header.sequence, header.previous) == (
                self._epoch,
                self._length,
                self._previous,
            ):
                self._made.append(batch)
                self._length, self._previous = self._length + 1, header.digest

    @property
    def waiting(self) -> int:
        """Batches that are not known to be ordered."""
        return len(self._made)

    @property
    def waiting_bytes(self) -> int:
        """Of their payloads."""
        return sum(batch.header.size for batch in self._made)

    def begin(self, envelopes: list[bytes], ordered: LaneTip) -> BatchHeader:
        """The header of the next batch: the node key signs its digest."""
        self.settle(ordered)
        self._taken = tuple(envelopes)
        payload = encode_payload(envelopes)
        header = BatchHeader(
            epoch=self._epoch,
            lane=self._lane,
            sequence=Sequence(self._length),
            previous=self._previous,
            count=len(envelopes),
            size=len(payload),
            payload_digest=Digest(sha256(payload).digest()),
        )
        self._begun = header, payload
        return header

    def complete(self, signature: Signature) -> Batch:
        """The batch that was begun, signed."""
        assert self._begun is not None, "no batch was begun"
        header, payload = self._begun
        batch = Batch(header, payload, signature)
        self._made.append(batch)
        self._taken, self._begun = (), None
        self._length, self._previous = self._length + 1, header.digest
        return batch

    def settle(self, ordered: LaneTip) -> None:
        """Final blocks have come so far in this lane; perhaps further than this disk knew of it."""
        if ordered.length > self._length:
            self._length, self._previous = int(ordered.length), ordered.digest
            self._extend()
        while self._made and self._made[0].header.sequence < ordered.length:
            self._made.popleft()

    def unordered(self, ordered: LaneTip) -> tuple[list[Batch], list[bytes]]:
        """At the end of the epoch: own batches that its last block did not order, and all envelopes
        to batch again."""
        self.settle(ordered)
        left = list(self._made)
        envelopes = [
            envelope
            for batch in left
            for envelope in decode_payload(batch.payload, batch.header.count)
        ]
        return left, envelopes + list(self._taken)
