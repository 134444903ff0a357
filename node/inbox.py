"""What peers' messages become: events for the driver, or answers from what is stored here (PROTOCOL §3, R14, §6).

Owns the strict decoding at the link and who may be answered what. Faults are counted per peer; a peer that goes on with
them is disconnected (T31).
"""

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog

from strongroom.consensus import codec
from strongroom.consensus.blocks import Batch
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.events import FinalRange, Received
from strongroom.consensus.messages import (
    RANGE,
    RANGE_BLOCKS_MAX,
    BatchMessage,
    BatchRequest,
    BlockMessage,
    BlockRequest,
    Head,
    HeadRequest,
    Message,
    Range,
    RangeRequest,
    Status,
    certified_statement,
    decode_message,
    encode_message,
)
from strongroom.consensus.ranges import check_range
from strongroom.consensus.types import ChainId, Digest, Height, SignerIndex
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.primitives import verify
from strongroom.node.batches import BatchPool
from strongroom.node.driver import BatchArrived, Driver
from strongroom.node.heads import Heads
from strongroom.node.ledger.store import BlockStore
from strongroom.node.links import Links
from strongroom.node.stored import StoredBlock, header_and_certificate

RANGE_BYTES_MAX = 16 * 1024 * 1024
RANGE_BYTES_PER_SECOND = 64 * 1024 * 1024
"""To one peer: whoever asks for old blocks faster than it could execute them is not answered."""
FAULTS_MAX = 100
"""Broken messages of one link after which it is closed."""

log = structlog.get_logger()


class Inbox:
    """Dispatches decoded messages of verified members."""

    def __init__(
        self,
        *,
        chain: ChainId,
        members: EpochDescription,
        store: BlockStore,
        batches: BatchPool,
        links: Links,
        heads: Heads,
        spawn_head_answer: Callable[[SignerIndex, HeadRequest], None],
    ) -> None:
        self._chain, self._members = chain, members
        self._store, self._batches, self._links, self._heads = store, batches, links, heads
        self._spawn_head_answer = spawn_head_answer
        self.driver: Driver | None = None
        """Set once replay and fresh heads are through; before that only heads are exchanged."""
        self.status: dict[SignerIndex, Status] = {}
        self.faults: Counter[SignerIndex] = Counter()
        self._ranges_from: dict[SignerIndex, float] = {}
        """When a peer may have its next range, on the loop's clock."""

    def receive(self, sender: SignerIndex, data: bytes) -> None:
        """Handle one frame of a link; never raises for what a peer did."""
        try:
            if not self._is_held(data):
                self._dispatch(sender, decode_message(data))
        except PeerFault as fault:
            self.faults[sender] += 1
            log.warning("peer.fault", peer=int(sender), reason=str(fault), count=self.faults[sender])
            if self.faults[sender] % FAULTS_MAX == 0:
                self._links.disconnect(sender)

    def _is_held(self, data: bytes) -> bool:
        """A certificate for a statement that is certified here already: most are, for each member makes its own."""
        statement = certified_statement(data)
        return statement is not None and self.driver is not None and self.driver.replica.has_certified(*statement)

    def _dispatch(self, sender: SignerIndex, message: Message) -> None:
        match message:
            case HeadRequest():
                self._spawn_head_answer(sender, message)
            case Head():
                self._heads.receive(sender, message)
            case BatchRequest(digests):
                self._send_batches(sender, digests)
            case BlockRequest(digests):
                self._send_headers(sender, digests)
            case RangeRequest(start):
                self._send_range(sender, start)
            case BatchMessage(batch):
                self._take_batch(sender, batch)
            case Range():
                self._take_range(sender, message)
            case Status(body, signature):
                key = self._members.validators[sender].node_key
                if not verify(key, signature, body.signed_bytes(self._chain)):
                    raise PeerFault("status: signature does not verify")
                self.status[sender] = message
                self._to_replica(sender, Received(sender, message))
            case _:
                self._to_replica(sender, Received(sender, message))

    def _to_replica(self, sender: SignerIndex, event: Received | BatchArrived | FinalRange) -> None:
        if self.driver is not None:
            self.driver.put_from_peer(sender, event)

    # --- data from peers ---

    def _take_batch(self, sender: SignerIndex, batch: Batch) -> None:
        if batch.header.digest not in self._batches:
            self._check_origin(batch)
            self._to_replica(sender, BatchArrived(batch, own=False))

    def _check_origin(self, batch: Batch) -> None:
        header = batch.header
        if header.epoch != self._members.epoch or header.lane >= len(self._members.validators):
            raise PeerFault(f"batch of epoch {header.epoch}, lane {header.lane}: no such lane")
        key = self._members.validators[header.lane].node_key
        if not verify(key, batch.signature, header.signed_bytes(self._chain)):
            raise PeerFault(f"batch of lane {header.lane}: signature does not verify")

    def _take_range(self, sender: SignerIndex, message: Range) -> None:
        """Catch-up: headers, data and certificate are checked before any of it is stored (T34)."""
        if self.driver is None:
            return
        replica = self.driver.replica
        final_range = check_range(message, replica.final, replica.final_cut)
        if not final_range.headers:
            return
        replica.check_certificate(message.certificate)
        for _, batches in message.blocks[-len(final_range.headers) :]:
            self._batches.want(batch.header.digest for batch in batches)
            for batch in batches:
                self._to_replica(sender, BatchArrived(batch, own=False))
        self._to_replica(sender, final_range)

    # --- data for peers ---

    def _send_batches(self, to: SignerIndex, digests: tuple[Digest, ...]) -> None:
        for digest in digests:
            batch = self._batches.get(digest)
            if batch is not None:
                self._links.send(to, encode_message(BatchMessage(batch)))

    def _send_headers(self, to: SignerIndex, digests: tuple[Digest, ...]) -> None:
        if self.driver is None:
            return
        for digest in digests:
            header = self.driver.replica.header_of(digest)
            if header is not None:
                self._links.send(to, encode_message(BlockMessage(header)))

    def _send_range(self, to: SignerIndex, start: Height) -> None:
        """Contiguous stored blocks from `start`, up to the last within bounds that has a certificate of its own."""
        now = asyncio.get_running_loop().time()
        if now < self._ranges_from.get(to, 0.0):
            return
        blocks: list[bytes] = []
        size, end, certificate = 0, 0, None
        for height in range(max(1, start), self._store.newest_block + 1):
            data = self._store.block(height)
            if data is None or len(blocks) >= RANGE_BLOCKS_MAX or (blocks and size + len(data) > RANGE_BYTES_MAX):
                break
            blocks.append(data)
            size += len(data)
            _, own = header_and_certificate(data)
            if own is not None:
                end, certificate = len(blocks), own
        self._ranges_from[to] = now + size / RANGE_BYTES_PER_SECOND
        if certificate is None:
            return
        wire = []
        for data in blocks[:end]:
            block = StoredBlock.decode(data)
            wire.append((block.header.encoded, tuple(batch.to_wire() for batch in block.batches)))
        self._links.send(to, codec.encode((RANGE, tuple(wire), certificate.to_wire())))
