"""What other nodes may have of this one's past: blocks, headers, batches (PROTOCOL §3, §6; T31,
T34).

Owns how much a peer gets at once and how fast. All of it is public to nodes: a node serves the past
of every epoch, also to whoever has fallen out of the validator set.
"""

from collections.abc import Iterable

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.messages import RANGE_BLOCKS_MAX, BatchMessage, BlockMessage
from strongroom.consensus.replica.state import ReplicaState
from strongroom.consensus.types import Digest, Epoch, Height, PublicKey
from strongroom.node.ledger.archive.faults import SegmentNotAtHand
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.network.pace import RANGE_BYTES_MAX, RANGE_BYTES_PER_SECOND, Pace
from strongroom.node.ordering.effects import Effect, SendBlocks, Tell
from strongroom.node.ordering.past import Past

BURST_SECONDS = 0.5
"""So much of that pace a peer may use at once for batches and headers: what a block lacks must come
before its view ends."""


RECALL_SECONDS = 0.25
"""What is archived is looked for no oftener for one peer."""


class Serving:
    """Answers from what is stored and held here."""

    def __init__(self, past: Past, pool: BatchPool, epochs: EpochChain) -> None:
        self._past, self._pool, self._epochs = past, pool, epochs
        self._ranges, self._pieces = Pace(), Pace()

    def batches(self, to: PublicKey, digests: Iterable[Digest], now: float) -> list[Effect]:
        """Those of these batches that are held, each once; not faster than a pace."""
        if not self._pieces.allows(to, now):
            return []
        held = (self._pool.get(digest) for digest in dict.fromkeys(digests))
        given: list[Effect] = []
        size = 0
        for batch in held:
            if batch is not None and size < RANGE_BYTES_MAX:
                size += len(batch.payload)
                given.append(Tell(to, BatchMessage(batch)))
        self._pieces.spend(to, now, size / RANGE_BYTES_PER_SECOND, saved=BURST_SECONDS)
        return given

    def headers(
        self, to: PublicKey, digests: Iterable[Digest], state: ReplicaState | None, now: float
    ) -> list[Effect]:
        """Those of these headers that the replica holds, or that ended an epoch, each once; at that
        pace."""
        if not self._pieces.allows(to, now):
            return []
        held = (
            (None if state is None else state.header_of(digest)) or self._terminal(digest)
            for digest in dict.fromkeys(digests)
        )
        found = [header for header in held if header is not None]
        size = sum(len(header.encoded) for header in found)
        self._pieces.spend(to, now, size / RANGE_BYTES_PER_SECOND, saved=BURST_SECONDS)
        return [Tell(to, BlockMessage(header)) for header in found]

    def _terminal(self, digest: Digest) -> Header | None:
        """A terminal header by its digest: whoever is an epoch behind looks for it by that name."""
        following = self._epochs.newest.epoch
        for epoch in range(following, max(0, following - RANGE_BLOCKS_MAX), -1):
            anchor = self._epochs.anchor_of(Epoch(epoch))
            if anchor is not None and anchor.digest == digest:
                return anchor
        return None

    def range_from(self, to: PublicKey, start: Height, now: float) -> list[Effect]:
        """Contiguous stored blocks from `start`, of one epoch, up to the last within bounds that
        has a certificate. What is archived is fetched first: whoever asks asks again."""
        first = max(1, start)
        if not self._ranges.allows(to, now):
            return []
        if not self._past.is_at_hand(first):
            self._ranges.wait(to, now + RECALL_SECONDS)
            return []
        size, last, certificate, epoch = 0, first, None, None
        for height in range(first, min(self._past.newest_block, first + RANGE_BLOCKS_MAX - 1) + 1):
            if not self._past.is_at_hand(height):
                break
            try:
                header, own = self._past.head_at(height)
                grown = size + self._past.bytes_at(height)
            except SegmentNotAtHand:  # it was recalled, and made room for another: once more
                self._ranges.wait(to, now + RECALL_SECONDS)
                return []
            if (epoch is not None and header.epoch != epoch) or (
                height > first and grown > RANGE_BYTES_MAX
            ):
                break
            epoch, size = header.epoch, grown
            if own is not None:
                last, certificate = height, own
        self._ranges.wait(to, now + size / RANGE_BYTES_PER_SECOND)
        return (
            []
            if certificate is None
            else [SendBlocks(to, Height(first), Height(last), certificate)]
        )
