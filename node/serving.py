"""What other nodes may have of this one's past: blocks, outcomes, epochs, batches (PROTOCOL §3, §6; T31, T34).

Owns how much a peer gets at once and how fast. All of it is public to nodes, and none of it is asked of the replica: a
node serves the past of every epoch, also to whoever has fallen out of the validator set.
"""

import asyncio
from collections.abc import Iterable

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.host_messages import OUTCOMES_MAX, EpochMessage, Outcomes
from strongroom.consensus.messages import RANGE, RANGE_BLOCKS_MAX, BatchMessage, encode_message
from strongroom.consensus.types import Digest, Epoch, Height, PublicKey
from strongroom.node.batches import BatchPool
from strongroom.node.ledger.store import BlockStore
from strongroom.node.links import LINKS_MAX, Links
from strongroom.node.stored import StoredBlock, header_and_certificate

RANGE_BYTES_MAX = 16 * 1024 * 1024
RANGE_BYTES_PER_SECOND = 64 * 1024 * 1024
"""To one peer: whoever asks for old blocks faster than it could execute them is not answered."""
EPOCHS_SECONDS = 0.5
"""Between two tellings of epochs to one peer."""


class Pace:
    """When each peer may have its next answer, on the loop's clock; bounded."""

    def __init__(self) -> None:
        self._at: dict[PublicKey, float] = {}

    def allows(self, peer: PublicKey) -> bool:
        """Is it time?"""
        return asyncio.get_running_loop().time() >= self._at.get(peer, 0.0)

    def wait(self, peer: PublicKey, seconds: float) -> None:
        """Nothing for so long."""
        if len(self._at) >= 2 * LINKS_MAX:
            self._at.clear()
        self._at[peer] = asyncio.get_running_loop().time() + seconds


class Serving:
    """Answers from what is stored here."""

    def __init__(self, *, store: BlockStore, batches: BatchPool, epochs: EpochChain, links: Links) -> None:
        self._store, self._batches, self._epochs, self._links = store, batches, epochs, links
        self._ranges, self._outcomes, self._told = Pace(), Pace(), Pace()

    def send_batches(self, to: PublicKey, digests: Iterable[Digest]) -> None:
        """Those of these batches that are held."""
        for digest in digests:
            batch = self._batches.get(digest)
            if batch is not None:
                self._links.send_to(to, encode_message(BatchMessage(batch)))

    def send_epochs(self, to: PublicKey, start: Epoch) -> None:
        """What opened the epochs from `start` on, not too often."""
        entries = self._epochs.entries(start)
        if entries and self._told.allows(to):
            self._told.wait(to, EPOCHS_SECONDS)
            self._links.send_to(to, encode_message(EpochMessage(entries)))

    def terminal(self, digest: Digest) -> Header | None:
        """A terminal header by its digest: whoever is an epoch behind looks for it by that name."""
        following = self._epochs.newest.epoch
        for epoch in range(following, max(0, following - RANGE_BLOCKS_MAX), -1):
            anchor = self._epochs.anchor_of(Epoch(epoch))
            if anchor is not None and anchor.digest == digest:
                return anchor
        return None

    def send_range(self, to: PublicKey, start: Height) -> None:
        """Contiguous stored blocks from `start`, of one epoch, up to the last within bounds that has a certificate."""
        if not self._ranges.allows(to):
            return
        blocks: list[bytes] = []
        size, end, certificate, epoch = 0, 0, None, None
        for height in range(max(1, start), self._store.newest_block + 1):
            data = self._store.block(height)
            if data is None or len(blocks) >= RANGE_BLOCKS_MAX or (blocks and size + len(data) > RANGE_BYTES_MAX):
                break
            header, own = header_and_certificate(data)
            epoch = header.epoch if epoch is None else epoch
            if header.epoch != epoch:
                break
            blocks.append(data)
            size += len(data)
            if own is not None:
                end, certificate = len(blocks), own
        self._ranges.wait(to, size / RANGE_BYTES_PER_SECOND)
        if certificate is None:
            return
        wire = []
        for data in blocks[:end]:
            block = StoredBlock.decode(data)
            wire.append((block.header.encoded, tuple(batch.to_wire() for batch in block.batches)))
        self._links.send_to(to, codec.encode((RANGE, tuple(wire), certificate.to_wire())))

    def send_outcomes(self, to: PublicKey, start: Height) -> None:
        """Recorded outcomes from `start` on, within bounds; the asker proves them by an anchor."""
        if not self._outcomes.allows(to):
            return
        outcomes: list[bytes] = []
        size = 0
        for height in range(max(1, start), self._store.newest_outcome + 1):
            data = self._store.outcome(height)
            if data is None or len(outcomes) >= OUTCOMES_MAX or (outcomes and size + len(data) > RANGE_BYTES_MAX):
                break
            outcomes.append(data)
            size += len(data)
        self._outcomes.wait(to, size / RANGE_BYTES_PER_SECOND)
        if outcomes:
            self._links.send_to(to, encode_message(Outcomes(Height(max(1, start)), tuple(outcomes))))
