"""One node's life: lock, enclave, replay, peers, heads, then its loops until it is told to stop (DESIGN §2, Host).

Owns the order of starting (PROTOCOL §6: nothing is voted or executed before replay is over and q fresh heads are
here) and every task and resource of the node. What the parts do is theirs.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog

from strongroom.consensus.blocks import Batch, BatchHeader, decode_payload, encode_payload
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.events import Output, Received
from strongroom.consensus.messages import (
    CertificateMessage,
    Head,
    HeadBody,
    Status,
    StatusBody,
    VoteMessage,
    encode_message,
)
from strongroom.consensus.replica import Replica, ReplicaConfig
from strongroom.consensus.settings import Settings
from strongroom.consensus.statements import Vote
from strongroom.consensus.types import Digest, Height, Lane, Sequence, SignerIndex
from strongroom.enclave.genesis import verify_genesis
from strongroom.enclave.outcome import Outcome
from strongroom.enclave.padding import ENVELOPE_BYTES_MAX
from strongroom.enclave.primitives import digest, verify
from strongroom.enclave.requests import Refusal
from strongroom.node import tls
from strongroom.node.answers import Answers
from strongroom.node.batches import BatchPool
from strongroom.node.ceremony import SEALED_STATE
from strongroom.node.config import NodeConfig
from strongroom.node.driver import BatchArrived, Driver, Recorded, now
from strongroom.node.enclave_process import EnclaveProcess, Freshness
from strongroom.node.heads import Heads
from strongroom.node.inbox import Inbox
from strongroom.node.ledger.files import disk_faults, write_atomic
from strongroom.node.ledger.lock import acquire_lock
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.links import Links
from strongroom.node.mempool import Mempool
from strongroom.node.pipeline import Pipeline
from strongroom.node.replay import Replayed, read_history, replay
from strongroom.node.rpc.http import make_app, serve
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.run_record import RunRecord
from strongroom.node.service import Service

SETTINGS = Settings(min_gap=0.005, anchor_gap=0.012)
"""Times of the replica: blocks grow a little under load, and an anchor waits for a batch to share its block."""
STATUS_SECONDS = 1.0
HEADS_SECONDS = 1.0
"""Between two attempts to get heads that the enclave takes."""
SEAL_SECONDS = 5.0
"""How often the enclave's mark is written to disk, at most."""

log = structlog.get_logger()


