"""No find by an id costs the event loop a block, where the index alone cannot tell: counted in
bytes read on its thread, over a node's own block store (T70)."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.node.client.test_commands import PAY, shell
from tests.node.explorer.files import write_ledger
from tests.node.rpc.fake import Door, opened

from strongroom.consensus.types import TransactionId
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Code
from strongroom.node.api.ledger import LedgerDesk
from strongroom.node.api.places import PlaceDesk
from strongroom.node.api.receipts import ReceiptDesk
from strongroom.node.explorer.ledger_replay import FileLedger, read_ledger
from strongroom.node.faults import NotFound
from strongroom.node.ledger import transaction_table
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.reading import open_store
from strongroom.node.ledger.segments import Kind, Location, Segments
from strongroom.node.ledger.store import BlockStore
from strongroom.node.mempool.waiters import Waiters
from strongroom.node.ordering.stored_past import StoredPast


class Reads:
    """Records that were read, on the event loop's thread and in others."""

    def __init__(self) -> None:
        self.loop = threading.get_ident()
        self.on_loop: list[str] = []
        self.beside = 0

    def forget(self) -> None:
        """Count from here on."""
        self.on_loop.clear()
        self.beside = 0


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Every id stands in a sorted run, so that a block has to tell; records read are counted."""
    found, read = Reads(), Segments.read

    def counted(self: Segments, kind: Kind, height: int, location: Location) -> bytes:
        data = read(self, kind, height, location)
        if threading.get_ident() == found.loop:
            found.on_loop.append(f"{len(data)} bytes of {kind.name} {height}")
        else:
            found.beside += len(data)
        return data

    monkeypatch.setattr(Segments, "read", counted)
    monkeypatch.setattr(transaction_table, "RUN_ENTRIES_MIN", 1)
    return found


@asynccontextmanager
async def a_ledger(folder: Path, reads: Reads) -> AsyncIterator[tuple[FileLedger, bytes]]:
    """A node's block store with what proves it, and the id of a payment in it."""
    async with shell(folder) as run:
        paid = bytes.fromhex((await run.json(*PAY))["id"])
        await run.json(*PAY)
        written = write_ledger(folder / "n0", run.service)
    ledger = read_ledger(written)
    store = open_store(written)
    try:
        reads.forget()
        yield replace(ledger, store=store), paid
    finally:
        store.close()


def tell_of(door: Door, ledger: FileLedger) -> None:
    """The door tells of this ledger."""
    backend: Any = door.backend
    backend.height = ledger.store.newest_block
    desk = LedgerDesk(ledger)
    for name in ("transaction_reading", "status_reading", "block_reading"):
        setattr(backend, name, getattr(desk, name))
    backend.receipt_steps = ReceiptDesk(ledger).steps


async def test_T70_no_call_that_finds_an_id_reads_a_block_on_the_event_loop(
    tmp_path: Path, reads: Reads
) -> None:
    async with a_ledger(tmp_path, reads) as (ledger, paid), opened() as door:
        tell_of(door, ledger)
        for name, word, value in (
            ("ledger_transaction", "id", "final"),
            ("ledger_receipt", "id", paid.hex()),
            ("ledger_search", "text", "a final transaction"),
        ):
            reads.beside = 0
            reply = await door.call(name, {word: paid.hex()})
            assert value in str(reply["result"]), reply
            assert reads.on_loop == [], name
            assert reads.beside > 0, "it was looked for"
        absent = sha256(b"nobody's").hexdigest()
        assert (await door.call("ledger_search", [absent]))["result"] == []
        assert (await door.call("ledger_transaction", [absent]))["result"]["status"] == "unknown"
        assert (await door.call("ledger_receipt", [absent]))["error"]["code"] == NotFound.code
        assert reads.on_loop == []


async def test_T70_a_replay_of_an_old_id_never_costs_the_event_loop_a_block(
    tmp_path: Path, reads: Reads
) -> None:
    async with a_ledger(tmp_path, reads) as (ledger, paid):
        answers = Waiters(PlaceDesk(ledger.store).find)
        for height in (900, 901, 902):
            futures = [answers.expect([TransactionId(paid)]) for _ in range(3)]
            answers.settle(height, [(paid, int(Code.DUPLICATE))], lambda _: None)
            for future in futures:
                (place,) = await future
                assert (place.id, place.code) == (paid, 0)
                assert place.height < 900
                assert place.result
        assert reads.on_loop == []
        assert reads.beside > 0


async def test_T70_what_an_ended_epoch_left_is_not_looked_for_in_blocks(
    tmp_path: Path, reads: Reads
) -> None:
    """It is ordered again: a duplicate is refused, and answered with its first place."""
    async with a_ledger(tmp_path, reads) as (ledger, _):
        store: Any = ledger.store
        blocks = map(store.block, range(1, store.newest_block + 1))
        ordered = [one for block in blocks for one in StoredBlock.decode(block).envelopes()]
        assert ordered
        reads.forget()
        past = StoredPast(store, HistoryTree(ledger.genesis.header))
        assert not any(map(past.has_transaction, (*ordered, b"of nobody")))
        assert reads.on_loop == []


async def test_an_id_that_is_not_indexed_yet_is_found_beside_the_loop_while_it_is_synced(
    tmp_path: Path, reads: Reads
) -> None:
    """What is appended is read in a thread without being flushed from there."""
    async with a_ledger(tmp_path, reads) as (ledger, _):
        source: Any = ledger.store
        store = open_store(tmp_path / "copy")
        for height in range(1, source.newest_outcome + 1):
            block, outcome = source.block(height), source.outcome(height)
            codes = transactions(source, height)
            store.append_block(height, block)
            store.append_outcome(height, outcome, codes)
            for id, _ in codes:
                place = Waiters(PlaceDesk(store).find)
                future = place.expect([TransactionId(id)])
                place.settle(900, [(id, int(Code.DUPLICATE))], lambda _: None)
                store.sync()
                assert (await future)[0].height == height
        store.close()


def transactions(store: BlockStore, height: int) -> list[tuple[bytes, int]]:
    """(id, code) of a height."""
    return list(store._form.transactions_of(store.outcome(height) or b""))
