"""What nodes' messages become: events for the driver of this epoch, or answers (PROTOCOL §3, R0, R14, §6).

Owns the strict decoding at the link, whose message counts in this epoch, and who may be answered what. Faults are
counted per node; one that goes on with them is disconnected (T31).
"""

from collections import Counter, deque
from collections.abc import Callable

import structlog

from strongroom.consensus.admission import epoch_of
from strongroom.consensus.blocks import Batch
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.events import FinalRange, Received
from strongroom.consensus.host_messages import EpochRequest, HostMessage, OutcomeRequest
from strongroom.consensus.messages import (
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
from strongroom.consensus.types import Digest, Epoch, PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.primitives import verify
from strongroom.node.batches import BatchPool
from strongroom.node.driver import BatchArrived, Driver
from strongroom.node.heads import Heads
from strongroom.node.links import Links
from strongroom.node.serving import Pace, Serving

FAULTS_MAX = 100
"""Broken messages of one link after which it is closed."""
EARLY_MESSAGES_MAX = 1024
"""Of the next epoch, kept until it begins here. Batches are not among them: they are fetched by digest."""
ASK_EPOCHS_SECONDS = 0.5
"""Between two questions for later epochs to one node."""

log = structlog.get_logger()


class Inbox:
    """Dispatches decoded messages of verified nodes, in one epoch."""

    def __init__(
        self,
        *,
        members: EpochDescription,
        epochs: EpochChain,
        batches: BatchPool,
        links: Links,
        heads: Heads,
        serving: Serving,
        spawn_head_answer: Callable[[PublicKey, HeadRequest], None],
        office: Callable[[PublicKey, HostMessage], None],
        faults: Counter[PublicKey],
    ) -> None:
        self._members, self._epochs, self._chain = members, epochs, epochs.anchor.chain
        self._batches, self._links, self._heads, self._serving = batches, links, heads, serving
        self._spawn_head_answer, self._office = spawn_head_answer, office
        self.driver: Driver | None = None
        """Set once replay and fresh heads are through; before that only heads and the past are exchanged."""
        self.status: dict[PublicKey, Status] = {}
        """The newest of each linked node, of whatever epoch."""
        self.faults = faults
        self.early: deque[tuple[PublicKey, Message]] = deque(maxlen=EARLY_MESSAGES_MAX)
        """Messages of the next epoch, by nodes that are in it already; the newest."""
        self._asked = Pace()

    def receive(self, sender: PublicKey, data: bytes) -> None:
        """Handle one frame of a link; never raises for what a peer did."""
        try:
            if not self._is_held(data):
                self._dispatch(sender, decode_message(data))
        except PeerFault as fault:
            self.faults[sender] += 1
            log.warning("peer.fault", peer=sender.hex()[:16], reason=str(fault), count=self.faults[sender])
            if self.faults[sender] % FAULTS_MAX == 0:
                self._links.disconnect(sender)

    def _is_held(self, data: bytes) -> bool:
        """A certificate for a statement that is certified here already: most are, for each member makes its own."""
        statement = certified_statement(data)
        return statement is not None and self.driver is not None and self.driver.replica.has_certified(*statement)

    def _dispatch(self, sender: PublicKey, message: Message) -> None:
        match message:
            case HeadRequest():
                self._spawn_head_answer(sender, message)
            case Head():
                self._heads.receive(sender, message)
            case BatchRequest(digests):
                self._serving.send_batches(sender, digests)
            case BlockRequest(digests):
                self._send_headers(sender, digests)
            case RangeRequest(start):
                self._serving.send_range(sender, start)
            case Range():
                self._take_range(sender, message)
            case EpochRequest(first):
                self._serving.send_epochs(sender, first)
            case OutcomeRequest(start):
                self._serving.send_outcomes(sender, start)
            case _ if isinstance(message, HostMessage):
                self._office(sender, message)
            case _:
                self.admit(sender, message)

    # --- of this epoch, or of another (R0) ---

    def admit(self, sender: PublicKey, message: Message) -> None:
        """A replica sees messages of its own epoch by members of it, and no others."""
        if isinstance(message, Status):
            self._take_status(sender, message)
        epoch = epoch_of(message)
        if epoch is None or epoch == self._members.epoch:
            self._take(sender, message)
            return
        if epoch < self._members.epoch:
            self._serving.send_epochs(sender, Epoch(epoch + 1))
            return
        if epoch == self._members.epoch + 1 and not isinstance(message, Status | BatchMessage):
            self.early.append((sender, message))
        if epoch > self._epochs.newest.epoch and self._asked.allows(sender):
            self._asked.wait(sender, ASK_EPOCHS_SECONDS)
            self._links.send_to(sender, encode_message(EpochRequest(Epoch(self._epochs.newest.epoch + 1))))

    def _take(self, sender: PublicKey, message: Message) -> None:
        if self._links.index_of(sender) is None:
            return
        if isinstance(message, BatchMessage):
            self._take_batch(sender, message.batch)
        else:
            self._to_replica(sender, message)

    def _take_status(self, sender: PublicKey, status: Status) -> None:
        if not verify(sender, status.signature, status.body.signed_bytes(self._chain)):
            raise PeerFault("status: signature does not verify")
        self.status[sender] = status

    def _to_replica(self, sender: PublicKey, event: Message | BatchArrived | FinalRange) -> None:
        if self.driver is None:
            return
        index = self._links.index_of(sender)
        if isinstance(event, BatchArrived | FinalRange):
            if index is None:
                self.driver.put(event)
            else:
                self.driver.put_from_peer(index, event)
        elif index is not None:
            self.driver.put_from_peer(index, Received(index, event))  # type: ignore[arg-type]

    # --- data from peers ---

    def _take_batch(self, sender: PublicKey, batch: Batch) -> None:
        if batch.header.digest not in self._batches:
            self._check_origin(batch)
            self._to_replica(sender, BatchArrived(batch, own=False))

    def _check_origin(self, batch: Batch) -> None:
        header = batch.header
        if header.lane >= len(self._members.validators):
            raise PeerFault(f"batch of epoch {header.epoch}, lane {header.lane}: no such lane")
        key = self._members.validators[header.lane].node_key
        if not verify(key, batch.signature, header.signed_bytes(self._chain)):
            raise PeerFault(f"batch of lane {header.lane}: signature does not verify")

    def _take_range(self, sender: PublicKey, message: Range) -> None:
        """Catch-up: headers, data and certificate are checked before any of it is stored (T34)."""
        if self.driver is None or not message.blocks or message.blocks[0][0].epoch != self._members.epoch:
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

    def _send_headers(self, to: PublicKey, digests: tuple[Digest, ...]) -> None:
        for digest in digests:
            header = None if self.driver is None else self.driver.replica.header_of(digest)
            header = header or self._serving.terminal(digest)
            if header is not None:
                self._links.send_to(to, encode_message(BlockMessage(header)))
