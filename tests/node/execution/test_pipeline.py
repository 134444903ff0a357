"""From final to recorded: what is waiting is stored in order and once, whoever asks first."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.consensus import samples
from tests.hang import HANG_SECONDS
from tests.node.ledger.ledgers import UnreadForm

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import InvariantBroken
from strongroom.consensus.replica.events import Commit, FinalRecord
from strongroom.consensus.types import Digest, Height
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.enclave_client.refusals import Refusal, RefusalKind, refusal_of
from strongroom.node.execution.pipeline import Pipeline
from strongroom.node.ledger.block_record import StoredBlock, header_and_certificate
from strongroom.node.ledger.entries import Entries
from strongroom.node.ledger.store import BlockStore
from strongroom.node.mempool.batch_pool import BatchPool


class NeverAnswers:
    """An enclave that is asked to execute, and takes its time."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def execute(self, *_: object) -> object:
        self.asked.set()
        return await asyncio.get_running_loop().create_future()


class Executes:
    """An enclave for which each block comes to a refusal of one envelope."""

    async def execute(
        self, blocks: list[tuple[Header, object]], _: object
    ) -> list[tuple[bytes, Digest]]:
        outcomes = [
            Outcome(
                header.height, header.digest, id_at(header.height), b"\x01", (b"",), (), b"sealed"
            )
            for header, _ in blocks
        ]
        return [(outcome.encode(), outcome.root) for outcome in outcomes]


class Told:
    """What went out, and the syncs between, in order."""

    def __init__(self, store: BlockStore) -> None:
        self.order: list[str] = []
        self.on_answer: Callable[[int], None] = lambda _: None
        sync = store.sync

        def noted(**how: bool) -> None:
            self.order.append("sync")
            sync(**how)

        store.sync = noted  # type: ignore[method-assign]

    def settle(self, height: int, *_: object) -> None:
        self.order.append(f"answered {height}")
        self.on_answer(height)

    def executed(self, _: object) -> None:
        """The mempool lets go; not of interest here."""

    async def until(self, made: Pipeline, last: str) -> None:
        running = asyncio.create_task(made.run())
        async with asyncio.timeout(HANG_SECONDS):
            while last not in self.order:
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def id_at(height: int) -> bytes:
    return height.to_bytes(32, "big")


def header(height: int, size: int = 100) -> Header:
    return replace(samples.HEADER, height=Height(height), batch_bytes=size)


def commits(first: int, last: int) -> list[Commit]:
    """Blocks without data; the last one has a certificate of its own."""
    pool = [Commit(header(height), (), None) for height in range(first, last + 1)]
    pool[-1] = replace(pool[-1], certificate=samples.certificate("finalize"))
    return pool


def pipeline(store: BlockStore, enclave: NeverAnswers, finals: list[FinalRecord]) -> Pipeline:
    unused: dict[str, Any] = dict.fromkeys(("history", "answers", "mempool"))
    loose: dict[str, Any] = {"enclave": enclave, **unused}
    return Pipeline(
        store=store,
        batches=BatchPool(),
        reached=Height(0),
        on_final=finals.append,
        on_executed=lambda _: None,
        on_public=lambda: None,
        **loose,
    )


def executing(store: BlockStore, told: Told) -> Pipeline:
    loose: dict[str, Any] = {"enclave": Executes(), "answers": told, "mempool": told}
    return Pipeline(
        store=store,
        batches=BatchPool(),
        history=HistoryTree(replace(samples.HEADER, height=Height(0))),
        reached=Height(0),
        on_final=lambda _: None,
        on_executed=lambda event: told.order.append(f"executed {event.height}"),
        on_public=lambda: None,
        **loose,
    )


