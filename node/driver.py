"""The one dull loop around the replica (PROTOCOL §9, STYLE 19): take events, step, carry the effects out in order.

Owns the order: what must be durable is durable before it is said aloud. It decides nothing. Several events that wait
are stepped in one turn and share one fsync; nothing of a turn is sent before that.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from strongroom.consensus import codec
from strongroom.consensus.blocks import Batch
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.events import (
    Ask,
    BatchHeld,
    Cast,
    CastRecord,
    Event,
    FinalRange,
    FinalRecord,
    Now,
    Output,
    Received,
    Tick,
)
from strongroom.consensus.messages import (
    BatchMessage,
    BatchRequest,
    BlockRequest,
    Message,
    Propose,
    RangeRequest,
    VoteMessage,
    encode_message,
)
from strongroom.consensus.records import encode_record
from strongroom.consensus.replica import Replica
from strongroom.consensus.statements import Statement, Vote
from strongroom.consensus.types import Epoch, Milliseconds, SignerIndex
from strongroom.node.batches import BatchPool
from strongroom.node.enclave_process import EnclaveProcess
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.links import Links
from strongroom.node.pipeline import Pipeline

TURN_EVENTS_MAX = 256
QUEUE_EVENTS_MAX = 8192
"""Above this, peers are not read from until the queue is short again."""
QUEUE_EVENTS_RESUME = 1024
FORGET_VIEWS = 64
"""The enclave's guard is told of final views in steps of this many."""
BATCH_RECORD = 100
"""Kind of a log record that holds a batch; kinds below are the consensus core's."""
OBSERVER_RECORD = 101
"""Kind of a log record that silences this node's vote: (epoch, why). A restart must not forget it (PROTOCOL §6)."""

log = structlog.get_logger()


