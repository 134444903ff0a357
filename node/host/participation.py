"""One node taking part: what was left over, fresh heads, then its participant's driver for ever
(PROTOCOL §6).

Owns the order of beginning, and the way of envelopes into the own lane. Nothing is voted or
executed before q fresh heads are here.
"""

import asyncio
from collections.abc import Callable

import structlog

from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.messages import Head, Status
from strongroom.consensus.replica.events import Equivocation, LaneFork
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import Height, PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.primitives import verify
from strongroom.node.client.errors import NotTrusted
from strongroom.node.client.trust.epochs import Ask, follow_epochs
from strongroom.node.enclave_client.calls import Freshness
from strongroom.node.enclave_client.refusals import KeysNeeded, Refusal
from strongroom.node.host.wiring import Resources, Wiring
from strongroom.node.ledger.reading import stored_runs
from strongroom.node.ordering.driver import Driver, Hands
from strongroom.node.ordering.effects import EpochsKnown, Fresh, LinkDown, LinkUp, OwnBatch, Proven
from strongroom.node.ordering.participant import Participant
from strongroom.node.ordering.start import ReplicaStart
from strongroom.node.ordering.stored_past import StoredPast

SETTINGS = Settings(min_gap=0.005, anchor_gap=0.012)
"""Times of the replica: blocks grow a little under load, and an anchor waits for a batch to share
its block."""
HEADS_SECONDS = 1.0
"""Between two attempts to get heads that the enclave takes."""

log = structlog.get_logger()


class Participation:
    """The participant of one node, its driver, and what they need around them."""

    def __init__(
        self,
        ground: Resources,
        parts: Wiring,
        start: ReplicaStart,
        *,
        on_alarm: Callable[[str], None],
    ) -> None:
        """Make the parts; nothing runs yet.

        Args:
            ground: what the node stands on.
            parts: what is around its participant.
            start: what log and block store say.
            on_alarm: told what is wrong; an empty text: it is over.
        """
        self._ground, self._parts, self._on_alarm = ground, parts, on_alarm
        self.fresh_height = Height(0)
        self.is_fresh = False
        """A quorum has shown the newest ledger, in this boot."""
        self.participant = Participant(
            node_key=ground.node_key,
            past=StoredPast(ground.store, ground.history),
            epochs=ground.epochs,
            start=start,
            pool=parts.batches,
            verify=verify,
            settings=SETTINGS,
            log_bytes_max=ground.config.limits.wal_bytes_max,
        )
        self.driver = Driver(
            self.participant,
            Hands(
                wal=ground.wal,
                store=ground.store,
                enclave=ground.enclave,
                links=parts.links,
                pipeline=parts.pipeline,
                mempool=parts.mempool,
                on_alarm=on_alarm,
                on_evidence=self._accuse,
                on_fault=lambda peer, reason: self.inbox.note_fault(peer, reason),
                on_epochs=parts.heads.recount,
                on_epoch=self._begin_epoch,
            ),
        )
        self.inbox = parts.make_inbox(self.driver)
        parts.links.turn_to(start.description)

    def _accuse(self, description: EpochDescription, evidence: Equivocation | LaneFork) -> None:
        self._parts.roster.accuse(description, evidence)

    def _begin_epoch(self, _: EpochDescription) -> None:
        self._parts.heads.recount()
        self._parts.roster.nudge()

    # --- its run ---

    async def restore(self) -> None:
        """The guard learns what this node said; nothing is said yet."""
        await self.driver.carry_out(self.participant.restore())

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.driver.run())
            tasks.create_task(self._fill_lane())

    async def start(self) -> None:
        """Fresh heads, and what was left over; then this node takes part."""
        fresh = await self._freshen()
        self.is_fresh = True
        log.info("node.fresh", height=fresh.height, epoch=fresh.epoch, may_vote=fresh.may_vote)
        await self._execute_left_over()
        self.fresh_height = fresh.height
        self.driver.put(Fresh(fresh.epoch, fresh.may_vote))

    async def _fill_lane(self) -> None:
        """Batches of the own lane from the mempool, while there is a lane."""
        mempool, enclave, participant = self._parts.mempool, self._ground.enclave, self.participant
        while True:
            await self.driver.lane_open.wait()
            envelopes = await mempool.next_batch(self.driver)
            run = participant.run
            if (
                run.lane is None or run.own is None or not participant.has_lane
            ):  # the epoch ended meanwhile
                mempool.batch_again(envelopes)
                self.driver.lane_open.clear()
                continue
            header = run.lane.begin(envelopes, run.replica.final_cut[run.own])
            signature = await enclave.sign_batch(header.digest)
            self.driver.put(OwnBatch(run.lane.complete(signature)))

    # --- fresh ---

    async def _freshen(self) -> Freshness:
        """Heads of a quorum, asked for again while they end below what this enclave had executed
        before (T05)."""
        enclave, heads = self._ground.enclave, self._parts.heads
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
        pipeline = self._parts.pipeline
        if (await self._ground.enclave.status()).executed != pipeline.reached:
            pipeline.fall_behind(
                pipeline.reached
            )  # a key was missing in the middle of what is recorded: it is provisional
            return
        for run in stored_runs(self._ground.store, pipeline.reached):
            blocks = [(header, list(batches)) for header, batches in run.blocks]
            try:
                await pipeline.execute(blocks, run.certificate)
            except KeysNeeded:
                pipeline.fall_behind(pipeline.reached)
                return

    # --- links and heads ---

    def link_up(self, peer: PublicKey) -> None:
        """A link came up."""
        self.driver.put(LinkUp(peer))

    def link_down(self, peer: PublicKey) -> None:
        """The last link to a node was lost."""
        self.driver.put(LinkDown(peer))

    async def follow_door(self, ask: Ask) -> None:
        """Learn of later epochs at a node's front door, where no link is needed."""
        try:
            await follow_epochs(ask, self._ground.epochs)
        except (NotTrusted, NotCanonical) as fault:
            log.warning("epochs.refused", reason=str(fault))
        self.driver.put(EpochsKnown())

    def feed_heads(self, heads: list[Head]) -> None:
        """What heads prove is processed like any certificate that a member sends (R2)."""
        for head in heads:
            for certificate in (head.body.certificate, head.body.notarized):
                if certificate is not None:
                    self.driver.put(Proven(certificate))

    async def status(self) -> Status:
        """STATUS, signed by the node key."""
        body = self.participant.status_body()
        return Status(body, await self._ground.enclave.sign_status(body))
