"""The one dull loop around a replica (PROTOCOL §9, STYLE 19): take events, step, carry the effects out in order.

Owns the order: what must be durable is durable before it is said aloud. It decides nothing. Several events that wait
are stepped in one turn and share one fsync; nothing of a turn is sent before that. One driver lasts one epoch.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from strongroom.consensus.blocks import Batch
from strongroom.consensus.errors import InvariantBroken, PeerFault
from strongroom.consensus.events import (
    Ask,
    BatchHeld,
    Cast,
    Event,
    Evidence,
    FinalRecord,
    LaneEvidence,
    Now,
    Output,
    Received,
    Tick,
    Work,
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
from strongroom.consensus.replica import Replica
from strongroom.consensus.statements import Statement, Vote
from strongroom.consensus.types import Epoch, Lane, Milliseconds, SignerIndex
from strongroom.node.batches import BatchPool
from strongroom.node.consensus_log import ConsensusLog
from strongroom.node.enclave_process import EnclaveProcess
from strongroom.node.links import Links
from strongroom.node.pipeline import Pipeline

TURN_EVENTS_MAX = 256
QUEUE_EVENTS_MAX = 8192
"""Above this, peers are not read from until the queue is short again."""
QUEUE_EVENTS_RESUME = 1024
BATCH_LEAD_SECONDS = 0.005
"""What a batch takes from its making until all have stored it, on a machine that has enough to do."""
FORGET_VIEWS = 64
"""The enclave's guard is told of final views in steps of this many."""

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
        epoch: Epoch,
        own: SignerIndex | None,
        wal: ConsensusLog,
        enclave: EnclaveProcess,
        links: Links,
        batches: BatchPool,
        pipeline: Pipeline,
        on_alarm: Callable[[str], None],
        on_evidence: Callable[[Evidence | LaneEvidence], None],
        on_view: Callable[[], None] = lambda: None,
    ) -> None:
        self.replica, self._epoch, self._own = replica, epoch, own
        self._log, self._enclave, self._links = wal, enclave, links
        self._batches, self._pipeline = batches, pipeline
        self._on_alarm, self._on_evidence = on_alarm, on_evidence
        self._view, self._on_view = replica.view, on_view
        self._queue: deque[DriverEvent] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._unsent: list[Batch] = []
        """Own batches that go out to all once they are durable."""
        self._forgotten = 0
        self._put_off: Ask | None = None
        """A range of old blocks that is asked for once execution has caught up."""
        self.alarm = ""
        self.silence: tuple[Epoch, str] | None = None
        """(epoch, why): up to which this node votes no more; None: it may."""

    def put(self, event: DriverEvent) -> None:
        """Queue an event."""
        self._queue.append(event)
        self._wake.set()

    def wake_for_work(self) -> None:
        """A deadline in state is past: the chain has a reason to move (PROTOCOL §7)."""
        self.put(Work())

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
    def batch_due(self) -> float | None:
        """When the next batch of the own lane should leave, so that it is everywhere when a leader looks for it."""
        return None if self._own is None else self.replica.batch_due(Lane(self._own), BATCH_LEAD_SECONDS)

    def observe(self, epoch: Epoch, reason: str) -> None:
        """Vote no more up to this epoch, whatever restarts come: the log does not hold all that was said (§6)."""
        self.replica.voting = False
        self.silence = (epoch, reason)
        self._log.observe(epoch, reason)
        self._on_alarm(reason)

    async def run(self, first: list[Output]) -> None:
        """Carry out what `Replica.resume` returned, then work until the epoch is over here (R16)."""
        await self._carry_out(first)
        while not self._is_over():
            self._arm_timer()
            await self._wake.wait()
            self._wake.clear()
            await self._turn()
            if len(self._queue) < QUEUE_EVENTS_RESUME:
                self._links.resume()
            if self._queue:
                self._wake.set()
                await asyncio.sleep(0)
        self._links.resume()
        self._disarm_timer()

    def _is_over(self) -> bool:
        """The terminal block is final, and executed as far as this node can before the next epoch begins."""
        return self.replica.ended and self._pipeline.is_through(self.replica.final)

    async def _turn(self) -> None:
        moment = now()
        outputs: list[Output] = []
        queue = self._queue
        for _ in range(min(len(queue), TURN_EVENTS_MAX)):
            event = queue.popleft()
            if isinstance(event, BatchArrived):
                if self._store(event):
                    self._step(BatchHeld(event.batch.header), moment, outputs)
            elif isinstance(event, Recorded):
                await self._note_final(event.record)
            else:
                self._step(event, moment, outputs)
        deadline = self.replica.deadline()
        if deadline is not None and deadline <= moment.monotonic:
            self._step(Tick(), moment, outputs)
        await self._carry_out(outputs)
        if self.replica.view != self._view:
            self._view = self.replica.view
            self._on_view()
        if self._put_off is not None and not self._pipeline.overfull:
            ask, self._put_off = self._put_off, None
            self._ask(ask)

    def _step(self, event: Event, moment: Now, outputs: list[Output]) -> None:
        try:
            outputs.append(self.replica.step(event, moment))
        except PeerFault as fault:
            log.warning("peer.fault", event=type(event).__name__, reason=str(fault))

    def _store(self, event: BatchArrived) -> bool:
        """Log a batch. A peer's becomes durable with the next vote: nothing that is said before rests on it."""
        wanted = self._batches.arrived(event.batch.header.digest) or event.own
        if event.batch.header.digest in self._batches or self._is_final(event.batch):
            return False
        try:
            self._batches.admit(event.batch, wanted=wanted)
        except PeerFault as fault:
            log.warning("peer.fault", event="Batch", reason=str(fault))
            return False
        self._log.hold(event.batch, urgent=event.own)
        self._batches.add(event.batch)
        if event.own:
            self._unsent.append(event.batch)
        return True

    async def _note_final(self, record: FinalRecord) -> None:
        """What lies below a recorded final view is voted on no more."""
        self._log.note_final(record)
        view = record.certificate.view
        if record.header.epoch == self._epoch and view >= self._forgotten + FORGET_VIEWS:
            await self._enclave.forget(self._epoch, view)
            self._forgotten = view

    def _is_final(self, batch: Batch) -> bool:
        """A final block has ordered this place of the lane already: a late relay."""
        header = batch.header
        return header.sequence < self.replica.final_cut[header.lane].length

    async def _carry_out(self, outputs: list[Output]) -> None:
        self._log.take(outputs)
        self._log.settle()
        for batch in self._unsent:
            self._links.broadcast(encode_message(BatchMessage(batch)))
        self._unsent.clear()
        casts = [cast for output in outputs for cast in output.cast]
        if casts:
            await self._say(casts)
        for output in outputs:
            self._finish(output)
        self._log.rotate_if_long(self._pipeline.record)

    async def _say(self, casts: list[Cast]) -> None:
        """Have the guard sign durable statements, send them, and feed them back as ordinary votes."""
        own = self._own
        if own is None:
            raise InvariantBroken("a replica that is no member casts")
        statements: list[Statement] = [cast.statement for cast in casts]
        signatures = await self._enclave.cast(statements)
        for cast, signature in zip(casts, signatures, strict=True):
            vote = Vote(cast.statement, own, signature)
            message: Message = VoteMessage(vote)
            if cast.proposal is not None:
                proposal = cast.proposal
                message = Propose(proposal.header, cast.statement.view, proposal.justification, vote)
            self._links.broadcast(encode_message(message))
            self._queue.appendleft(Received(own, VoteMessage(vote)))
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
            self._on_evidence(evidence)
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
            self._links.ask(ask.to, encode_message(request))

    def _arm_timer(self) -> None:
        self._disarm_timer()
        deadline = self.replica.deadline()
        if deadline is not None:
            delay = max(0.0, deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._wake.set)

    def _disarm_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
