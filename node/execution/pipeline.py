"""From final to answered (DESIGN §3, stops 7 to 9): record, execute, record the outcome, answer.

Owns the order of these and nothing else: block, data and certificate are durable before execution;
outcome and write set are durable before the replica hears of the execution, hence before it votes
for a header that anchors it (PROTOCOL §5). Runs beside the ordering of the next blocks.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import InvariantBroken, invariant
from strongroom.consensus.recovery import Finality
from strongroom.consensus.replica.events import Commit, Executed, FinalRecord
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Digest, Height
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import KeysNeeded, Refusal
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.outcome_wish import next_epoch
from strongroom.node.ledger.reading import decoded_outcome_at
from strongroom.node.ledger.store import BlockStore
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.mempool.mempool import Mempool
from strongroom.node.mempool.waiters import Waiters
from strongroom.node.metrics.observer import Observer

RUN_BLOCKS_MAX = 64
RUN_BYTES_MAX = 16 * 1024 * 1024

PUBLIC_PREFIX = b"\x95\x01\x05"
"""How the envelope of a public transaction begins: an array of five, version 1, kind 5
(enclave/formats/envelope.py). By chance it stands in a sealed envelope too; then the enclave is
asked once more than needed."""

log = structlog.get_logger()


class Pipeline:
    """Takes commits in height order; gives Executed events back."""

    def __init__(
        self,
        *,
        store: BlockStore,
        enclave: EnclaveClient,
        history: HistoryTree,
        batches: BatchPool,
        answers: Waiters,
        mempool: Mempool,
        reached: Height,
        on_final: Callable[[FinalRecord], None],
        on_executed: Callable[[Executed], None],
        on_public: Callable[[], None],
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer or Observer()
        self._store, self._enclave, self._history = store, enclave, history
        self._batches, self._answers, self._mempool = batches, answers, mempool
        self._on_final, self._on_executed, self._on_public = on_final, on_executed, on_public
        self._commits: deque[Commit] = deque()
        self._unspoken: list[Executed] = []
        """Executed and answered, and not yet known to be durable: the replica hears of it later."""
        self._arrived = asyncio.Event()
        self._advanced = asyncio.Condition()
        self.executed = Height(store.newest_outcome)
        """Newest height whose outcome is recorded."""
        self.reached = reached
        """Newest height that the enclave has executed in this boot; behind `executed` only after a
        start."""
        self._anchor = Height(0)
        """Of the newest block with a certificate of its own that was recorded in this run."""
        self.behind = asyncio.Event()
        """Set while the enclave cannot execute what is final, but must be caught up by outcomes
        (follower.py)."""
        self.on_behind: Callable[[], None] = lambda: None
        """Told when `behind` is set."""

    def put(self, commits: Sequence[Commit]) -> None:
        """Take final blocks, in height order."""
        self._commits.extend(commits)
        self._observer.final(commits)
        if self._commits:
            self._arrived.set()

    @property
    def backlog(self) -> int:
        """Final blocks that wait for execution."""
        return len(self._commits)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._until_arrival()
            run = self._next_run()
            if not run:
                self._arrived.clear()
                continue
            await self._carry_out(run)

    async def _until_arrival(self) -> None:
        """Wait for final blocks; what was executed becomes durable with those that are here
        already, else now."""
        if self._unspoken and not self._arrived.is_set():
            self._store.sync()
            self._report_durable()
        await self._arrived.wait()

    async def wait_above(self, height: int) -> int:
        """Wait until more than `height` is executed; the newest executed height."""
        async with self._advanced:
            await self._advanced.wait_for(lambda: self.executed > height)
            return self.executed

    @property
    def anchored(self) -> int:
        """Newest height known here of whose transactions receipts can be made: executed, and under
        the anchor of a certified block of this run."""
        return min(self.executed, self._anchor)

    async def wait_anchored(self, height: int) -> int:
        """Wait until receipts of a height above this one can be made; the newest such height."""
        async with self._advanced:
            await self._advanced.wait_for(lambda: self.anchored > height)
            return self.anchored

    async def wait_reached(self, height: int) -> None:
        """Wait until the enclave stands above `height`."""
        async with self._advanced:
            await self._advanced.wait_for(lambda: self.reached > height)

    def _next_run(self) -> list[Commit]:
        """The next blocks up to one with a certificate of its own; as many as fit into one enclave
        call."""
        size, end = 0, 0
        for index, commit in enumerate(self._commits):
            size += commit.header.batch_bytes
            if end and (size > RUN_BYTES_MAX or index >= RUN_BLOCKS_MAX):
                break
            if commit.certificate is not None:
                end = index + 1
        return [self._commits.popleft() for _ in range(end)]

    def record(self) -> FinalRecord | None:
        """Store every final block that waits, durably: the log is about to forget them. Returns the
        newest, if any."""
        return self._store_blocks(list(self._commits), index=True) if self._commits else None

    def _store_blocks(self, commits: list[Commit], *, index: bool) -> FinalRecord:
        for commit in commits:
            if commit.header.height > self._store.newest_block:
                block = StoredBlock(
                    commit.header, commit.certificate, tuple(map(self._data_of, commit.batches))
                )
                self._store.append_block(commit.header.height, block.encode())
        certificate = commits[-1].certificate
        if certificate is None:
            raise InvariantBroken("a run of final blocks ends without a certificate")
        self._store.sync(index=index)
        return FinalRecord(commits[-1].header, certificate)

    async def _carry_out(self, run: list[Commit]) -> None:
        # Outcomes of earlier runs wait: they are indexed with these blocks, one transaction a run.
        # If none does, these blocks wait for their own, unless it is the follower who executes.
        index = bool(self._unspoken) or self.behind.is_set()
        recorded = self._store_blocks(run, index=index)
        self._observer.recorded(run)
        self._on_final(recorded)
        self._report_durable()
        if isinstance(recorded.certificate, Certificate):  # receipts take no other
            await self._anchor_at(recorded.header.anchor.height)
        if not self.behind.is_set():
            blocks = [
                (commit.header, [self._data_of(digest) for digest in commit.batches])
                for commit in run
            ]
            try:
                await self.execute(blocks, recorded.certificate, linger=True)
            except Refusal as refusal:
                if self.behind.is_set():
                    # Another process took over below these blocks: the follower executes them.
                    pass
                elif not isinstance(refusal, KeysNeeded):
                    raise
                else:
                    self.fall_behind(self.reached)
        for commit in run:
            for digest in commit.batches:
                self._batches.drop(digest)

    async def _anchor_at(self, height: Height) -> None:
        if height > self._anchor:
            self._anchor = height
            async with self._advanced:
                self._advanced.notify_all()

    def fall_behind(self, reached: Height) -> None:
        """The enclave stands here, and cannot execute the next block: the follower goes on."""
        self.reached = reached
        log.info("pipeline.follows", height=int(self.reached))
        self.behind.set()
        self.on_behind()
        self._on_public()

    async def execute(
        self,
        blocks: list[tuple[Header, list[Batch]]],
        certificate: Finality,
        *,
        linger: bool = False,
    ) -> None:
        """Execute recorded blocks, record the outcomes, answer who waits; on start also for what
        was left over."""
        self._observer.executing()
        encoded = await self._enclave.execute(blocks, certificate)
        self._observer.executed(len(blocks))
        outcomes = [Outcome.decode(data).with_root(root) for data, root in encoded]
        await self.record_outcomes(
            [header for header, _ in blocks], [data for data, _ in encoded], outcomes, linger=linger
        )
        if any(PUBLIC_PREFIX in batch.payload for _, batches in blocks for batch in batches):
            self._on_public()

    async def record_outcomes(
        self,
        headers: list[Header],
        encoded: list[bytes],
        outcomes: list[Outcome],
        *,
        linger: bool = False,
        ahead: bool = False,
    ) -> None:
        """Record what the enclave has executed, or anchors prove, and tell everybody who waits for
        it.

        Args:
            headers: of consecutive blocks.
            encoded: the outcomes' bytes.
            outcomes: the same.
            linger: leave it to `run` to make them durable, and to tell the replica then.
            ahead: anchors prove them, and the enclave does not stand there yet (see `reach`).
        """
        blocks_leaves = [outcome.ids_and_codes() for outcome in outcomes]
        fresh = {
            header.height
            for header, data, outcome, leaves in zip(
                headers, encoded, outcomes, blocks_leaves, strict=True
            )
            if self._record(header.height, data, outcome, leaves)
        }
        if not linger:
            self._store.sync()
        self._observer.kept()
        for header, outcome, leaves in zip(headers, outcomes, blocks_leaves, strict=True):
            self.reached = self.reached if ahead else header.height
            self.executed = max(self.executed, header.height)
            if Code.INTERNAL in outcome.codes:
                log.error(
                    "execution.internal",
                    height=header.height,
                    envelopes=outcome.codes.count(Code.INTERNAL),
                )
            self._answers.settle(header.height, leaves, outcome.result_at)
            self._mempool.executed(leaves)
            if header.height in fresh:
                self._observer.answered(header, outcome.codes, leaves)
            root = self._history.root(header.height + 1)
            self._unspoken.append(Executed(header.height, root, next_epoch(outcome, header)))
        if not linger:
            self._report_durable()
        async with self._advanced:
            self._advanced.notify_all()

    def _report_durable(self) -> None:
        """The outcomes are durable: the replica may vote for headers that anchor them."""
        for event in self._unspoken:
            self._on_executed(event)
        self._unspoken.clear()

    async def reach(self, height: Height) -> None:
        """The enclave stands at a height whose outcome is recorded: tell whoever waits for that."""
        self.reached = height
        async with self._advanced:
            self._advanced.notify_all()

    def _record(
        self, height: Height, data: bytes, outcome: Outcome, leaves: list[tuple[bytes, int]]
    ) -> bool:
        """Is this outcome new here?"""
        recorded = self._store.outcome(height) if height <= self._store.newest_outcome else None
        if recorded is not None:  # before a restart, or by a peer's word that an anchor proved
            same = recorded == data or (
                decoded_outcome_at(self._store, height).history_leaf == outcome.history_leaf
            )
            invariant(same, f"height {height} gave another outcome before")
            return False
        leaf = outcome.history_leaf
        self._store.append_outcome(height, data, leaves, leaf.hash)
        self._history.append(leaf)
        return True

    def _data_of(self, digest: Digest) -> Batch:
        batch = self._batches.get(digest)
        invariant(batch is not None, f"final batch {digest.hex()[:16]} is not held")
        assert batch is not None
        return batch
