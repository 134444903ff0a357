"""The parts of a node that outlast an epoch, made and connected in one place.

Owns the composition alone: who calls whom. What each part does is its own; what happens when is
host.py's.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.host_messages import (
    HostMessage,
    Keys,
    KeysChallenge,
    KeysProof,
    KeysRequest,
    Outcomes,
    SnapshotChunk,
    SnapshotRequest,
    Submit,
)
from strongroom.consensus.messages import Status, encode_message
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.formats.size_classes import ENVELOPE_BYTES_MAX
from strongroom.enclave.governance.document import Document
from strongroom.enclave.primitives import verify
from strongroom.enclave.proofs.genesis import VerifiedGenesis
from strongroom.node.api.places import PlaceDesk
from strongroom.node.execution.pipeline import Pipeline
from strongroom.node.host.resources import Resources
from strongroom.node.membership.duties import DutyContext, DutyRoster
from strongroom.node.membership.key_exchange import KeysExchange
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.mempool.mempool import Mempool
from strongroom.node.mempool.waiters import Waiters
from strongroom.node.network.address_book import PeerBook
from strongroom.node.network.handshake import Handshake
from strongroom.node.network.heads import Heads
from strongroom.node.network.links import Links
from strongroom.node.ordering.driver import Driver, Hands
from strongroom.node.ordering.event_queue import EventQueue
from strongroom.node.ordering.events import LinkDown, LinkUp, Recorded
from strongroom.node.ordering.inbox import Inbox
from strongroom.node.ordering.participant import Participant
from strongroom.node.ordering.start import ReplicaStart
from strongroom.node.ordering.stored_past import StoredPast
from strongroom.node.rpc.door import Door
from strongroom.node.sync.follower import Follower
from strongroom.node.sync.serving import Serving
from strongroom.node.sync.snapshot_fetch import SnapshotServer
from strongroom.node.sync.snapshot_seeker import SnapshotSeeker

SETTINGS = Settings(gap_executions=8.0, gap_rounds_max=4.5, anchor_gap=None)
"""Times of the replica, none of them of one machine: from block to block it takes eight times as
long as executing one does at least, which is about what keeps processors from being filled with
blocks (docs/performance.md), and an anchor waits for a batch to share its block while that pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the parts ask of the node around them."""

    spawn: Callable[[Coroutine[Any, Any, None]], None]
    store_sealed: Callable[[bytes], Awaitable[None]]
    on_document: Callable[[Document], None]
    on_alarm: Callable[[str], None]
    look_after_process: Callable[[bool], None]
    introduce: Callable[[], Coroutine[Any, Any, None]]


class Wiring:
    """The parts of one node that outlast an epoch."""

    def __init__(self, resources: Resources, start: ReplicaStart, hooks: Hooks) -> None:
        self._hooks, self._resources = hooks, resources
        self.observer = resources.observer
        self.observer.epoch([one.node_key for one in start.description.validators])
        self.events, self.batches = EventQueue(), BatchPool()
        self.participant = self._make_participant(start)
        self.links = self._make_links()
        self.book = PeerBook(resources.node_key)
        self.book.configure(resources.config.peers, partial(_key_in, resources.genesis))
        self.heads = self._make_heads()
        self.answers = Waiters(PlaceDesk(resources.store).find, hooks.spawn)
        self.door = Door(resources.config.door)
        self.mempool = self._make_mempool()
        self.pipeline = self._make_pipeline()
        self.follower = self._make_follower()
        self.keys = self._make_keys()
        self.snapshots = SnapshotServer(resources.snapshots, resources.store)
        self.serving = Serving(store=resources.store, links=self.links)
        self.roster = DutyRoster(self._duty_context())
        self.inbox = self._make_inbox()
        self.driver = Driver(self.participant, self.events, self._hands())
        self.links.turn_to(start.description)

    # --- each part, of those before it ---

    def _make_participant(self, start: ReplicaStart) -> Participant:
        resources = self._resources
        return Participant(
            node_key=resources.node_key,
            past=StoredPast(resources.store, resources.history),
            epochs=resources.epochs,
            start=start,
            pool=self.batches,
            verify=verify,
            settings=SETTINGS,
            log_bytes_max=resources.config.limits.wal_bytes_max,
        )

    def _make_links(self) -> Links:
        handshake = Handshake(
            chain=self._resources.genesis.chain,
            node_key=self._resources.node_key,
            tls_key=self._resources.tls_key,
            enclave=self._resources.enclave,
            wall_ms=lambda: time.time_ns() // 1_000_000,
        )
        return Links(
            handshake=handshake,
            on_message=self._receive,
            on_link=self._greet,
            on_lost=lambda peer: self.events.put(LinkDown(peer)),
        )

    def _make_heads(self) -> Heads:
        return Heads(
            epochs=self._resources.epochs,
            own=self._resources.node_key,
            enclave=self._resources.enclave,
            links=self.links,
            body=self.participant.head_body,
        )

    def _make_mempool(self) -> Mempool:
        return Mempool(
            self.answers,
            self._resources.config.limits,
            envelope_bytes_max=ENVELOPE_BYTES_MAX,
            weights=self.door.weights,
            on_refused=self.door.penalise,
            observer=self.observer,
        )

    def _make_pipeline(self) -> Pipeline:
        return Pipeline(
            store=self._resources.store,
            enclave=self._resources.enclave,
            history=self._resources.history,
            batches=self.batches,
            answers=self.answers,
            mempool=self.mempool,
            reached=self._resources.applied,
            on_final=lambda record: self.events.put(Recorded(record)),
            on_executed=self.events.put,
            on_public=self._nudge,
            observer=self.observer,
        )

    def _make_follower(self) -> Follower:
        resources = self._resources
        return Follower(
            store=resources.store,
            history=resources.history,
            enclave=resources.enclave,
            links=self.links,
            pipeline=self.pipeline,
            seeker=SnapshotSeeker(
                resources.snapshots, resources.store, self.links, resources.history
            ),
            on_fault=self._count_fault,
        )

    def _make_keys(self) -> KeysExchange:
        return KeysExchange(
            enclave=self._resources.enclave,
            links=self.links,
            spawn=self._hooks.spawn,
            store_sealed=self._hooks.store_sealed,
            introduce=self._hooks.introduce,
        )

    def _make_inbox(self) -> Inbox:
        return Inbox(
            events=self.events,
            participant=self.participant,
            links=self.links,
            heads=self.heads,
            send_outcomes=self.serving.send_outcomes,
            spawn_head_answer=lambda sender, request: self._hooks.spawn(
                self.heads.answer_peer(request, sender)
            ),
            others=self._take,
        )

    def _duty_context(self) -> DutyContext:
        hooks, resources, config = self._hooks, self._resources, self._resources.config
        return DutyContext(
            node_key=resources.node_key,
            epochs=resources.epochs,
            rpc=str(config.told_rpc),
            peer=str(config.told_peer),
            enclave=resources.enclave,
            store=resources.store,
            links=self.links,
            batches=self.batches,
            mempool=self.mempool,
            pipeline=self.pipeline,
            keys=self.keys,
            participant=self.participant,
            events=self.events,
            store_sealed=hooks.store_sealed,
            on_document=hooks.on_document,
            look_after_process=hooks.look_after_process,
        )

    def _hands(self) -> Hands:
        hooks, resources = self._hooks, self._resources
        return Hands(
            wal=resources.wal,
            store=resources.store,
            enclave=resources.enclave,
            links=self.links,
            pipeline=self.pipeline,
            mempool=self.mempool,
            on_alarm=hooks.on_alarm,
            on_evidence=self.roster.accuse,
            on_fault=self.inbox.note_fault,
            on_epochs=self.heads.recount,
            on_epoch=self._begin_epoch,
            observer=self.observer,
        )

    # --- what happens between them ---

    def _receive(self, sender: PublicKey, data: bytes) -> None:
        self.inbox.receive(sender, data)

    def _begin_epoch(self, _: EpochDescription) -> None:
        self.heads.recount()
        self.roster.nudge()

    def _count_fault(self, peer: PublicKey) -> None:
        self.inbox.note_fault(peer, "outcomes that no anchor proves")

    def _nudge(self) -> None:
        self.roster.nudge()

    def _greet(self, peer: PublicKey) -> None:
        """A link came up: ask what is being asked of all, say where one stands."""
        self.heads.ask_linked(peer)
        self.events.put(LinkUp(peer))

        async def greet() -> None:
            self.links.send_to(peer, encode_message(await self.status()))

        self._hooks.spawn(greet())

    async def status(self) -> Status:
        """STATUS, signed by the node key."""
        body = self.participant.status_body()
        return Status(body, await self._resources.enclave.sign_status(body))

    def _take(self, sender: PublicKey, message: HostMessage) -> None:
        """What hosts say to each other beside the replicas.

        Raises:
            PeerFault: nothing that is served or was asked for.
        """
        match message:
            case Outcomes():
                self.follower.receive(sender, message)
            case SnapshotChunk():
                self.follower.receive_chunk(sender, message)
            case SnapshotRequest():
                chunk = self.snapshots.answer(sender, message, time.monotonic())
                if chunk is not None:
                    self.links.send_to(sender, encode_message(chunk))
            case Submit():
                self.roster.receive(sender, message)
            case KeysRequest() | KeysChallenge() | KeysProof() | Keys():
                self.keys.receive(sender, message)
            case _:
                raise PeerFault(f"{type(message).__name__}: not served here")


def _key_in(genesis: VerifiedGenesis, name: str) -> PublicKey | None:
    found = genesis.validator_named(name)
    return None if found is None else found.claims.node_key
