"""One node taking part: what was left over, fresh heads, then its participant's driver for ever
(PROTOCOL §6).

Owns the order of beginning, and the way of envelopes into the own lane. Nothing is voted or
executed before q fresh heads are here.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.heads import Head
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Height
from strongroom.enclave.outside.epochs_shown import Ask, follow_epochs
from strongroom.node.client.errors import NotTrusted
from strongroom.node.enclave_client.refusals import KeysNeeded, Refusal
from strongroom.node.enclave_client.replies import Freshness
from strongroom.node.host.resources import Resources
from strongroom.node.host.wiring import Wiring
from strongroom.node.ledger.archive.faults import SegmentNotAtHand
from strongroom.node.ledger.reading import stored_runs
from strongroom.node.ordering.events import EpochsKnown, Fresh, OwnBatch, Proven

HEADS_SECONDS = 1.0
"""Between two attempts to get heads that the enclave takes."""

log = structlog.get_logger()


class Participation:
    """The order in which one node begins to take part, and its way of envelopes into the lane."""

    def __init__(
        self,
        resources: Resources,
        wiring: Wiring,
        *,
        on_alarm: Callable[[str], None],
    ) -> None:
        """Make it; nothing runs yet.

        Args:
            resources: what the node stands on.
            wiring: the participant, its driver, and what is around them.
            on_alarm: told what is wrong; an empty text: it is over.
        """
        self._resources, self._wiring, self._on_alarm = resources, wiring, on_alarm
        self._events, self._driver = wiring.events, wiring.driver
        self.participant = wiring.participant
        self.fresh_height = Height(0)
        self.is_fresh = False
        """A quorum has shown the newest ledger, in this boot."""

    # --- its run ---

    async def restore(self) -> None:
        """The guard learns what this node said; nothing is said yet."""
        await self._driver.carry_out(self.participant.restore())

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._driver.run())
            tasks.create_task(self._fill_lane())

    async def start(self) -> None:
        """Fresh heads, and what was left over; then this node takes part."""
        fresh = await self._freshen()
        self.is_fresh = True
        log.info("node.fresh", height=fresh.height, epoch=fresh.epoch, may_vote=fresh.may_vote)
        await self._execute_left_over()
        self.fresh_height = fresh.height
        self._events.put(Fresh(fresh.epoch, fresh.may_vote))

    async def _fill_lane(self) -> None:
        """Batches of the own lane from the mempool, while there is a lane."""
        mempool, enclave, participant = (
            self._wiring.mempool,
            self._resources.enclave,
            self.participant,
        )
        while True:
            await self._driver.lane_open.wait()
            envelopes = await mempool.next_batch(self._driver)
            run = participant.run
            if (
                run.lane is None or run.own is None or not participant.has_lane
            ):  # the epoch ended meanwhile
                mempool.batch_again(envelopes)
                self._driver.lane_open.clear()
                continue
            header = run.lane.begin(envelopes, run.replica.state.final_cut[run.own])
            run.replica.state.make_batch(header.sequence, time.monotonic())
            journeys = self._wiring.observer.journeys
            if journeys is not None:
                journeys.batched(envelopes, int(run.own))
            signature = await enclave.sign_batch(header.digest)
            if journeys is not None:
                journeys.signed()
            self._events.put(OwnBatch(run.lane.complete(signature)))

    # --- fresh ---

    async def _freshen(self) -> Freshness:
        """Heads of a quorum, asked for again while they end below what this enclave had executed
        before (T05)."""
        enclave, heads = self._resources.enclave, self._wiring.heads
        while True:
            collected = await heads.collect(await enclave.challenge(), seconds=None)
            try:
                return await enclave.freshen(collected)
            except Refusal as refusal:
                self._on_alarm(f"waits for fresh heads: {refusal}")
                await asyncio.sleep(HEADS_SECONDS)

    async def _execute_left_over(self) -> None:
        """Recorded blocks that no quorum has anchored yet, as far as this enclave can execute
        them."""
        pipeline = self._wiring.pipeline
        if (await self._resources.enclave.status()).executed != pipeline.reached:
            pipeline.fall_behind(
                pipeline.reached
            )  # a key was missing in the middle of what is recorded: it is provisional
            return
        try:
            for run in stored_runs(self._resources.store, pipeline.reached):
                blocks = [(header, list(batches)) for header, batches in run.blocks]
                await pipeline.execute(blocks, run.certificate)
        except (KeysNeeded, SegmentNotAtHand):  # the follower waits for either
            pipeline.fall_behind(pipeline.reached)

    # --- what doors and heads show ---

    async def follow_door(self, ask: Ask) -> None:
        """Learn of later epochs at a node's front door, where no link is needed."""
        try:
            await follow_epochs(ask, self._resources.epochs)
        except (NotTrusted, NotCanonical) as fault:
            log.warning("epochs.refused", reason=str(fault))
        self._events.put(EpochsKnown())

    def feed_heads(self, heads: list[Head]) -> None:
        """What heads prove is processed like any certificate that a validator sends (R2)."""
        for head in heads:
            for certificate in (head.body.certificate, head.body.notarized):
                if isinstance(certificate, Certificate):
                    self._events.put(Proven(certificate))