def now() -> Now:
    """The time, as an event sees it."""
    return Now(time.monotonic(), Milliseconds(time.time_ns() // 1_000_000))


@dataclass(frozen=True, slots=True)
class BatchArrived:
    """A batch to be stored; its signature is checked."""

    batch: Batch
    own: bool
    """Made here: it goes out to all once it is durable."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The block store holds every block up to this one, durably."""

    record: FinalRecord


DriverEvent = Event | BatchArrived | Recorded


class Driver:
    """Steps one replica."""

    def __init__(
        self,
        *,
        replica: Replica,
        own: SignerIndex,
        wal: WriteAheadLog,
        enclave: EnclaveProcess,
        links: Links,
        batches: BatchPool,
        pipeline: Pipeline,
        wal_bytes_max: int,
        on_alarm: Callable[[str], None],
    ) -> None:
        self.replica, self._own = replica, own
        self._wal, self._enclave, self._links = wal, enclave, links
        self._batches, self._pipeline = batches, pipeline
        self._wal_bytes_max, self._rotate_at, self._on_alarm = wal_bytes_max, wal_bytes_max, on_alarm
        self._queue: deque[DriverEvent] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._dirty = False
        """The log has records that must be durable before anything of this turn is said; others may follow later."""
        self._forgotten = 0
        self._recorded: FinalRecord | None = None
        self._put_off: Ask | None = None
        """A range of old blocks that is asked for once execution has caught up."""
        self._observes = b""
        """Payload of the record that silences this node; empty while it may vote."""
        self.alarm = ""

    def put(self, event: DriverEvent) -> None:
        """Queue an event."""
        self._queue.append(event)
        self._wake.set()

    def put_from_peer(self, sender: SignerIndex, event: DriverEvent) -> None:
        """Queue a peer's event; a full queue stops reading from that peer."""
        self.put(event)
        if len(self._queue) > QUEUE_EVENTS_MAX:
            self._links.pause(sender)

    @property
    def throttled(self) -> bool:
        """Back-pressure: no new batches now (PROTOCOL §7)."""
        return self.replica.throttled

    @property
    def waiting_batches(self) -> int:
        """Batches of the own lane that no final block has ordered."""
        return self.replica.lane_lengths[self._own] - self.replica.final_cut[self._own].length

    def observe(self, epoch: Epoch, reason: str) -> None:
        """Vote no more in this epoch, whatever restarts come: the log does not hold all that was said (PROTOCOL §6)."""
        self.replica.voting = False
        self._observes = codec.encode((epoch, reason))
        self._wal.append(OBSERVER_RECORD, self._observes)
        self._wal.sync()
        self._on_alarm(reason)

    async def run(self, first: list[Output]) -> None:
        """Carry out what `Replica.resume` returned, then work until cancelled."""
        await self._carry_out(first, [])
        while True:
            self._arm_timer()
            await self._wake.wait()
            self._wake.clear()
            await self._turn()
            if len(self._queue) < QUEUE_EVENTS_RESUME:
                self._links.resume()
            if self._queue:
                self._wake.set()
                await asyncio.sleep(0)

    async def _turn(self) -> None:
        moment = now()
        outputs: list[Output] = []
        stored: list[BatchArrived] = []
        queue = self._queue
        for _ in range(min(len(queue), TURN_EVENTS_MAX)):
            event = queue.popleft()
            if isinstance(event, BatchArrived):
                if self._store(event):
                    stored.append(event)
            elif isinstance(event, Recorded):
                await self._note_final(event.record)
            elif isinstance(event, FinalRange) and stored:
                queue.appendleft(event)
                break  # its batches become durable first
            else:
                self._step(event, moment, outputs)
        deadline = self.replica.deadline()
        if deadline is not None and deadline <= moment.monotonic:
            self._step(Tick(), moment, outputs)
        await self._carry_out(outputs, stored)
        if self._put_off is not None and not self._pipeline.overfull:
            ask, self._put_off = self._put_off, None
            self._ask(ask)

    def _step(self, event: Event, moment: Now, outputs: list[Output]) -> None:
        try:
            outputs.append(self.replica.step(event, moment))
        except PeerFault as fault:
            log.warning("peer.fault", event=type(event).__name__, reason=str(fault))

    def _store(self, event: BatchArrived) -> bool:
        wanted = self._batches.arrived(event.batch.header.digest) or event.own
        if event.batch.header.digest in self._batches or self._is_final(event.batch):
            return False
        try:
            self._batches.admit(event.batch, wanted=wanted)
        except PeerFault as fault:
            log.warning("peer.fault", event="Batch", reason=str(fault))
            return False
        self._wal.append(BATCH_RECORD, codec.encode(event.batch.to_wire()))
        self._batches.add(event.batch)
        self._dirty = True
        return True

    async def _note_final(self, record: FinalRecord) -> None:
        """What lies below a recorded final view is voted on no more; the log may lose it at its next rotation."""
        self._wal.append(*encode_record(record))
        if self._recorded is None or record.header.height > self._recorded.header.height:
            self._recorded = record
        view = record.certificate.view
        if view >= self._forgotten + FORGET_VIEWS:
            await self._enclave.forget(view)
            self._forgotten = view

    def _is_final(self, batch: Batch) -> bool:
        """A final block has ordered this place of the lane already: a late relay."""
        header = batch.header
        return header.sequence < self.replica.final_cut[header.lane].length

    async def _carry_out(self, outputs: list[Output], stored: list[BatchArrived]) -> None:
        for output in outputs:
            for record in output.persist:
                self._wal.append(*encode_record(record))
            for cast in output.cast:
                self._wal.append(*encode_record(CastRecord(cast.statement)))
                self._dirty = True
        if self._dirty:
            self._wal.sync()
            self._dirty = False
        for event in reversed(stored):
            self._queue.appendleft(BatchHeld(event.batch.header))
            self._wake.set()
            if event.own:
                self._links.broadcast(encode_message(BatchMessage(event.batch)))
        casts = [cast for output in outputs for cast in output.cast]
        if casts:
            await self._say(casts)
        for output in outputs:
            self._finish(output)
        if self._wal.size_bytes > self._rotate_at:
            self._rotate()

    def _rotate(self) -> None:
        """Begin a new log. The replica remembers nothing below its final block: the block store must have that first.

        What is carried may be more than the limit; so the log doubles at least before the next time.
        """
        self._recorded = self._pipeline.record() or self._recorded
        self._wal.rotate(self._carry())
        self._rotate_at = max(self._wal_bytes_max, 2 * self._wal.size_bytes)

    def _carry(self) -> list[tuple[int, bytes]]:
        """What a new log begins with: all that the old one still says about the future."""
        carry: list[tuple[int, bytes]] = []
        if self._recorded is not None:
            carry.append(encode_record(self._recorded))
        if self._observes:
            carry.append((OBSERVER_RECORD, self._observes))
        carry += [encode_record(record) for record in self.replica.log_records()]
        carry += [(BATCH_RECORD, codec.encode(batch.to_wire())) for batch in self._batches.all()]
        log.info("log.rotated", height=self.replica.final.height, records=len(carry))
        return carry

    async def _say(self, casts: list[Cast]) -> None:
        """Have the guard sign durable statements, send them, and feed them back as ordinary votes."""
        statements: list[Statement] = [cast.statement for cast in casts]
        signatures = await self._enclave.cast(statements)
        for cast, signature in zip(casts, signatures, strict=True):
            vote = Vote(cast.statement, self._own, signature)
            message: Message = VoteMessage(vote)
            if cast.proposal is not None:
                proposal = cast.proposal
                message = Propose(proposal.header, cast.statement.view, proposal.justification, vote)
            self._links.broadcast(encode_message(message))
            self._queue.appendleft(Received(self._own, VoteMessage(vote)))
        self._wake.set()

    def _finish(self, output: Output) -> None:
        for send in output.send:
            data = encode_message(send.message)
            if send.to is None:
                self._links.broadcast(data)
            else:
                self._links.send(send.to, data)
        for ask in output.ask:
            self._ask(ask)
        for digest in output.relay:
            batch = self._batches.get(digest)
            if batch is not None:
                self._links.broadcast(encode_message(BatchMessage(batch)))
        self._pipeline.put(output.commit)
        for member in output.faults:
            log.warning("peer.fault", peer=int(member), reason="a vote over its own link does not verify")
        for evidence in output.evidence:
            log.warning("evidence", signer=evidence.first.signer, view=evidence.first.statement.view)
        if output.alarm and not self.alarm:
            self.alarm = output.alarm
            self._on_alarm(output.alarm)

    def _ask(self, ask: Ask) -> None:
        requests: list[Message] = []
        if ask.batches:
            self._batches.want(ask.batches)
            requests.append(BatchRequest(ask.batches))
        if ask.headers:
            requests.append(BlockRequest(ask.headers))
        if ask.range_from is not None and self._pipeline.overfull:
            self._put_off = Ask(ask.to, range_from=ask.range_from)
        elif ask.range_from is not None:
            requests.append(RangeRequest(ask.range_from))
        for request in requests:
            self._links.send(ask.to, encode_message(request))

    def _arm_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.replica.deadline()
        if deadline is not None:
            delay = max(0.0, deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._wake.set)
