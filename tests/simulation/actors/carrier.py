"""The data that an honest node carries: what clients give it, and the batches of all lanes.

Owns the way of a transaction into a batch of the own lane, once more in the next epoch if a terminal block left it
unordered, or to a member if this node has no lane; and which batches are held durably. The order of effects is
honest.py's.
"""

from collections import deque
from hashlib import sha256

from tests.simulation.actors.actor import Actor, Role, Send
from tests.simulation.actors.store import Store
from tests.simulation.actors.succession import Succession
from tests.simulation.actors.witness import Witness
from tests.simulation.disk import Disk

from strongroom.consensus import codec
from strongroom.consensus.blocks import Batch, BatchHeader, Header, decode_payload, encode_payload
from strongroom.consensus.events import BatchHeld, Event
from strongroom.consensus.host_messages import Submit
from strongroom.consensus.messages import BatchMessage, Message
from strongroom.consensus.replica import Replica
from strongroom.consensus.types import Digest, Epoch, Lane, Sequence, SignerIndex
from strongroom.consensus.validators import EpochDescription

BATCH_RECORD = 100
LANE_BATCHES_MAX = 64
HANDED_OVER_MAX = 64
"""Transactions that a node without a lane hands to a member at a time."""
HANDED_TO_ONE = 4
"""Times that one member is tried before the next: it knows what it was given before."""


class Carrier(Actor):
    """What of a node is about data. Peers are seats here, signer indices inside the replica."""

    replica: Replica
    store: Store
    succession: Succession
    epoch: Epoch
    members: EpochDescription
    own: SignerIndex | None
    """Signer index in the own epoch; None if it is no member."""
    seats: list[SignerIndex]
    """Seat of each signer index."""
    amnesiac: bool
    """Its log of this epoch is lost: it says nothing, and opens no lane."""

    def __init__(self, role: Role, witness: Witness) -> None:
        super().__init__(role)
        self.disk = Disk()
        self.witness = witness
        self.batches: dict[Digest, Batch] = {}
        self.wanted: set[Digest] = set()
        self._outbox: list[Send] = []
        self._waiting: deque[bytes] = deque()
        self._leftover: list[Batch] = []
        self._handed = 0

    def _peers(self) -> list[tuple[SignerIndex, SignerIndex]]:
        """Signer index and seat of every other member."""
        return [(SignerIndex(index), seat) for index, seat in enumerate(self.seats) if index != self.own]

    def _broadcast(self, message: Message) -> None:
        for _, seat in self._peers():
            self.witness.point(self.role.index, "sending")
            self._outbox.append(Send(seat, message))

    # --- transactions -----------------------------------------------------------------------------------------------

    @property
    def unbatched(self) -> tuple[bytes, ...]:
        """Transactions that only memory holds: a crash loses them, and their clients hand them in again."""
        return tuple(self._waiting)

    @property
    def _has_lane(self) -> bool:
        """A node without its log opens no lane, for it may have opened one before."""
        return self.own is not None and not self.amnesiac

    def _unordered(self) -> set[bytes]:
        """Transactions in batches of the own lane, and those that wait for one."""
        own = [batch for batch in self.batches.values() if self._is_own(batch)]
        return {*self._waiting, *(tx for batch in own for tx in decode_payload(batch.payload, batch.header.count))}

    def _accept(self, transaction: bytes) -> None:
        if transaction not in self.store.seen and transaction not in self._unordered():
            self._waiting.append(transaction)

    def _hand_over(self) -> None:
        """Without a lane: to a member, another one each time, until the transaction is final."""
        peers = self._peers()
        if self._has_lane or not peers:
            return
        self._waiting = deque(tx for tx in self._waiting if tx not in self.store.seen)
        self._handed += 1
        _, seat = peers[self._handed // HANDED_TO_ONE % len(peers)]
        for transaction in list(self._waiting)[:HANDED_OVER_MAX]:
            self._outbox.append(Send(seat, Submit(transaction)))

    def _fill_lane(self, queue: deque[Event | Batch]) -> None:
        """Turn waiting transactions into batches of the own lane, within its quota."""
        while self._waiting and self._has_lane and not self.replica.throttled and not self.replica.ended:
            lane = Lane(self.own or 0)
            tip = self.replica.final_cut[lane]
            length, previous = tip.length, tip.digest
            while (following := self._own_after(previous, length)) is not None:
                length, previous = Sequence(length + 1), following.digest
            if length - tip.length >= LANE_BATCHES_MAX // 2:
                return
            transaction = self._waiting.popleft()
            if transaction in self.store.seen:
                continue
            payload = encode_payload([transaction])
            header = BatchHeader(
                epoch=self.epoch,
                lane=lane,
                sequence=length,
                previous=previous,
                count=1,
                size=len(payload),
                payload_digest=Digest(sha256(payload).digest()),
            )
            signature = self.role.node_key.sign(header.signed_bytes(self.role.chain))
            self._store(Batch(header, payload, signature), queue, own=True)

    def _own_after(self, previous: Digest, sequence: int) -> BatchHeader | None:
        for batch in self.batches.values():
            header = batch.header
            if int(header.lane) == self.own and header.previous == previous and header.sequence == sequence:
                return header
        return None

    def _store(self, batch: Batch, queue: deque[Event | Batch], *, own: bool = False) -> None:
        header = batch.header
        if header.digest in self.batches or header.epoch != self.epoch or header.lane >= len(self.seats):
            return
        if header.sequence < self.replica.final_cut[header.lane].length:
            return
        key = self.members.validators[header.lane].node_key
        if not self.role.verify(key, batch.signature, header.signed_bytes(self.role.chain)):
            self.witness.fault(self.role.index, self.seats[header.lane], "batch signature")
            return
        unordered = sum(held.header.lane == header.lane for held in self.batches.values())
        if unordered >= LANE_BATCHES_MAX and header.digest not in self.wanted:
            return
        self.wanted.discard(header.digest)
        self.disk.log.append(BATCH_RECORD, codec.encode(batch.to_wire()))
        self.batches[header.digest] = batch
        self.disk.log.sync()
        self.witness.point(self.role.index, "batch stored")
        if own:
            self._broadcast(BatchMessage(batch))
        queue.append(BatchHeld(header))

    def _forget_final_batches(self, stored: Header) -> None:
        if stored.cut and stored.epoch == self.epoch:
            self.batches = {
                digest: batch
                for digest, batch in self.batches.items()
                if batch.header.sequence >= stored.cut[batch.header.lane].length
            }

    def _is_own(self, batch: Batch) -> bool:
        members = self.succession.chain.description(batch.header.epoch)
        own = None if members is None else members.index_of(self.role.node_key.public)
        return own == SignerIndex(batch.header.lane)

    def _batch_again(self, leftover: list[Batch]) -> None:
        """What a terminal block left unordered of this node's lane (PROTOCOL §2)."""
        leftover.sort(key=lambda batch: (batch.header.epoch, batch.header.sequence))
        again = [tx for batch in leftover for tx in decode_payload(batch.payload, batch.header.count)]
        known = self._unordered()
        self._waiting.extendleft(tx for tx in reversed(again) if tx not in known and tx not in self.store.seen)
