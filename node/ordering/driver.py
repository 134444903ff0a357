"""The one dull loop around a participant (PROTOCOL §9, STYLE 19): take events, step, carry the
effects out in order.

It decides nothing. Several events that wait are stepped in one turn and share one fsync; what must
be durable is so before it is said aloud, because that is the order of the effects.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

import structlog

from strongroom.consensus import codec
from strongroom.consensus.batches import Batch
from strongroom.consensus.messages import RANGE, BatchMessage, Forward, encode_message
from strongroom.consensus.replica.events import Equivocation, LaneFork, Now
from strongroom.consensus.types import Milliseconds, PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.execution.pipeline import Pipeline
from strongroom.node.ledger.archive.faults import SegmentNotAtHand
from strongroom.node.ledger.reading import stored_block_at
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.mempool.mempool import Mempool
from strongroom.node.metrics.observer import Observer
from strongroom.node.network.links import Links
from strongroom.node.ordering.effects import (
    Accuse,
    Alarm,
    Append,
    BatchAgain,
    Effect,
    EpochBegins,
    Fault,
    Forget,
    Recall,
    ReplaceLog,
    SendBlocks,
    ShowEpochs,
    Sign,
    SignAgain,
    StoreBlocks,
    StoreNow,
    Sync,
    Tell,
    ViewChanged,
)
from strongroom.node.ordering.event_queue import EventQueue
from strongroom.node.ordering.events import Following, ParticipantEvent
from strongroom.node.ordering.participant import Participant

TURN_EVENTS_MAX = 256

log = structlog.get_logger()


def now() -> Now:
    """The time, as an event sees it."""
    return Now(time.monotonic(), Milliseconds(time.time_ns() // 1_000_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What effects are carried out with."""

    wal: WriteAheadLog
    store: BlockStore
    enclave: EnclaveClient
    links: Links
    pipeline: Pipeline
    mempool: Mempool
    on_alarm: Callable[[str], None]
    on_evidence: Callable[[EpochDescription, Equivocation | LaneFork], None]
    on_fault: Callable[[PublicKey, str], None]
    on_epochs: Callable[[], None]
    """Another epoch is known."""
    on_epoch: Callable[[EpochDescription], None]
    """Another epoch begins here."""
    observer: Observer = field(default_factory=Observer)