async def test_blocks_that_wait_behind_an_execution_can_be_recorded_and_are_recorded_once(
    tmp_path: Path,
) -> None:
    store = BlockStore.open(tmp_path, UnreadForm())
    enclave, finals = NeverAnswers(), list[FinalRecord]()
    made = pipeline(store, enclave, finals)
    running = asyncio.create_task(made.run())
    made.put(commits(1, 2))
    await enclave.asked.wait()
    assert (store.newest_block, [record.header.height for record in finals]) == (2, [2])
    made.put(commits(3, 5))
    assert store.newest_block == 2
    assert made.record() == FinalRecord(header(5), samples.certificate("finalize"))
    assert (store.newest_block, made.backlog) == (5, 3)
    assert made.record() == FinalRecord(header(5), samples.certificate("finalize"))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    store.close()
    again = BlockStore.open(tmp_path, UnreadForm())
    stored = [header_and_certificate(again.block(height) or b"") for height in range(1, 6)]
    assert [one.height for one, _ in stored] == [1, 2, 3, 4, 5]
    assert StoredBlock.decode(again.block(5) or b"").certificate == samples.certificate("finalize")
    again.close()


async def test_the_replica_hears_of_an_execution_when_its_outcome_is_durable_and_clients_before(
    tmp_path: Path,
) -> None:
    """PROTOCOL §5: outcomes before N for a block that raises the anchor; an answer rests on block
    and certificate."""
    store = BlockStore.open(tmp_path, UnreadForm())
    told = Told(store)
    made = executing(store, told)
    made.put(commits(1, 1))
    await told.until(made, "executed 1")
    assert told.order == ["sync", "answered 1", "sync", "executed 1"]
    store.close()


async def test_an_outcome_becomes_durable_with_the_next_block_by_one_fsync(tmp_path: Path) -> None:
    store = BlockStore.open(tmp_path, UnreadForm())
    told = Told(store)
    made = executing(store, told)
    told.on_answer = lambda height: made.put(commits(2, 2)) if height == 1 else None
    made.put(commits(1, 1))
    await told.until(made, "executed 2")
    assert told.order == [
        "sync",
        "answered 1",
        "sync",
        "executed 1",
        "answered 2",
        "sync",
        "executed 2",
    ]
    store.close()


async def test_receipts_can_be_made_of_what_is_executed_and_under_a_recorded_anchor(
    tmp_path: Path,
) -> None:
    store = BlockStore.open(tmp_path, UnreadForm())
    told = Told(store)
    made = executing(store, told)
    assert made.anchored == 0
    waiting = asyncio.create_task(made.wait_anchored(0))

    def block(height: int, anchor: int) -> Commit:
        anchors = replace(samples.HEADER.anchor, height=Height(anchor))
        certificate = samples.certificate("finalize")
        return Commit(replace(header(height), anchor=anchors), (), certificate)

    by_members = replace(block(2, 1), certificate=samples.RECOVERY)  # receipts take no such one
    made.put([block(1, 0), by_members])
    await told.until(made, "executed 2")
    assert (made.anchored, waiting.done()) == (0, False)
    made.put([block(3, 2)])
    told.on_answer = lambda height: told.order.append(f"anchored {made.anchored}")
    await told.until(made, "executed 3")
    assert told.order.index("anchored 2") < told.order.index("executed 3")
    assert (await waiting, made.anchored) == (2, 2)
    store.close()


async def test_under_load_one_run_at_most_waits_to_be_indexed(tmp_path: Path) -> None:
    """The next block is always here before its turn: a node that catches up, or is fully loaded."""
    store = BlockStore.open(tmp_path, UnreadForm())
    told, writes = Told(store), Counter[int]()
    made, write = executing(store, told), store._index.write

    def counted(entries: Entries) -> None:
        writes[store.newest_block] += 1
        write(entries)

    store._index.write = counted  # type: ignore[method-assign]
    waiting, indexed = list[int](), list[int]()

    def answered(height: int) -> None:
        waiting.append(store._pending.count)
        indexed.append(store._index.newest().outcome)
        if height < 40:
            made.put(commits(height + 1, height + 1))

    told.on_answer = answered
    made.put(commits(1, 1))
    await told.until(made, "executed 40")
    # A run is a block here, and an outcome of one transaction.
    assert max(waiting) <= 3
    assert indexed == list(range(40))
    assert writes[1] == 0
    assert [writes[height] for height in range(2, 40)] == [1] * 38
    store.close()