class Host:
    """One node. `run` returns when the node was told to stop; it raises what made it stop otherwise."""

    def __init__(self, config: NodeConfig) -> None:
        self.config = config
        self.layout = config.layout
        self._stage = "starting"
        self.fresh_height = 0
        self.boot = 0
        self.freshening = asyncio.Lock()
        """One challenge of the enclave at a time."""
        self.alarm = ""
        self._stopping = asyncio.Event()
        self._damage: asyncio.Queue[OperatorFault] = asyncio.Queue()
        """What was found wrong with the ledger's files by whoever read them."""

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
            self.genesis = verify_genesis(self._read(self.config.genesis, "without a genesis there is no service"))
            segment_bytes_max = self.config.limits.segment_bytes_max
            self.store = await asyncio.to_thread(
                BlockStore.open, self.layout.directory, transactions_of, segment_bytes_max=segment_bytes_max
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
        with disk_faults(self.layout.run):
            RunRecord.here(self.enclave.pid).write(self.layout.run)
        await self._tell_of_walls()
        await self._unseal()
        self.history = await asyncio.to_thread(read_history, self.store, self.genesis)
        replayed = await replay(self.store, self.wal, self.history, self.genesis, self.enclave)
        await self._compose(replayed)
        await self.enclave.recall(list(self.statements))
        await self.enclave.forget(self.replica.final_view)
        self.store.on_damage = self._damage.put_nowait
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._open_doors()
                tasks.create_task(self._until_stopped())
                tasks.create_task(self._until_enclave_ends())
                tasks.create_task(self._until_damaged())
                tasks.create_task(self._take_part(replayed))
        except* _Stop:
            log.info("node.stopped", node=self.config.name)
        finally:
            self.links.close()

    async def _tell_of_walls(self) -> None:
        """What stands around the enclave here, and what this machine does not have, is a fact of the log."""
        walls = await self.enclave.walls()
        missing = {name: words for name, stands, words in walls if not stands}
        standing = [name for name, stands, _ in walls if stands]
        (log.warning if missing else log.info)("enclave.walls", standing=standing, missing=missing)

    async def _unseal(self) -> None:
        path = self.layout.sealed / SEALED_STATE
        sealed = self._read(path, "without its sealed state a node has no keys")
        unsealed = await self.enclave.unseal(sealed, self.genesis.data)
        with disk_faults(path):
            write_atomic(path, unsealed)
        self.boot = (await self.enclave.status()).boot

    @staticmethod
    def _read(path: Path, why: str) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise OperatorFault(f"{path}: {error.strerror}; {why}") from None

    # --- composition ---

    async def _compose(self, replayed: Replayed) -> None:
        own_claims = self.genesis.validator_named(self.config.name)
        if own_claims is None:
            raise OperatorFault(f"{self.config.name} is no validator of this genesis")
        description, chain = self.genesis.description, self.genesis.chain
        own = description.index_of(own_claims.claims.node_key)
        assert own is not None
        self.own = own
        shown = tls.spki_digest(self.layout.tls_certificate.read_bytes())
        if shown != own_claims.claims.tls_key:
            raise OperatorFault(
                f"{self.layout.tls_certificate} is not the certificate that this node was admitted with"
            )
        self.batches = BatchPool()
        self.links = Links(
            chain=chain,
            members=description,
            own=own,
            own_tls_key=shown,
            enclave=self.enclave,
            wall_ms=lambda: time.time_ns() // 1_000_000,
            on_message=lambda sender, data: self.inbox.receive(sender, data),
            on_link=self._greet,
        )
        self.heads = Heads(genesis=self.genesis, own=own, enclave=self.enclave, links=self.links, body=self._head_body)
        self.inbox = Inbox(
            chain=chain,
            members=description,
            store=self.store,
            batches=self.batches,
            links=self.links,
            heads=self.heads,
            spawn_head_answer=lambda sender, request: self._spawn(self.heads.answer_peer(request, sender)),
        )
        self.service = Service(self)
        self.answers = Answers(self.service.place_of)
        self.mempool = Mempool(self.answers, self.config.limits, envelope_bytes_max=ENVELOPE_BYTES_MAX)
        self.pipeline = Pipeline(
            store=self.store,
            enclave=self.enclave,
            history=self.history,
            batches=self.batches,
            answers=self.answers,
            mempool=self.mempool,
            description=description.digest,
            on_final=lambda record: self.driver.put(Recorded(record)),
            on_executed=lambda event: self.driver.put(event),
        )
        self.replica = Replica(
            ReplicaConfig(
                chain=chain,
                members=description,
                own=own,
                anchor=self.genesis.header,
                verify=verify,
                settings=SETTINGS,
                voting=not replayed.observes,
            )
        )
        self.driver = Driver(
            replica=self.replica,
            own=own,
            wal=self.wal,
            enclave=self.enclave,
            links=self.links,
            batches=self.batches,
            pipeline=self.pipeline,
            wal_bytes_max=self.config.limits.wal_bytes_max,
            on_alarm=self._raise_alarm,
        )
        if replayed.observes:
            self.driver.observe(description.epoch, replayed.observes)
        self._fill(replayed)

    def _fill(self, replayed: Replayed) -> None:
        for batch in replayed.batches:
            self.batches.add(batch)
            if int(batch.header.lane) == int(self.own):
                self.mempool.remember(list(decode_payload(batch.payload, batch.header.count)))
        self.statements = self.replica.restore(
            final=replayed.final,
            final_certificate=replayed.certificate,
            recent=replayed.recent,
            batches=[batch.header for batch in replayed.batches],
            executed=replayed.executed,
            records=replayed.records,
        )

    # --- doors ---

    async def _open_doors(self) -> None:
        config = self.config
        context = tls.server_context(self.layout.tls_certificate, self.layout.tls_key)
        bounds = config.limits
        limits = RpcLimits(connections_max=bounds.connections_max, body_bytes_max=bounds.request_bytes_max)
        try:
            await self.links.listen(config.peer, context, self._spawn)
            self.runner = await serve(make_app(self.service, limits), config.rpc.host, config.rpc.port, context)
        except OSError as error:
            raise OperatorFault(f"cannot listen on {config.rpc} or {config.peer}: {error.strerror}") from None
        dial = tls.dial_context()
        for peer in config.peers:
            validator = self.genesis.validator_named(peer.name)
            index = None if validator is None else self.genesis.description.index_of(validator.claims.node_key)
            if index is None:
                raise OperatorFault(f"peer {peer.name} is no validator of this genesis")
            if index > self.own:
                self._spawn(self.links.dial_forever(index, peer.address, dial))
        log.info("node.listening", node=config.name, rpc=str(config.rpc), peers=str(config.peer), boot=self.boot)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            self._tasks.create_task(work)
        except RuntimeError:  # the node is ending: nothing begins any more
            work.close()

    async def _until_stopped(self) -> None:
        await self._stopping.wait()
        self._stage = "stopped"
        await self.runner.cleanup()
        with contextlib.suppress(OperatorFault):
            await self._write_seal()
        raise _Stop

    async def _until_enclave_ends(self) -> None:
        await self.enclave.closed.wait()
        if not self._stopping.is_set():
            raise OperatorFault(f"the enclave ended ({await self.enclave.ending()}): the node stops; start it again")

    async def _until_damaged(self) -> None:
        """A corrupt disk halts the node, also when it was a client or a peer who read there (DESIGN §3, stop 8)."""
        raise await self._damage.get()

    # --- taking part ---

    async def _take_part(self, replayed: Replayed) -> None:
        """Fresh heads, then what was left over, then every loop."""
        self._spawn(self._report_status())
        fresh = await self._freshen()
        log.info("node.fresh", height=fresh.height, may_vote=fresh.may_vote)
        if not fresh.may_vote:
            reason = "a peer holds a vote of this node that its log does not have: observes only"
            self.driver.observe(self.genesis.description.epoch, reason)
        for run in replayed.left_over:
            await self.pipeline.execute([(header, list(batches)) for header, batches in run.blocks], run.certificate)
        self.fresh_height = fresh.height
        self._spawn(self.pipeline.run())
        first = await self._say_again() if self.replica.voting else []
        first.append(self.replica.resume(now()))
        if self.replica.voting:
            self._spawn(self._fill_lane())
        self._spawn(self._keep_mark())
        for sender, status in self.inbox.status.items():  # what peers said before, so that catching up begins at once
            self.driver.put(Received(sender, status))
        self.inbox.driver = self.driver
        await self.driver.run(first)

    async def _freshen(self) -> Freshness:
        """Heads of a quorum, asked for again while they end below what this enclave had executed before (T05)."""
        alarm = self.alarm
        while True:
            heads = await self.heads.collect(await self.enclave.challenge(), seconds=None)
            try:
                fresh = await self.enclave.freshen(heads)
            except Refusal as refusal:
                self._raise_alarm(f"waits for fresh heads: {refusal}")
                await asyncio.sleep(HEADS_SECONDS)
            else:
                self.alarm = alarm
                return fresh

    async def _say_again(self) -> list[Output]:
        """Sign again what the log says was cast above the final view; the replica counts it like anybody's votes."""
        signatures = await self.enclave.cast(list(self.statements))
        votes = [Vote(statement, self.own, made) for statement, made in zip(self.statements, signatures, strict=True)]
        return [self.replica.step(Received(self.own, VoteMessage(vote)), now()) for vote in votes]

    async def _fill_lane(self) -> None:
        """Batches of this node's own lane, one after the other, chained from the newest that is held."""
        length, previous = self._own_lane_tip()
        while True:
            envelopes = await self.mempool.next_batch(self.driver)
            ordered = self.replica.final_cut[self.own]
            if ordered.length > length:  # by others, who had more of this lane than this disk
                length, previous = int(ordered.length), ordered.digest
            payload = encode_payload(envelopes)
            header = BatchHeader(
                epoch=self.genesis.description.epoch,
                lane=Lane(self.own),
                sequence=Sequence(length),
                previous=previous,
                count=len(envelopes),
                size=len(payload),
                payload_digest=digest(payload),
            )
            signature = await self.enclave.sign_batch(header.digest)
            self.driver.put(BatchArrived(Batch(header, payload, signature), own=True))
            length, previous = length + 1, header.digest

    def _own_lane_tip(self) -> tuple[int, Digest]:
        """Length of the own lane as held, and the digest that its next batch names."""
        tip = self.replica.final_cut[self.own]
        length, previous = int(tip.length), tip.digest
        own = [batch.header for batch in self.batches.all() if int(batch.header.lane) == int(self.own)]
        for header in sorted(own, key=lambda header: header.sequence):
            if header.sequence == length and header.previous == previous:
                length, previous = length + 1, header.digest
        return length, previous

    async def _report_status(self) -> None:
        while True:
            message = encode_message(await self._status())
            self.links.broadcast(message)
            await asyncio.sleep(STATUS_SECONDS)

    async def _status(self) -> Status:
        replica = self.replica
        body = StatusBody(
            epoch=self.genesis.description.epoch,
            view=replica.view,
            final_view=replica.final_view,
            height=replica.final.height,
            digest=replica.final.digest,
            executed=self.pipeline.executed,
            lanes=tuple(replica.lane_lengths),
            lowest=Height(1),
        )
        return Status(body, await self.enclave.sign_status(body))

    @property
    def state(self) -> str:
        """starting → syncing → voting → stopped; suspended while this node only observes."""
        if self.inbox.driver is None or self._stage == "stopped":
            return self._stage
        if self.alarm:
            return "suspended"
        claimed = sorted((status.body.height for status in self.inbox.status.values()), reverse=True)
        honest_claim = claimed[min(self.genesis.description.quorum.faults, len(claimed) - 1)] if claimed else 0
        behind = self.pipeline.executed + 8 < max(honest_claim, self.fresh_height)
        return "syncing" if behind else "voting"

    async def _keep_mark(self) -> None:
        """Seal the newest executed height now and then: a disk older than that is noticed (T05)."""
        sealed_at = -1
        while True:
            await asyncio.sleep(SEAL_SECONDS)
            if self.pipeline.executed != sealed_at:
                sealed_at = self.pipeline.executed
                await self._write_seal()

    async def _write_seal(self) -> None:
        sealed, path = await self.enclave.seal(), self.layout.sealed / SEALED_STATE
        with disk_faults(path):
            await asyncio.to_thread(write_atomic, path, sealed)

    # --- small answers ---

    def _greet(self, peer: SignerIndex) -> None:
        self.heads.ask_linked(peer)

        async def greet() -> None:
            self.links.send(peer, encode_message(await self._status()))

        self._spawn(greet())

    def _head_body(self, nonce: bytes, asker: SignerIndex) -> HeadBody:
        replica = self.replica
        return HeadBody(
            nonce,
            self.genesis.description.epoch,
            replica.final,
            replica.final_certificate,
            replica.newest_notarized,
            replica.newest_votes_of(asker),
        )

    def feed_certificates(self, heads: list[Head]) -> None:
        """What heads prove is processed like any certificate that a peer sends (R2)."""
        for head in heads:
            for certificate in (head.body.certificate, head.body.notarized):
                if certificate is not None:
                    self.driver.put(Received(self.own, CertificateMessage(certificate)))

    def _raise_alarm(self, text: str) -> None:
        self.alarm = text
        log.error("node.alarm", alarm=text)


class _Stop(Exception):
    """The node was told to stop."""


def transactions_of(outcome: bytes) -> list[tuple[bytes, int]]:
    """(id, code) of an outcome record, for a block store that rebuilds its index."""
    return Outcome.decode(outcome).ids_and_codes()
