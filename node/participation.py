"""One node taking part: fresh heads, what was left over, then one tenure after the other (PROTOCOL §6, R16).

Owns the succession: which tenure runs, what one leaves to the next, and what is known of later epochs. Nothing is voted
or executed before q fresh heads are here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from strongroom.consensus.errors import InvariantBroken, NotCanonical, PeerFault
from strongroom.consensus.events import FinalRecord
from strongroom.consensus.host_messages import EpochMessage
from strongroom.consensus.records import epoch_of_record
from strongroom.consensus.types import Epoch, PublicKey
from strongroom.enclave.requests import Refusal
from strongroom.node.client.epochs import Ask, follow_epochs
from strongroom.node.client.errors import NotTrusted
from strongroom.node.consensus_log import begin_epoch
from strongroom.node.enclave_process import Freshness
from strongroom.node.lasting import Left
from strongroom.node.parts import Ground, Parts
from strongroom.node.pipeline import KEYS_NEEDED
from strongroom.node.replay import show_epochs, stored_runs
from strongroom.node.standing import Standing, standing_at
from strongroom.node.succession import next_stored
from strongroom.node.tenure import Tenure

HEADS_SECONDS = 1.0
"""Between two attempts to get heads that the enclave takes."""
STALE_LOG = "a peer holds a vote of this node that its log does not have: observes only"

log = structlog.get_logger()


class Participation:
    """The tenures of one node."""

    def __init__(self, ground: Ground, parts: Parts, *, on_alarm: Callable[[str], None]) -> None:
        self._ground, self._parts, self._on_alarm = ground, parts, on_alarm
        self._shown = ground.epochs.newest.epoch
        """The newest epoch that the enclave knows."""
        self.fresh_height = 0
        self.is_fresh = False
        """A quorum has shown the newest ledger, in this boot."""
        self.tenure: Tenure

    def begin(self, standing: Standing) -> None:
        """Make the tenure of an epoch; it does not run yet."""
        self._parts.links.turn_to(standing.description)
        self._on_alarm("")
        self.tenure = Tenure(self._parts.lasting, standing)

    async def start(self) -> None:
        """Fresh heads, what they say of this node's log, and what was left over."""
        ground, tenure = self._ground, self.tenure
        await ground.enclave.recall(list(tenure.statements))
        if tenure.replica.final_view > 0:
            await ground.enclave.forget(tenure.epoch, tenure.replica.final_view)
        fresh = await self._freshen()
        self.is_fresh = True
        log.info("node.fresh", height=fresh.height, epoch=fresh.epoch, may_vote=fresh.may_vote)
        self._judge_log(fresh)
        await self._execute_left_over()
        self.fresh_height = fresh.height

    async def run(self) -> None:
        """One epoch after the other, until cancelled."""
        left = await self.tenure.run()
        while True:
            await self._enter_next_epoch(left)
            left = await self.tenure.run(left.early)

    # --- fresh ---

    async def _freshen(self) -> Freshness:
        """Heads of a quorum, asked for again while they end below what this enclave had executed before (T05)."""
        enclave, heads = self._ground.enclave, self._parts.heads
        while True:
            collected = await heads.collect(await enclave.challenge(), seconds=None)
            try:
                return await enclave.freshen(collected)
            except Refusal as refusal:
                self._on_alarm(f"waits for fresh heads: {refusal}")
                await asyncio.sleep(HEADS_SECONDS)

    def _judge_log(self, fresh: Freshness) -> None:
        """Vote no more up to the newest epoch when the log does not hold all that was said (PROTOCOL §6)."""
        tenure, silence = self.tenure, self.tenure.standing.silence
        member = self._ground.epochs.newest.index_of(self._ground.node_key) is not None
        if silence is not None:
            tenure.driver.observe(max(silence[0], fresh.epoch), silence[1])
        elif member and not fresh.may_vote:
            tenure.driver.observe(fresh.epoch, STALE_LOG)
        else:
            self._on_alarm("")

    async def _execute_left_over(self) -> None:
        """Recorded blocks that no quorum has anchored yet, as far as this enclave can execute them."""
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
            except Refusal as refusal:
                if refusal.kind != KEYS_NEEDED:
                    raise
                pipeline.fall_behind(pipeline.reached)
                return

    # --- from epoch to epoch (R16) ---

    async def _enter_next_epoch(self, left: Left) -> None:
        """The terminal block is final, recorded, and executed as far as it can be: what it opened begins."""
        ground, ended = self._ground, self.tenure
        entry = next(iter(ground.epochs.entries(Epoch(ended.epoch + 1))), None)
        entry = entry or next_stored(ground.store, ground.epochs)
        if entry is None or entry.header.digest != ended.replica.final.digest:
            raise InvariantBroken(f"no proof of the epoch that block {ended.replica.final.height} opens")
        ground.epochs.extend(entry)
        await self.show_epochs()
        standing = standing_at(ground.store, ground.history, entry.description, entry.header, entry.header, None)
        later = tuple(record for record in ended.standing.records if epoch_of_record(record) > ended.epoch)
        silence = ended.driver.silence
        if silence is not None and silence[0] <= ended.epoch:
            silence = None
        begin_epoch(
            ground.wal,
            FinalRecord(entry.header, entry.certificate),
            later=later,
            silences=() if silence is None else (silence,),
            unordered=left.batches,
        )
        for batch in self._parts.batches.all():
            self._parts.batches.drop(batch.header.digest)
        self.begin(replace(standing, records=later, silence=silence))
        if self.tenure.statements:
            await ground.enclave.recall(list(self.tenure.statements))
        self._parts.mempool.batch_again(left.envelopes)
        self._parts.heads.recount()
        self._parts.roster.nudge()

    async def take_epochs(self, sender: PublicKey, message: EpochMessage) -> None:
        """A node says how later epochs were opened: each entry is proven by the one before, or counts for nothing."""
        epochs = self._ground.epochs
        before = epochs.newest.epoch
        try:
            for entry in message.entries:
                epochs.extend(entry)
        except PeerFault as fault:
            self._parts.lasting.faults[sender] += 1
            log.warning("peer.fault", peer=sender.hex()[:16], reason=str(fault))
        await self._note_epochs(before)

    async def follow_door(self, ask: Ask) -> None:
        """Learn of later epochs at a node's front door, where no link is needed."""
        before = self._ground.epochs.newest.epoch
        try:
            await follow_epochs(ask, self._ground.epochs)
        except (NotTrusted, NotCanonical) as fault:
            log.warning("epochs.refused", reason=str(fault))
        await self._note_epochs(before)

    async def _note_epochs(self, before: Epoch) -> None:
        epochs = self._ground.epochs
        if epochs.newest.epoch > before:
            log.info("epochs.known", newest=epochs.newest.epoch)
            await self.show_epochs()
            self._parts.heads.recount()
            self.tenure.note_epochs()

    async def show_epochs(self) -> None:
        """Show the enclave what is known; it checks every entry itself."""
        self._shown = await show_epochs(self._ground.epochs, self._ground.enclave, self._shown)
