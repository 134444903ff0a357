"""One node's life: lock, enclave, replay, heads, then one tenure after the other until it is told to stop (DESIGN §2).

Owns the order of starting (PROTOCOL §6: nothing is voted or executed before replay is over and q fresh heads are
here), every task and resource that outlasts an epoch, and the succession of epochs (R16). What the parts do is theirs.
"""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any

import structlog

from strongroom.consensus.blocks import decode_payload
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.messages import Head
from strongroom.consensus.replica import Replica
from strongroom.consensus.types import Epoch, PublicKey, SignerIndex
from strongroom.enclave.genesis import verify_genesis
from strongroom.enclave.governance.document import Document
from strongroom.enclave.outcome import Outcome
from strongroom.node import tls, upkeep
from strongroom.node.boot import Boot, begin_boot, read_file
from strongroom.node.ceremony import SEALED_STATE
from strongroom.node.config import NodeConfig
from strongroom.node.enclave_process import EnclaveProcess
from strongroom.node.inbox import Inbox
from strongroom.node.joining import Introduction
from strongroom.node.ledger.files import disk_faults, write_atomic
from strongroom.node.ledger.lock import acquire_lock
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.ordering.participant import Participant
from strongroom.node.participation import Participation
from strongroom.node.parts import Ground, Owner, Parts
from strongroom.node.peers import Place
from strongroom.node.process_change import ProcessChange
from strongroom.node.replay import Replayed, read_history, replay, show_epochs
from strongroom.node.rpc.http import make_app, serve
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.run_record import RunRecord
from strongroom.node.service import Service
from strongroom.node.snapshots import SnapshotFolder, Snapshots
from strongroom.node.stored import header_hash
from strongroom.node.stored_past import stored_epochs

BEHIND_BLOCKS = 8

log = structlog.get_logger()


