"""What clients give to an honest node: the way of a transaction into a batch of the own lane, or to
a member.

Owns the transactions that only memory holds. Which batch is the next one of the lane is
node/ordering's.
"""

from collections import deque

from tests.simulation.actors.actor import Role, Send
from tests.simulation.actors.store import Store

from strongroom.consensus.batches import Batch, BatchHeader, decode_payload
from strongroom.consensus.host_messages import Submit
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.ordering.lane import OwnLane
from strongroom.node.ordering.participant import Participant

OWN_BATCHES_MAX = 32
"""Not known to be ordered; more wait."""
HANDED_OVER_MAX = 64
"""Transactions that a node without a lane hands to a member at a time."""
HANDED_TO_ONE = 4
"""Times that one member is tried before the next: it knows what it was given before."""


def transactions_of(batch: Batch) -> tuple[bytes, ...]:
    """What a batch holds."""
    return decode_payload(batch.payload, batch.header.count)


class Intake:
    """Transactions of one boot of one node."""

    def __init__(self, role: Role, participant: Participant, store: Store, pool: BatchPool) -> None:
        self._role, self._participant, self._store, self._pool = role, participant, store, pool
        self._waiting: deque[bytes] = deque()
        self._batching: tuple[bytes, ...] = ()
        """Of the batch that is being signed or logged."""
        self._begun: tuple[OwnLane, BatchHeader, float] | None = None
        """The batch that is being signed, and when it is; its epoch may end meanwhile."""
        self._handed = 0

    @property
    def in_memory(self) -> tuple[bytes, ...]:
        """Transactions that a crash loses."""
        return (*self._batching, *self._waiting)

    @property
    def deadline(self) -> float | None:
        """When the batch that is being signed is."""
        return None if self._begun is None else self._begun[2]

    def _unordered(self) -> set[bytes]:
        """Transactions in batches of the own lane, and those that wait for one."""
        own = self._participant.run.own
        batches = [
            batch
            for batch in self._pool.all()
            if own is not None and int(batch.header.lane) == int(own)
        ]
        held = (tx for batch in batches for tx in transactions_of(batch))
        return {*self.in_memory, *held}

    def accept(self, transaction: bytes) -> None:
        """A client, or a node without a lane, hands it in."""
        if transaction not in self._store.seen and transaction not in self._unordered():
            self._waiting.append(transaction)

    def batch_again(self, envelopes: tuple[bytes, ...]) -> None:
        """What a terminal block left unordered of this node's lane (PROTOCOL §2); the batch that
        was being signed is among it."""
        self._batching = ()
        known = self._unordered()
        self._waiting.extendleft(
            tx for tx in reversed(envelopes) if tx not in known and tx not in self._store.seen
        )

    def hand_over(self) -> list[Send]:
        """Without a lane: to a member, another one each time, until the transaction is final."""
        run, own = self._participant.run, self._role.node_key.public
        peers = [key for key in run.keys if key != own]
        if self._participant.has_lane or not peers:
            return []
        self._waiting = deque(tx for tx in self._waiting if tx not in self._store.seen)
        self._handed += 1
        seat = self._role.realm.seat_of(peers[self._handed // HANDED_TO_ONE % len(peers)])
        return [
            Send(seat, Submit(transaction)) for transaction in list(self._waiting)[:HANDED_OVER_MAX]
        ]

    def next_batch(self, now: float, delay: float) -> Batch | None:
        """The next batch of the own lane, signed; None: nothing waits, or it must.

        Args:
            now: monotonic seconds.
            delay: seconds that signing takes.
        """
        if self._begun is None and self._waiting and not self._batching:
            self._begin(now, now + delay)
        if self._begun is None or now < self._begun[2]:
            return None
        (lane, header, _), self._begun = self._begun, None
        return lane.complete(self._role.node_key.sign(header.signed_bytes(self._role.chain)))

    def _begin(self, now: float, due: float) -> None:
        run, replica = self._participant.run, self._participant.replica
        lane, own = run.lane, run.own
        while self._waiting:
            if (
                not self._participant.has_lane
                or lane is None
                or own is None
                or replica.state.throttled
                or replica.state.ended
            ):
                return
            lane.settle(replica.state.final_cut[own])
            if lane.waiting >= OWN_BATCHES_MAX or self._participant.lane_is_full:
                return
            transaction = self._waiting.popleft()
            if transaction in self._store.seen:
                continue
            self._batching = (transaction,)
            header = lane.begin([transaction], replica.state.final_cut[own])
            replica.state.make_batch(header.sequence, now)
            self._begun = lane, header, due
            return

    def batched(self) -> None:
        """The batch is durable, or came too late for its epoch."""
        self._batching = ()