async def test_what_another_executes_is_indexed_at_once(tmp_path: Path) -> None:
    """The follower takes its time: blocks that the pipeline records meanwhile do not wait for
    it, nor those that the log is about to forget."""
    with closing(BlockStore.open(tmp_path, UnreadForm())) as store:
        made = executing(store, Told(store))
        made.fall_behind(Height(0))
        made.put(commits(1, 3))
        running = asyncio.create_task(made.run())
        while store.newest_block < 3:
            assert not running.done(), running.exception()
            await asyncio.sleep(0)
        assert (store._index.newest().block, store._pending.count) == (3, 0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        made.put(commits(4, 5))
        made.record()
        assert (store._index.newest().block, store._pending.count) == (5, 0)


async def test_nothing_waits_and_nothing_is_recorded(tmp_path: Path) -> None:
    store = BlockStore.open(tmp_path, UnreadForm())
    assert pipeline(store, NeverAnswers(), []).record() is None
    store.close()


class OfAnotherHeight:
    """A process that took over below the blocks that were already on their way to its
    predecessor."""

    def __init__(self) -> None:
        self.take_over: Callable[[], None] = lambda: None

    async def execute(self, *_: object) -> object:
        self.take_over()
        raise refusal_of(RefusalKind.PEER_FAULT, "block 1 does not follow the executed block 0")


async def test_blocks_on_their_way_while_a_process_took_over_below_them_are_left_to_the_follower(
    tmp_path: Path,
) -> None:
    with closing(BlockStore.open(tmp_path, UnreadForm())) as store:
        told, enclave = Told(store), OfAnotherHeight()
        made = executing(store, told)
        made._enclave = enclave  # type: ignore[assignment]
        enclave.take_over = lambda: made.fall_behind(Height(0))
        made.put(commits(1, 1))
        running = asyncio.create_task(made.run())
        await made.behind.wait()
        made.put(commits(2, 2))
        while store.newest_block < 2:
            assert not running.done(), running.exception()
            await asyncio.sleep(0)
        assert (made.behind.is_set(), made.executed, store.newest_outcome) == (True, 0, 0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_refusal_that_nobody_foresaw_is_not_taken_for_that(tmp_path: Path) -> None:
    with closing(BlockStore.open(tmp_path, UnreadForm())) as store:
        made = executing(store, Told(store))
        made._enclave = OfAnotherHeight()  # type: ignore[assignment]
        made.put(commits(1, 1))
        with pytest.raises(Refusal):
            await made.run()


async def test_what_anchors_prove_is_recorded_ahead_of_the_enclave_and_who_waits_for_it_waits_on(
    tmp_path: Path,
) -> None:
    """A client that demands a height is answered by the enclave, which does not stand there yet."""
    store = BlockStore.open(tmp_path, UnreadForm())
    made = executing(store, Told(store))
    ((data, _),) = await Executes().execute([(header(1), ())], None)
    store.append_block(1, StoredBlock(header(1), samples.certificate("finalize"), ()).encode())
    waiting = asyncio.create_task(made.wait_reached(0))
    await made.record_outcomes([header(1)], [data], [Outcome.decode(data)], ahead=True)
    await asyncio.sleep(0)
    assert (store.newest_outcome, made.executed, made.reached, waiting.done()) == (1, 1, 0, False)
    await made.reach(Height(1))
    await asyncio.wait_for(waiting, HANG_SECONDS)
    store.close()


async def test_what_an_anchor_proved_must_be_the_same_when_it_is_executed_again(
    tmp_path: Path,
) -> None:
    """T34: the history leaf covers all of an outcome, its wish too."""
    store = BlockStore.open(tmp_path, UnreadForm())
    made = executing(store, Told(store))
    ((data, _),) = await Executes().execute([(header(1), ())], None)
    outcome = Outcome.decode(data)
    store.append_block(1, StoredBlock(header(1), samples.certificate("finalize"), ()).encode())
    store.append_outcome(1, data, outcome.ids_and_codes())
    made._history.append(outcome.history_leaf)
    await made.record_outcomes([header(1)], [data], [outcome])
    assert made.reached == 1
    for other in (replace(outcome, wish=b"another"), replace(outcome, write_set=b"other")):
        with pytest.raises(InvariantBroken):
            await made.record_outcomes([header(1)], [other.encode()], [other])
    store.close()
