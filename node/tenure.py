"""Everything of a node that lasts one epoch: its index, replica, driver, inbox, own lane, log (PROTOCOL R16).

Owns the composition, and the moment when the epoch is over here: the terminal block is final, recorded, and executed.
What lasts longer (store, enclave, links, pipeline, mempool) is given by host.py, which also begins the next tenure.
"""

import asyncio
from collections.abc import Sequence

import structlog

from strongroom.consensus.events import Linked, Output, Received, Unlinked
from strongroom.consensus.messages import (
    CertificateMessage,
    Head,
    HeadBody,
    Message,
    Status,
    StatusBody,
    VoteMessage,
)
from strongroom.consensus.records import epoch_of_record
from strongroom.consensus.replica import Replica, ReplicaConfig
from strongroom.consensus.settings import Settings
from strongroom.consensus.statements import Certificate, Statement, Vote
from strongroom.consensus.types import Epoch, Height, PublicKey, SignerIndex
from strongroom.enclave.primitives import verify
from strongroom.node.chase import chase
from strongroom.node.consensus_log import ConsensusLog
from strongroom.node.driver import Driver, now
from strongroom.node.inbox import Inbox
from strongroom.node.lane import OwnLane
from strongroom.node.lasting import Lasting, Left
from strongroom.node.standing import Standing

SETTINGS = Settings(min_gap=0.005, anchor_gap=0.012)
"""Times of the replica: blocks grow a little under load, and an anchor waits for a batch to share its block."""

log = structlog.get_logger()


