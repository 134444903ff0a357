"""Batches of this node's own lane in one epoch, one after the other (PROTOCOL §2, Lane).

Owns the chain of own batches and what of it is not ordered: when the epoch ends, those envelopes are batched again in
the next one, and the replay window makes doubles harmless.
"""

from collections import deque

from strongroom.consensus.blocks import Batch, BatchHeader, decode_payload, encode_payload
from strongroom.consensus.types import Digest, Epoch, Lane, Sequence, SignerIndex
from strongroom.enclave.primitives import digest
from strongroom.node.batches import BatchPool
from strongroom.node.driver import BatchArrived, Driver
from strongroom.node.enclave_process import EnclaveProcess
from strongroom.node.mempool import Mempool


class OwnLane:
    """Fills one lane from the mempool."""

    def __init__(
        self, *, epoch: Epoch, own: SignerIndex, driver: Driver, enclave: EnclaveProcess, mempool: Mempool
    ) -> None:
        self._epoch, self._own, self._driver = epoch, own, driver
        self._enclave, self._mempool = enclave, mempool
        self._made: deque[Batch] = deque()
        """Not known to be ordered; back-pressure bounds them."""
        self._taken: list[bytes] = []
        """Envelopes of the batch that is being made."""

    async def fill(self, batches: BatchPool) -> None:
        """Work until cancelled.

        Args:
            batches: what is held, this lane's from before a restart among it.
        """
        length, previous = self._tip(batches)
        while True:
            self._taken = await self._mempool.next_batch(self._driver)
            ordered = self._driver.replica.final_cut[self._own]
            if ordered.length > length:  # by others, who had more of this lane than this disk
                length, previous = int(ordered.length), ordered.digest
            while self._made and self._made[0].header.sequence < ordered.length:
                self._made.popleft()
            payload = encode_payload(self._taken)
            header = BatchHeader(
                epoch=self._epoch,
                lane=Lane(self._own),
                sequence=Sequence(length),
                previous=previous,
                count=len(self._taken),
                size=len(payload),
                payload_digest=digest(payload),
            )
            batch = Batch(header, payload, await self._enclave.sign_batch(header.digest))
            self._made.append(batch)
            self._taken = []
            self._driver.put(BatchArrived(batch, own=True))
            length, previous = length + 1, header.digest

    def unordered(self) -> tuple[list[Batch], list[bytes]]:
        """At the end of the epoch: own batches that its last block did not order, and all envelopes to batch again."""
        ordered = self._driver.replica.final_cut[self._own].length
        left = [batch for batch in self._made if batch.header.sequence >= ordered]
        envelopes = [envelope for batch in left for envelope in decode_payload(batch.payload, batch.header.count)]
        return left, envelopes + self._taken

    def _tip(self, batches: BatchPool) -> tuple[int, Digest]:
        """Length of the own lane as held, and the digest that its next batch names."""
        tip = self._driver.replica.final_cut[self._own]
        length, previous = int(tip.length), tip.digest
        own = [
            batch
            for batch in batches.all()
            if int(batch.header.lane) == int(self._own) and batch.header.epoch == self._epoch
        ]
        for batch in sorted(own, key=lambda batch: batch.header.sequence):
            header = batch.header
            if header.sequence == length and header.previous == previous:
                self._made.append(batch)
                length, previous = length + 1, header.digest
        return length, previous