class Driver:
    """Steps one participant, as long as the node lives."""

    def __init__(self, participant: Participant, events: EventQueue, hands: Hands) -> None:
        self.participant, self._events, self._hands = participant, events, hands
        self._wake = events.came
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        """When the timer fires, in monotonic seconds."""
        self.lane_open = asyncio.Event()
        """Set while what is submitted goes into a lane of this node's own."""
        self._following, self._candidate_at = False, 0.0
        self._forwarded: Batch | None = None
        """The newest batch that others pass on."""
        links = hands.links
        self._acts: dict[type, Callable[[Any], object]] = {
            Append: self._append,
            Sync: self._sync,
            StoreNow: lambda _: hands.pipeline.record(),
            ReplaceLog: self._replace_log,
            Tell: self._tell,
            SendBlocks: self._send_blocks,
            StoreBlocks: lambda effect: hands.pipeline.put(effect.commits),
            EpochBegins: self._begin_epoch,
            BatchAgain: lambda effect: hands.mempool.batch_again(list(effect.envelopes)),
            ViewChanged: self._change_view,
            Accuse: self._accuse,
            Fault: self._note_fault,
            Alarm: lambda effect: hands.on_alarm(effect.reason),
        }
        self._links = links
        hands.pipeline.on_behind = self._wake.set

    # --- what the mempool asks (LaneState) ---

    @property
    def throttled(self) -> bool:
        """Back-pressure: no new batches now (PROTOCOL §7). None either once the epoch has ended
        here: no block orders them, and a node that lost its log would fork its lane with them, for
        which peers that are behind accuse it."""
        participant = self.participant
        full = not participant.has_lane or participant.lane_is_full
        state = participant.replica.state
        return full or state.throttled or state.ended

    @property
    def batch_due(self) -> float | None:
        """When the next batch of the own lane should leave, so that it is everywhere when a leader
        looks for it."""
        own = self.participant.run.own
        return None if own is None else self.participant.replica.state.batch_due(time.monotonic())

    # --- the loop ---

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._arm_timer()
            await self._wake.wait()
            self._wake.clear()
            await self._turn()
            if self._events.is_short:
                self._links.resume()
            if self.participant.is_hungry:  # the enclave signed meanwhile: nobody has starved
                self._wake.set()
            elif self._events:
                self._wake.set()
                await asyncio.sleep(0)

    async def _turn(self) -> None:
        events: list[ParticipantEvent] = []
        following = self._hands.pipeline.behind.is_set()
        if following != self._following:
            self._following = following
            events.append(Following(following))
        events += self._events.pop(TURN_EVENTS_MAX)
        await self.carry_out(self.participant.step(events, now()))
        candidate_at = self.participant.replica.state.candidate_at
        if candidate_at != self._candidate_at:  # now it is known when the next view may begin
            self._candidate_at = candidate_at
            self._hands.mempool.look()
        if self.participant.has_lane:
            self.lane_open.set()
        else:
            self.lane_open.clear()

    async def carry_out(self, effects: list[Effect]) -> None:
        """Each effect, before the next one."""
        for effect in effects:
            act = self._acts.get(type(effect))
            if act is None:
                await self._ask_enclave(effect)
            else:
                act(effect)

    async def _ask_enclave(self, effect: Effect) -> None:
        enclave = self._hands.enclave
        match effect:
            case Sign(casts):
                self._hands.observer.cast(casts)
                signatures = await enclave.cast([cast.statement for cast in casts])
                await self.carry_out(self.participant.signed(casts, signatures))
            case SignAgain(statements):
                signatures = await enclave.cast(list(statements))
                await self.carry_out(self.participant.restated(signatures, now()))
            case Recall(_, statements):
                if statements:
                    await enclave.recall(list(statements))
            case Forget(epoch, view):
                await enclave.forget(epoch, view)
            case ShowEpochs(entries):
                await enclave.epochs(entries)
                log.info("epochs.known", newest=entries[-1].description.epoch)
                self._hands.on_epochs()
            case _:
                raise TypeError(f"no act for {type(effect).__name__}")

    # --- acts ---

    def _append(self, effect: Append) -> None:
        self._hands.wal.append(effect.kind, effect.payload)
        self._hands.observer.logged(effect.kind, effect.payload)

    def _sync(self, _: Sync) -> None:
        began = time.perf_counter()
        self._hands.wal.sync()
        self._hands.observer.synced(time.perf_counter() - began)

    def _change_view(self, _: ViewChanged) -> None:
        self._hands.observer.view_changed()
        self._hands.mempool.look()

    def _accuse(self, effect: Accuse) -> None:
        self._hands.observer.accused()
        self._hands.on_evidence(effect.description, effect.evidence)

    def _tell(self, effect: Tell) -> None:
        data = encode_message(effect.message)
        journeys = self._hands.observer.journeys
        if journeys is not None and self._leaves(effect):
            journeys.said()
        if effect.to is None:
            self._links.broadcast(data)
        else:
            self._links.send_to(effect.to, data)

    def _leaves(self, effect: Tell) -> bool:
        """Does a batch leave for the first of those that it goes to?"""
        message, before = effect.message, self._forwarded
        if type(message) is Forward:
            self._forwarded = message.batch
            return message.batch is not before
        return effect.to is None and type(message) is BatchMessage

    def _send_blocks(self, effect: SendBlocks) -> None:
        wire = []
        for height in range(effect.first, effect.last + 1):
            try:
                block = stored_block_at(self._hands.store, height)
            except SegmentNotAtHand as fault:  # it was recalled, and made room for another
                log.warning("archive.not_served", text=str(fault))
                return
            wire.append((block.header.encoded, tuple(batch.to_wire() for batch in block.batches)))
        self._links.send_to(
            effect.to, codec.encode((RANGE, tuple(wire), effect.certificate.to_wire()))
        )

    def _replace_log(self, effect: ReplaceLog) -> None:
        self._hands.wal.rotate(effect.records)
        if effect.opens is None:
            log.info("log.rotated", records=len(effect.records))
        else:
            log.info("log.new_epoch", epoch=effect.opens, records=len(effect.records))

    def _begin_epoch(self, effect: EpochBegins) -> None:
        description = effect.description
        self._links.turn_to(description)
        self._hands.observer.epoch([one.node_key for one in description.validators])
        log.info(
            "epoch.begins", epoch=description.epoch, member=self.participant.run.own is not None
        )
        self._hands.on_epoch(description)

    def _note_fault(self, effect: Fault) -> None:
        if effect.counts:
            self._hands.on_fault(effect.peer, effect.reason)
        else:
            log.warning("peer.fault", peer=effect.peer.hex()[:16], reason=effect.reason)

    # --- time ---

    def _arm_timer(self) -> None:
        """Have a turn at the participant's deadline. A timer that fires earlier stays: most
        deadlines are put off before they come, and each timer costs as much as a small message."""
        deadline = self.participant.deadline()
        if deadline is None or deadline >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        delay = max(0.0, deadline - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        """The timer is over: a turn, if that is still when one is wanted."""
        self._timer, self._timer_at = None, inf
        deadline = self.participant.deadline()
        if deadline is not None and deadline <= time.monotonic():
            self._wake.set()
        else:
            self._arm_timer()