class Tenure:
    """One epoch of one node."""

    def __init__(self, parts: Lasting, standing: Standing) -> None:
        """Make the parts; nothing runs yet.

        Args:
            parts: what outlasts the epoch.
            standing: where the replica begins.
        """
        self._parts, self.standing = parts, standing
        self.description, self.anchor = standing.description, standing.anchor
        self.own: SignerIndex | None = self.description.index_of(parts.node_key)
        """This node's index in the epoch; None: it is no member, and only follows."""
        self.replica = Replica(
            ReplicaConfig(
                chain=parts.epochs.anchor.chain,
                members=self.description,
                own=self.own,
                anchor=self.anchor,
                verify=verify,
                settings=SETTINGS,
                voting=standing.silence is None,
            )
        )
        self.log = ConsensusLog(
            parts.wal,
            self.replica,
            parts.batches,
            bytes_max=parts.wal_bytes_max,
            later=[record for record in standing.records if epoch_of_record(record) > self.epoch],
        )
        self.driver = Driver(
            replica=self.replica,
            epoch=self.description.epoch,
            own=self.own,
            wal=self.log,
            enclave=parts.enclave,
            links=parts.links,
            batches=parts.batches,
            pipeline=parts.pipeline,
            on_alarm=parts.on_alarm,
            on_evidence=lambda evidence: parts.on_evidence(self.description, evidence),
            on_view=parts.mempool.look,
        )
        self.inbox = Inbox(
            members=self.description,
            epochs=parts.epochs,
            batches=parts.batches,
            links=parts.links,
            heads=parts.heads,
            serving=parts.serving,
            spawn_head_answer=parts.spawn_head_answer,
            office=parts.office,
            faults=parts.faults,
        )
        self.lane = self._own_lane()
        self.statements: tuple[Statement, ...] = self._restore()
        if standing.silence is not None:
            self.driver.observe(*standing.silence)
        self._known_end = asyncio.Event()
        """The block that ends this epoch is known from the chain of epochs, and not yet final here."""

    def _own_lane(self) -> OwnLane | None:
        if self.own is None:
            return None
        return OwnLane(
            epoch=self.description.epoch,
            own=self.own,
            driver=self.driver,
            enclave=self._parts.enclave,
            mempool=self._parts.mempool,
        )

    def _restore(self) -> tuple[Statement, ...]:
        standing = self.standing
        for batch in standing.batches:
            self._parts.batches.add(batch)
        return self.replica.restore(
            final=standing.final,
            final_certificate=standing.certificate,
            recent=standing.recent,
            batches=[batch.header for batch in standing.batches],
            executed=standing.executed,
            records=standing.records,
        )

    @property
    def epoch(self) -> Epoch:
        """Its number."""
        return self.description.epoch

    @property
    def has_lane(self) -> bool:
        """What is submitted here goes into a lane of this node's own."""
        return self.own is not None and self.replica.voting and self.inbox.driver is not None

    # --- its run ---

    async def run(self, early: Sequence[tuple[PublicKey, Message]] = ()) -> Left:
        """Take part until the epoch is over here; what is left to the next one.

        Args:
            early: messages of this epoch that came while the one before went on here.
        """
        parts = self._parts
        first = await self._say_again() if self.replica.voting else []
        first.append(self.replica.resume(now()))
        for sender, status in self.inbox.status.items():  # what was said before, so that catching up begins at once
            index = parts.links.index_of(sender)
            if index is not None:
                self.driver.put(Received(index, status))
        for index in parts.links.linked_members():
            self.driver.put(Linked(index))
        self.inbox.driver = self.driver
        self.note_epochs()
        log.info("epoch.begins", epoch=self.epoch, member=self.own is not None, votes=self.replica.voting)
        async with asyncio.TaskGroup() as tasks:
            others = [tasks.create_task(self._chase())]
            if self.lane is not None and self.replica.voting:
                others.append(tasks.create_task(self.lane.fill(parts.batches)))
            for sender, message in early:
                self.inbox.admit(sender, message)
            await self.driver.run(first)
            for task in others:
                task.cancel()
        log.info("epoch.ends", epoch=self.epoch, height=self.replica.final.height)
        return self._left()

    def _left(self) -> Left:
        left = Left(early=list(self.inbox.early))
        if self.lane is not None:
            left.batches, left.envelopes = self.lane.unordered()
        return left

    async def _say_again(self) -> list[Output]:
        """Sign again what the log says was cast above the final view; the replica counts it like anybody's votes."""
        own = self.own
        if own is None or not self.statements:
            return []
        signatures = await self._parts.enclave.cast(list(self.statements))
        votes = [Vote(statement, own, made) for statement, made in zip(self.statements, signatures, strict=True)]
        return [self.replica.step(Received(own, VoteMessage(vote)), now()) for vote in votes]

    # --- later epochs that are known already ---

    def note_epochs(self) -> None:
        """The chain of epochs has grown: is the block that ends this one known?"""
        entries = self._parts.epochs.entries(Epoch(self.epoch + 1))
        if entries and self.inbox.driver is not None and entries[0].header.height > self.replica.final.height:
            self.feed(entries[0].certificate)
            self._known_end.set()

    def feed(self, certificate: Certificate) -> None:
        """What is proven is processed like any certificate that a member sends (R2)."""
        if certificate.statement.epoch == self.epoch:
            sender = certificate.signers[0] if self.own is None else self.own
            self.driver.put(Received(sender, CertificateMessage(certificate)))

    def feed_heads(self, heads: list[Head]) -> None:
        """The same for what heads prove."""
        for head in heads:
            for certificate in (head.body.certificate, head.body.notarized):
                if certificate is not None:
                    self.feed(certificate)

    async def _chase(self) -> None:
        await self._known_end.wait()
        await chase(self.replica, self._parts.links, lambda: self._parts.pipeline.overfull)

    # --- links ---

    def link_up(self, peer: PublicKey) -> None:
        """A link came up."""
        self._tell_link(peer, Linked)

    def link_down(self, peer: PublicKey) -> None:
        """The last link to a node was lost."""
        self.inbox.status.pop(peer, None)
        self._tell_link(peer, Unlinked)

    def _tell_link(self, peer: PublicKey, event: type[Linked] | type[Unlinked]) -> None:
        index = self._parts.links.index_of(peer)
        if index is not None and self.inbox.driver is not None:
            self.driver.put(event(index))

    # --- what it says of itself ---

    async def status(self) -> Status:
        """STATUS, signed by the node key."""
        replica = self.replica
        body = StatusBody(
            epoch=self.epoch,
            view=replica.view,
            final_view=replica.final_view,
            height=replica.final.height,
            digest=replica.final.digest,
            executed=self._parts.pipeline.executed,
            lanes=tuple(replica.lane_lengths),
            lowest=Height(1),
        )
        return Status(body, await self._parts.enclave.sign_status(body))

    def head_body(self, nonce: bytes, asker: PublicKey) -> HeadBody:
        """What is newest here, over somebody's nonce."""
        replica = self.replica
        index = self.description.index_of(asker)
        return HeadBody(
            nonce,
            self.epoch,
            replica.final,
            replica.final_certificate or self._anchor_certificate(),
            replica.newest_notarized,
            () if index is None else replica.newest_votes_of(index),
        )

    def _anchor_certificate(self) -> Certificate | None:
        """FINALIZE for the block that opened this epoch, by the epoch before; None for genesis."""
        opened = self._parts.epochs.entries(self.epoch)
        return opened[0].certificate if self.epoch > 0 and opened else None
