"""One node's life: lock, enclave, replay, heads, then one epoch after the other until it is told
to stop (DESIGN §2).

Owns the order of starting (PROTOCOL §6: nothing is voted or executed before replay is over and q
fresh heads are here), every task and resource that outlasts an epoch, and the succession of epochs
(R16). What the parts do is theirs.
"""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from strongroom.consensus.batches import decode_payload
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Epoch, PublicKey, SignerIndex
from strongroom.enclave.governance.document import Document
from strongroom.enclave.proofs.genesis import verify_genesis
from strongroom.node import tls
from strongroom.node.api.node_state import NodeState
from strongroom.node.api.service import Service
from strongroom.node.api.sources import Sources
from strongroom.node.config import Limits, NodeConfig
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.launch import EnclaveEnded, Launched
from strongroom.node.host import upkeep
from strongroom.node.host.archiving import Archiving
from strongroom.node.host.boot import Boot, begin_boot, read_file
from strongroom.node.host.chunks import NodeChunks, open_chunks
from strongroom.node.host.doors import Doors
from strongroom.node.host.enclave_replacement import ProcessChange
from strongroom.node.host.execution_watch import (
    ExecutionWatch,
    anchored_below,
    keep_watch,
    tell_of_execution,
)
from strongroom.node.host.observing import Export, observe
from strongroom.node.host.participation import Participation
from strongroom.node.host.reload import Reload
from strongroom.node.host.replay import Replayed, read_history, replay, show_epochs
from strongroom.node.host.resources import Resources
from strongroom.node.host.state import read_picture, read_state, takes_part
from strongroom.node.host.supervisor import Supervisor
from strongroom.node.host.wiring import Hooks, Wiring
from strongroom.node.layout import SEALED_STATE
from strongroom.node.ledger.lock import acquire_lock
from strongroom.node.ledger.reading import open_store
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.machine.durable_files import disk_faults, write_atomic
from strongroom.node.machine.run_records import RunRecord
from strongroom.node.machine.terminals import Terminal
from strongroom.node.membership.acquaintance import Acquaintance
from strongroom.node.membership.issuer_keys import IssuerWatch
from strongroom.node.membership.joining import Introduction
from strongroom.node.network.address_book import PeerAddress
from strongroom.node.ordering.stored_past import stored_epochs
from strongroom.node.sync.snapshots import SnapshotFolder, Snapshots

log = structlog.get_logger()


