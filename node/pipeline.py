"""From final to answered (DESIGN §3, stops 7 to 9): record, execute, record the outcome, answer.

Owns the order of these and nothing else: block, data and certificate are durable before execution; outcome and write
set are durable before the replica hears of the execution, hence before it votes for a header that anchors it (PROTOCOL
§5). Runs beside the ordering of the next blocks.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from strongroom.consensus.blocks import Batch, Header
from strongroom.consensus.errors import InvariantBroken, invariant
from strongroom.consensus.events import Commit, Executed, FinalRecord
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Digest, Height
from strongroom.enclave.history import HistoryTree
from strongroom.enclave.outcome import Outcome
from strongroom.node.answers import Answers
from strongroom.node.batches import BatchPool
from strongroom.node.enclave_process import EnclaveProcess
from strongroom.node.ledger.store import BlockStore
from strongroom.node.mempool import Mempool
from strongroom.node.stored import StoredBlock

RUN_BLOCKS_MAX = 64
RUN_BYTES_MAX = 16 * 1024 * 1024
BACKLOG_BLOCKS_MAX = 1024
BACKLOG_BYTES_MAX = 4 * RUN_BYTES_MAX
"""Waiting for execution beyond these, no further ranges of old blocks are asked for."""

log = structlog.get_logger()


class Pipeline:
    """Takes commits in height order; gives Executed events back."""

    def __init__(
        self,
        *,
        store: BlockStore,
        enclave: EnclaveProcess,
        history: HistoryTree,
        batches: BatchPool,
        answers: Answers,
        mempool: Mempool,
        description: Digest,
        on_final: Callable[[FinalRecord], None],
        on_executed: Callable[[Executed], None],
    ) -> None:
        self._store, self._enclave, self._history = store, enclave, history
        self._batches, self._answers, self._mempool = batches, answers, mempool
        self._description = description
        self._on_final, self._on_executed = on_final, on_executed
        self._commits: deque[Commit] = deque()
        self._backlog_bytes = 0
        self._arrived = asyncio.Event()
        self._advanced = asyncio.Condition()
        self.executed = Height(store.newest_outcome)
        self.executed_transactions = 0

    def put(self, commits: list[Commit]) -> None:
        """Take final blocks, in height order."""
        self._commits.extend(commits)
        self._backlog_bytes += sum(commit.header.batch_bytes for commit in commits)
        if commits:
            self._arrived.set()

    @property
    def backlog(self) -> int:
        """Final blocks that wait for execution."""
        return len(self._commits)

    @property
    def overfull(self) -> bool:
        """So much waits that more would only fill memory."""
        return len(self._commits) > BACKLOG_BLOCKS_MAX or self._backlog_bytes > BACKLOG_BYTES_MAX

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._arrived.wait()
            run = self._next_run()
            if not run:
                self._arrived.clear()
                continue
            await self._carry_out(run)

    async def wait_above(self, height: int) -> int:
        """Wait until more than `height` is executed; the newest executed height."""
        async with self._advanced:
            await self._advanced.wait_for(lambda: self.executed > height)
            return self.executed

    def _next_run(self) -> list[Commit]:
        """The next blocks up to one with a certificate of its own; as many as fit into one enclave call."""
        size, end = 0, 0
        for index, commit in enumerate(self._commits):
            size += commit.header.batch_bytes
            if end and (size > RUN_BYTES_MAX or index >= RUN_BLOCKS_MAX):
                break
            if commit.certificate is not None:
                end = index + 1
        run = [self._commits.popleft() for _ in range(end)]
        self._backlog_bytes -= sum(commit.header.batch_bytes for commit in run)
        return run

    def record(self) -> FinalRecord | None:
        """Store every final block that waits, durably: the log is about to forget them. Returns the newest, if any."""
        return self._store_blocks(list(self._commits)) if self._commits else None

    def _store_blocks(self, commits: list[Commit]) -> FinalRecord:
        for commit in commits:
            if commit.header.height > self._store.newest_block:
                block = StoredBlock(commit.header, commit.certificate, tuple(map(self._data_of, commit.batches)))
                self._store.append_block(commit.header.height, block.encode())
        certificate = commits[-1].certificate
        if certificate is None:
            raise InvariantBroken("a run of final blocks ends without a certificate")
        self._store.sync()
        return FinalRecord(commits[-1].header, certificate)

    async def _carry_out(self, run: list[Commit]) -> None:
        recorded = self._store_blocks(run)
        self._on_final(recorded)
        blocks = [(commit.header, [self._data_of(digest) for digest in commit.batches]) for commit in run]
        await self.execute(blocks, recorded.certificate)
        for commit in run:
            for digest in commit.batches:
                self._batches.drop(digest)

    async def execute(self, blocks: list[tuple[Header, list[Batch]]], certificate: Certificate) -> None:
        """Execute recorded blocks, record the outcomes, answer who waits; on start also for what was left over."""
        encoded = await self._enclave.execute(blocks, certificate)
        outcomes = [Outcome.decode(data).with_root(root) for data, root in encoded]
        events = []
        for (header, _), (data, _), outcome in zip(blocks, encoded, outcomes, strict=True):
            self._record(header.height, data, outcome)
            root = self._history.root(header.height + 1)
            events.append(Executed(header.height, root, self._description))
        self._store.sync()
        for event, outcome in zip(events, outcomes, strict=True):
            self.executed = event.height
            leaves = outcome.ids_and_codes()
            self.executed_transactions += len(leaves)
            self._answers.settle(event.height, leaves, outcome.result_at)
            self._mempool.executed([id for id, _ in leaves])
            self._on_executed(event)
        async with self._advanced:
            self._advanced.notify_all()

    def _record(self, height: Height, data: bytes, outcome: Outcome) -> None:
        if height <= self._store.newest_outcome:  # recorded before a restart
            invariant(self._store.outcome(height) == data, f"height {height} gave another outcome before")
            return
        self._store.append_outcome(height, data, outcome.ids_and_codes())
        self._history.append(outcome.history_leaf)

    def _data_of(self, digest: Digest) -> Batch:
        batch = self._batches.get(digest)
        invariant(batch is not None, f"final batch {digest.hex()[:16]} is not held")
        assert batch is not None
        return batch
