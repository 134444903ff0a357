"""The parts of a node that outlast an epoch, made and connected in one place.

Owns the composition alone: who calls whom. What each part does is its own; what happens when is
host.py's.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from strongroom.consensus.epochs import EpochChain
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
from strongroom.consensus.messages import encode_message
from strongroom.consensus.types import Height, PublicKey, TransactionId
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.size_classes import ENVELOPE_BYTES_MAX
from strongroom.enclave.governance.document import Document
from strongroom.enclave.proofs.genesis import VerifiedGenesis
from strongroom.node.config import NodeConfig
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.execution.pipeline import Pipeline
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.membership.duties import DutyContext, DutyRoster
from strongroom.node.membership.key_exchange import KeysExchange
from strongroom.node.mempool.batches import BatchPool
from strongroom.node.mempool.mempool import Mempool
from strongroom.node.mempool.waiters import Waiters
from strongroom.node.network.handshake import Handshake
from strongroom.node.network.heads import Heads
from strongroom.node.network.links import Links
from strongroom.node.network.peers import PeerBook
from strongroom.node.ordering.driver import Driver
from strongroom.node.ordering.effects import Recorded
from strongroom.node.ordering.inbox import Inbox
from strongroom.node.rpc.backend import Place
from strongroom.node.rpc.door import Door
from strongroom.node.sync.follower import Follower
from strongroom.node.sync.serving import Serving
from strongroom.node.sync.snapshot_fetch import SnapshotServer
from strongroom.node.sync.snapshot_seeker import SnapshotSeeker
from strongroom.node.sync.snapshots import Snapshots

if TYPE_CHECKING:
    from strongroom.node.host.participation import Participation


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the parts stand on."""

    config: NodeConfig
    genesis: VerifiedGenesis
    epochs: EpochChain
    store: BlockStore
    wal: WriteAheadLog
    history: HistoryTree
    snapshots: Snapshots
    enclave: EnclaveClient
    node_key: PublicKey
    tls_key: bytes
    applied: Height
    """What the enclave has executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the parts ask of the node around them."""

    participation: Callable[[], "Participation"]
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    place_of: Callable[[TransactionId], Place | None]
    store_sealed: Callable[[bytes], Awaitable[None]]
    on_document: Callable[[Document], None]
    on_alarm: Callable[[str], None]
    look_after_process: Callable[[bool], None]
    introduce: Callable[[], Coroutine[Any, Any, None]]


class Wiring:
    """One node's lasting parts."""

    def __init__(self, ground: Resources, owner: Hooks) -> None:
        self._owner = owner
        config, genesis, enclave, store = (
            ground.config,
            ground.genesis,
            ground.enclave,
            ground.store,
        )
        handshake = Handshake(
            chain=genesis.chain,
            node_key=ground.node_key,
            tls_key=ground.tls_key,
            enclave=enclave,
            wall_ms=lambda: time.time_ns() // 1_000_000,
        )
        self.links = Links(
            handshake=handshake,
            on_message=lambda sender, data: owner.participation().inbox.receive(sender, data),
            on_link=self._greet,
            on_lost=lambda peer: owner.participation().link_down(peer),
        )
        self.book = PeerBook(ground.node_key)
        self.book.configure(config.peers, lambda name: _key_in(genesis, name))
        self.batches = BatchPool()
        self.heads = Heads(
            epochs=ground.epochs,
            own=ground.node_key,
            enclave=enclave,
            links=self.links,
            body=lambda nonce, asker: owner.participation().participant.head_body(nonce, asker),
        )
        self.answers = Waiters(owner.place_of)
        self.door = Door(config.door)
        self.mempool = Mempool(
            self.answers,
            config.limits,
            envelope_bytes_max=ENVELOPE_BYTES_MAX,
            weights=self.door.weights,
            on_refused=self.door.penalise,
        )
        self.pipeline = Pipeline(
            store=store,
            enclave=enclave,
            history=ground.history,
            batches=self.batches,
            answers=self.answers,
            mempool=self.mempool,
            reached=ground.applied,
            on_final=lambda record: owner.participation().driver.put(Recorded(record)),
            on_executed=lambda event: owner.participation().driver.put(event),
            on_public=self._nudge,
        )
        self.seeker = SnapshotSeeker(ground.snapshots, store, self.links, ground.history)
        self.follower = Follower(
            store=store,
            history=ground.history,
            enclave=enclave,
            links=self.links,
            pipeline=self.pipeline,
            seeker=self.seeker,
            on_fault=self._count_fault,
        )
        self.keys = KeysExchange(
            enclave=enclave,
            links=self.links,
            spawn=owner.spawn,
            store_sealed=owner.store_sealed,
            introduce=owner.introduce,
        )
        self.snapshots = SnapshotServer(ground.snapshots, store)
        self.roster = DutyRoster(self._office(ground))
        self.serving = Serving(store=store, links=self.links)

    def _office(self, ground: Resources) -> DutyContext:
        owner, config = self._owner, ground.config
        return DutyContext(
            node_key=ground.node_key,
            epochs=ground.epochs,
            rpc=str(config.rpc),
            peer=str(config.peer),
            enclave=ground.enclave,
            store=ground.store,
            links=self.links,
            batches=self.batches,
            mempool=self.mempool,
            pipeline=self.pipeline,
            keys=self.keys,
            driver=lambda: owner.participation().driver,
            store_sealed=owner.store_sealed,
            on_document=owner.on_document,
            look_after_process=owner.look_after_process,
        )

    def make_inbox(self, driver: Driver) -> Inbox:
        """What takes the frames of links, for the driver of this node's participant."""
        return Inbox(
            driver=driver,
            links=self.links,
            heads=self.heads,
            serving=self.serving,
            spawn_head_answer=lambda sender, request: self._owner.spawn(
                self.heads.answer_peer(request, sender)
            ),
            office=self._take,
        )

    def _count_fault(self, peer: PublicKey) -> None:
        self._owner.participation().inbox.note_fault(peer, "outcomes that no anchor proves")

    def _nudge(self) -> None:
        self.roster.nudge()

    def _greet(self, peer: PublicKey) -> None:
        """A link came up: ask what is being asked of all, say where one stands."""
        participation = self._owner.participation()
        self.heads.ask_linked(peer)
        participation.link_up(peer)

        async def greet() -> None:
            self.links.send_to(peer, encode_message(await participation.status()))

        self._owner.spawn(greet())

    def _take(self, sender: PublicKey, message: HostMessage) -> None:
        """What hosts say to each other beside the replicas.

        Raises:
            PeerFault: nothing that is served or was asked for.
        """
        match message:
            case Outcomes():
                self.follower.take(sender, message)
            case SnapshotChunk():
                self.follower.take_chunk(sender, message)
            case SnapshotRequest():
                chunk = self.snapshots.answer(sender, message, time.monotonic())
                if chunk is not None:
                    self.links.send_to(sender, encode_message(chunk))
            case Submit():
                self.roster.take(sender, message)
            case KeysRequest() | KeysChallenge() | KeysProof() | Keys():
                self.keys.take(sender, message)
            case _:
                raise PeerFault(f"{type(message).__name__}: not served here")


def _key_in(genesis: VerifiedGenesis, name: str) -> PublicKey | None:
    found = genesis.validator_named(name)
    return None if found is None else found.claims.node_key