class Host:
    """One node. `run` returns when the node was told to stop; it raises what made it stop
    otherwise."""

    def __init__(self, config: NodeConfig, launched: Launched, source: Path | None = None) -> None:
        """Make it.

        Args:
            config: what its operator wants.
            launched: its enclave's process.
            source: the file that the configuration was read from; read again at SIGHUP.
        """
        self.config, self._launched = config, launched
        self._source = source or config.layout.config
        self.layout = config.layout
        self._stage = "starting"
        self.boot = 0
        self.alarm = ""
        self.governance: Document | None = None
        """The newest public state of governance that the enclave told."""
        self._stopping = asyncio.Event()
        self._damage: asyncio.Queue[OperatorFault] = asyncio.Queue()
        """What was found wrong with the ledger's files by whoever read them."""
        self._sealing = asyncio.Lock()
        self.supervisor = Supervisor()
        self._terminal = Terminal()
        self._export: Export | None = None
        self._reload: Reload | None = None
        """Once there is something that limits bound."""

    async def run(self) -> None:
        """Start, serve until SIGTERM or SIGINT, stop cleanly.

        Raises:
            OperatorFault: configuration, disk or key is not as it must be; the message says what to
                do.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        with contextlib.ExitStack() as stack:
            with disk_faults(self.layout.lock):
                lock = acquire_lock(self.layout.lock)
            stack.callback(lock.release)
            self.genesis = verify_genesis(
                read_file(self.config.genesis, "without a genesis there is no service")
            )
            segment_bytes_max = self.config.limits.segment_bytes_max
            self.store = await asyncio.to_thread(
                open_store, self.layout.directory, segment_bytes_max
            )
            stack.callback(self.store.close)
            self.wal = await asyncio.to_thread(WriteAheadLog.open, self.layout.wal)
            stack.callback(self.wal.close)
            self._chunk_store = await asyncio.to_thread(open_chunks, self.layout.chunks)
            self.enclave = await EnclaveClient.over(self._launched)
            try:
                await self._live()
            finally:
                await self.enclave.stop()
                self.layout.run.unlink(missing_ok=True)

    async def _live(self) -> None:
        self.record_processes()
        boot = await begin_boot(self.config, self.genesis.data, self.enclave, self.store_sealed)
        self.boot, self.node_key = boot.number, boot.node_key
        self.epochs = await asyncio.to_thread(stored_epochs, self.store, self.genesis)
        await show_epochs(self.epochs, self.enclave, Epoch(0))
        self.history = await asyncio.to_thread(read_history, self.store, self.genesis)
        folder = SnapshotFolder(self.layout.snapshots)
        self.snapshots = Snapshots(folder, self.store, self.enclave)
        replayed = await replay(
            self.store, self.wal, self.history, self.epochs, folder, self.enclave, boot.node_key
        )
        self._compose(replayed, boot)
        self._take_document(Document.read(await self.enclave.governance()))
        loop = asyncio.get_running_loop()

        def tell(damage: OperatorFault) -> None:
            loop.call_soon_threadsafe(
                self._damage.put_nowait, damage
            )  # a thread may have read there

        self.store.on_damage = tell
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self.doors.open(self.service, self.wiring.door, self.spawn, self.chunks.store)
                config = self.config
                log.info(
                    "node.listening",
                    node=config.name,
                    rpc=str(config.rpc),
                    peers=str(config.peer),
                    boot=self.boot,
                )
                tasks.create_task(self._until_stopped())
                tasks.create_task(self._until_enclave_ends())
                tasks.create_task(self._until_damaged())
                tasks.create_task(upkeep.keep_certificate(self.doors.renew))
                tasks.create_task(self.supervisor.follow(self._for_supervisor))
                tasks.create_task(self._take_part())
        except* _Stop:
            self.supervisor.stopping()
            log.info("node.stopped", node=self.config.name)
        finally:
            self.doors.close()
            self.links.close()

    def _hang_up(self) -> None:
        """SIGHUP: the configuration changed; or the terminal that this node was run in has gone."""
        if self._terminal.has_gone():
            self._stopping.set()
        elif self._reload is None:
            log.warning("config.not_reloaded", problems=["this node is still starting: ask again"])
        else:
            self._reload.again()

    def _limit(self, limits: Limits) -> None:
        """Go by other limits from now on."""
        self.doors.limit(limits)
        self.mempool.limit(limits)
        self.store.limit(limits.segment_bytes_max)
        self.wiring.participant.limit_log(limits.wal_bytes_max)

    def record_processes(self) -> None:
        """Write down which processes this node is."""
        with disk_faults(self.layout.run):
            RunRecord.here(self.enclave.pid).write(self.layout.run)

    # --- composition ---

    def _compose(self, replayed: Replayed, boot: Boot) -> None:
        self.watch = ExecutionWatch(
            anchored_below=lambda height: anchored_below(self.store, height),
            on_alarm=tell_of_execution,
        )
        self._introduction = Introduction(self.enclave, self.config)
        observer, self._export = observe(self.config)
        resources = Resources(
            observer=observer,
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
        hooks = Hooks(
            spawn=self.spawn,
            store_sealed=self.store_sealed,
            on_document=self._take_document,
            on_alarm=self.raise_alarm,
            look_after_process=lambda due: self.change.look(due=due, own=self.own),
            introduce=self._introduction.introduce,
        )
        self.wiring = wiring = Wiring(resources, replayed.start, hooks)
        self.links, self.heads, self.batches = wiring.links, wiring.heads, wiring.batches
        self.answers, self.mempool, self.pipeline = wiring.answers, wiring.mempool, wiring.pipeline
        self.doors = Doors(self.config, wiring.links)
        self._reload = Reload(self._source, self.config, self._limit)
        self.participation = Participation(resources, wiring, on_alarm=self.raise_alarm)
        self.change = ProcessChange(
            resources=resources,
            wiring=wiring,
            chip=self.layout.chip,
            store_sealed=self.store_sealed,
            on_changed=self.record_processes,
            begin=self._begin,
        )
        self.archiving = Archiving(
            self.config.archive,
            home=self.layout.directory,
            node=self.config.name,
            chain=self.genesis.chain.hex(),
            store=self.store,
            epochs=self.epochs,
            snapshots=self.snapshots,
            pipeline=wiring.pipeline,
        )
        sources = self._sources(resources)
        self.service = Service(sources, self.participation.feed_heads)
        self.chunks = NodeChunks(sources, self._chunk_store, self.service.query)
        for batch in replayed.start.batches:
            if self.own is None or int(batch.header.lane) != int(self.own):
                continue
            self.mempool.remember(list(decode_payload(batch.payload, batch.header.count)))

    def _sources(self, resources: Resources) -> Sources:
        """What the front door reads."""
        wiring = self.wiring
        return Sources(
            state=self.state,
            takes_part=partial(takes_part, wiring),
            picture=partial(read_picture, wiring),
            config=resources.config,
            boot=self.boot,
            genesis=resources.genesis,
            epochs=resources.epochs,
            store=resources.store,
            history=resources.history,
            enclave=resources.enclave,
            pipeline=wiring.pipeline,
            mempool=wiring.mempool,
            batches=wiring.batches,
            links=wiring.links,
            heads=wiring.heads,
            observer=wiring.observer,
        )

    @property
    def own(self) -> SignerIndex | None:
        """This node's index in the current epoch; None while it is no member."""
        return self.wiring.participant.run.own

    # --- tasks ---

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
        await self.doors.answer_no_more()
        with contextlib.suppress(OperatorFault):
            await self.store_sealed(await self.enclave.seal())
        raise _Stop

    async def _until_enclave_ends(self) -> None:
        await self.enclave.until_closed()
        if not self._stopping.is_set():
            raise EnclaveEnded(
                f"the enclave ended ({await self.enclave.ending()}): the node stops; start it again"
            )

    async def _until_damaged(self) -> None:
        """A corrupt disk halts the node, also when it was a client or a peer who read there (DESIGN
        §3, stop 8)."""
        raise await self._damage.get()

    def _for_supervisor(self) -> tuple[bool, str]:
        state = self.state()
        return self.service.ready, state.alarm_in_words or state.word

    # --- taking part ---

    async def _take_part(self) -> None:
        """Links and heads first, then everything else."""
        wiring, participation = self.wiring, self.participation
        await participation.restore()
        self.spawn(participation.run())
        self.spawn(upkeep.report_status(wiring))
        self.spawn(upkeep.watch_clock(lambda: self.state().clock_behind_ms))
        self.spawn(upkeep.keep_dialling(wiring, self.epochs, tls.dial_context(), self._begin))
        if self.own is None:
            self.spawn(upkeep.be_introduced(wiring, self._introduction))
        acquaintance = Acquaintance(
            config=self.config,
            epochs=self.epochs,
            book=wiring.book,
            follow=participation.follow_door,
        )
        self.spawn(acquaintance.look_until(lambda: participation.is_fresh))
        await participation.start()
        wiring.follower.note_fresh(participation.fresh_height)
        for work in (wiring.pipeline.run(), wiring.follower.run(), wiring.roster.run()):
            self.spawn(work)
        self.spawn(upkeep.keep_mark(wiring, self.enclave, self.store_sealed))
        self.spawn(upkeep.keep_snapshots(wiring, self.snapshots))
        self.spawn(self.archiving.run())
        if self.config.issuers:
            self.spawn(self._issuer_watch().run())
        self.spawn(self.chunks.keeper.run())
        if self._export is not None:
            self.spawn(self._export())
        self.spawn(keep_watch(self.watch, self.state))

    def _issuer_watch(self) -> IssuerWatch:
        return IssuerWatch(
            self.config.issuers,
            self.enclave,
            self.wiring.roster.submit,
            lambda: self.governance,
            self.node_key,
        )

    # --- kept, told, shown ---

    async def store_sealed(self, sealed: bytes) -> None:
        """Keep the enclave's sealed state, in the order in which the enclave gave it."""
        path = self.layout.sealed / SEALED_STATE
        async with self._sealing:
            with disk_faults(path):
                await asyncio.to_thread(write_atomic, path, sealed)

    def _take_document(self, document: Document) -> None:
        self.governance = document
        if document.epoch >= self.epochs.newest.epoch:
            self.links.judge_anew()
        self.wiring.book.learn(
            PeerAddress(PublicKey(node.node_key), node.name, node.rpc, node.peer)
            for node in document.nodes
        )

    def state(self) -> NodeState:
        """What this node is now."""
        return read_state(
            node_key=self.node_key,
            stage=self._stage,
            alarm=self.alarm,
            governance=self.governance,
            fresh_height=self.participation.fresh_height,
            wiring=self.wiring,
            watch=self.watch,
            archive_alarm=self.archiving.alarm or self.wiring.follower.alarm,
        )

    def raise_alarm(self, text: str) -> None:
        """Say loudly that something is wrong here; an empty text: it is over."""
        self.alarm = text
        if text:
            log.error("node.alarm", alarm=text)


class _Stop(Exception):
    """The node was told to stop."""