class Host:
    """One node. `run` returns when the node was told to stop; it raises what made it stop otherwise."""

    def __init__(self, config: NodeConfig) -> None:
        self.config = config
        self.layout = config.layout
        self._stage = "starting"
        self.boot = 0
        self.freshening = asyncio.Lock()
        """One challenge of the enclave at a time."""
        self.alarm = ""
        self.governance: Document | None = None
        """The newest public state of governance that the enclave told."""
        self._stopping = asyncio.Event()
        self._damage: asyncio.Queue[OperatorFault] = asyncio.Queue()
        """What was found wrong with the ledger's files by whoever read them."""
        self._sealing = asyncio.Lock()

    async def run(self) -> None:
        """Start, serve until SIGTERM or SIGINT, stop cleanly.

        Raises:
            OperatorFault: configuration, disk or key is not as it must be; the message says what to do.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        with contextlib.ExitStack() as stack:
            with disk_faults(self.layout.lock):
                lock = acquire_lock(self.layout.lock)
            stack.callback(lock.release)
            self.genesis = verify_genesis(read_file(self.config.genesis, "without a genesis there is no service"))
            segment_bytes_max = self.config.limits.segment_bytes_max
            self.store = await asyncio.to_thread(
                BlockStore.open,
                self.layout.directory,
                transactions_of,
                hash_of=header_hash,
                segment_bytes_max=segment_bytes_max,
            )
            stack.callback(self.store.close)
            self.wal = await asyncio.to_thread(WriteAheadLog.open, self.layout.wal)
            stack.callback(self.wal.close)
            self.enclave = await EnclaveProcess.start(self.layout.chip)
            try:
                await self._live()
            finally:
                await self.enclave.stop()
                self.layout.run.unlink(missing_ok=True)

    async def _live(self) -> None:
        self.record_processes()
        boot = await begin_boot(self.config, self.genesis.data, self.enclave, self.store_sealed)
        self.boot = boot.number
        self.epochs = await asyncio.to_thread(stored_epochs, self.store, self.genesis)
        await show_epochs(self.epochs, self.enclave, Epoch(0))
        self.history = await asyncio.to_thread(read_history, self.store, self.genesis)
        folder = SnapshotFolder(self.layout.snapshots)
        self.snapshots = Snapshots(folder, self.store, self.enclave)
        replayed = await replay(self.store, self.wal, self.history, self.epochs, folder, self.enclave, boot.node_key)
        self._compose(replayed, boot)
        self._take_document(Document.read(await self.enclave.governance()))
        self.store.on_damage = self._damage.put_nowait
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._open_doors()
                tasks.create_task(self._until_stopped())
                tasks.create_task(self._until_enclave_ends())
                tasks.create_task(self._until_damaged())
                tasks.create_task(self._take_part())
        except* _Stop:
            log.info("node.stopped", node=self.config.name)
        finally:
            self.links.close()

    def record_processes(self) -> None:
        """Write down which processes this node is."""
        with disk_faults(self.layout.run):
            RunRecord.here(self.enclave.pid).write(self.layout.run)

    # --- composition ---

    def _compose(self, replayed: Replayed, boot: Boot) -> None:
        self.service = Service(self)
        self._introduction = Introduction(self.enclave, self.config)
        ground = Ground(
            config=self.config,
            genesis=self.genesis,
            epochs=self.epochs,
            store=self.store,
            wal=self.wal,
            history=self.history,
            snapshots=self.snapshots,
            enclave=self.enclave,
            node_key=boot.node_key,
            tls_key=boot.tls_key,
            applied=replayed.applied,
        )
        owner = Owner(
            participation=lambda: self.participation,
            spawn=self.spawn,
            place_of=self.service.place_of,
            store_sealed=self.store_sealed,
            on_document=self._take_document,
            on_alarm=self.raise_alarm,
            succeed=lambda: self.change.succeed(self.own),
            introduce=self._introduction.introduce,
        )
        self.parts = parts = Parts(ground, owner)
        self.links, self.heads, self.batches = parts.links, parts.heads, parts.batches
        self.answers, self.mempool, self.pipeline = parts.answers, parts.mempool, parts.pipeline
        self.participation = Participation(ground, parts, replayed.start, on_alarm=self.raise_alarm)
        self.change = ProcessChange(
            ground=ground,
            parts=parts,
            chip=self.layout.chip,
            headers_below=self.participation.headers_below,
            store_sealed=self.store_sealed,
            on_changed=self.record_processes,
        )
        for batch in replayed.start.batches:
            if self.own is None or int(batch.header.lane) != int(self.own):
                continue
            self.mempool.remember(list(decode_payload(batch.payload, batch.header.count)))

    @property
    def participant(self) -> Participant:
        """This node's part in consensus."""
        return self.participation.participant

    @property
    def replica(self) -> Replica:
        """Of the current epoch."""
        return self.participant.replica

    @property
    def inbox(self) -> Inbox:
        """What takes other nodes' frames."""
        return self.participation.inbox

    @property
    def own(self) -> SignerIndex | None:
        """This node's index in the current epoch; None while it is no member."""
        return self.participant.run.own

    # --- doors ---

    async def _open_doors(self) -> None:
        config = self.config
        context = tls.server_context(self.layout.tls_certificate, self.layout.tls_key)
        bounds = config.limits
        limits = RpcLimits(connections_max=bounds.connections_max, body_bytes_max=bounds.request_bytes_max)
        try:
            await self.links.listen(config.peer, context, self.spawn)
            self.runner = await serve(make_app(self.service, limits), config.rpc.host, config.rpc.port, context)
        except OSError as error:
            raise OperatorFault(f"cannot listen on {config.rpc} or {config.peer}: {error.strerror}") from None
        log.info("node.listening", node=config.name, rpc=str(config.rpc), peers=str(config.peer), boot=self.boot)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside everything else, as long as the node lives."""
        self._begin(work)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        try:
            return self._tasks.create_task(work)
        except RuntimeError:  # the node is ending: nothing begins any more
            work.close()
            return None

    async def _until_stopped(self) -> None:
        await self._stopping.wait()
        self._stage = "stopped"
        await self.runner.cleanup()
        with contextlib.suppress(OperatorFault):
            await self.store_sealed(await self.enclave.seal())
        raise _Stop

    async def _until_enclave_ends(self) -> None:
        await self.enclave.until_closed()
        if not self._stopping.is_set():
            raise OperatorFault(f"the enclave ended ({await self.enclave.ending()}): the node stops; start it again")

    async def _until_damaged(self) -> None:
        """A corrupt disk halts the node, also when it was a client or a peer who read there (DESIGN §3, stop 8)."""
        raise await self._damage.get()

    # --- taking part ---

    async def _take_part(self) -> None:
        """Links and heads first, then everything else."""
        parts, participation = self.parts, self.participation
        await participation.restore()
        self.spawn(participation.run())
        self.spawn(upkeep.report_status(parts, participation))
        self.spawn(upkeep.keep_dialling(parts, self.epochs, participation, tls.dial_context(), self._begin))
        if self.own is None:
            self.spawn(upkeep.be_introduced(parts, self._introduction))
        await participation.start()
        for work in (parts.pipeline.run(), parts.follower.run(), parts.roster.run()):
            self.spawn(work)
        self.spawn(upkeep.keep_mark(parts, self.enclave, self.store_sealed))
        self.spawn(upkeep.keep_snapshots(parts, self.snapshots))

    # --- kept, told, shown ---

    async def store_sealed(self, sealed: bytes) -> None:
        """Keep the enclave's sealed state, in the order in which the enclave gave it."""
        path = self.layout.sealed / SEALED_STATE
        async with self._sealing:
            with disk_faults(path):
                await asyncio.to_thread(write_atomic, path, sealed)

    def _take_document(self, document: Document) -> None:
        self.governance = document
        self.parts.book.learn(
            Place(PublicKey(node.node_key), node.name, node.rpc, node.peer) for node in document.nodes
        )

    @property
    def state(self) -> str:
        """starting → joining or syncing → voting → stopped; suspended while a member only observes."""
        if self._stage == "stopped" or not self.participant.begun:
            return self._stage
        if self.alarm:
            return "suspended"
        if self._is_behind():
            return "syncing"
        return "joining" if self.own is None else "voting"

    def _is_behind(self) -> bool:
        statuses = self.participant.status.values()
        claimed = sorted((status.body.height for status in statuses), reverse=True)
        honest_claim = claimed[min(self.participant.run.description.quorum.faults, len(claimed) - 1)] if claimed else 0
        return self.pipeline.executed + BEHIND_BLOCKS < max(honest_claim, self.participation.fresh_height)

    def feed_certificates(self, heads: list[Head]) -> None:
        """What heads prove is processed like any certificate that a peer sends (R2)."""
        self.participation.feed_heads(heads)

    def raise_alarm(self, text: str) -> None:
        """Say loudly that something is wrong here; an empty text: it is over."""
        self.alarm = text
        if text:
            log.error("node.alarm", alarm=text)


class _Stop(Exception):
    """The node was told to stop."""


def transactions_of(outcome: bytes) -> list[tuple[bytes, int]]:
    """(id, code) of an outcome record, for a block store that rebuilds its index."""
    return Outcome.decode(outcome).ids_and_codes()
