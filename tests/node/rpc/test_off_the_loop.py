"""No method of the ledger reads or describes a block on the event loop: counted in bytes and rows,
over a real ledger, for each method and topic (T70)."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.node.client.test_commands import PAY, shell
from tests.node.explorer.files import write_ledger
from tests.node.rpc.fake import Door, opened
from tests.node.rpc.test_openrpc import filled

from strongroom.consensus.types import TransactionId
from strongroom.node.api import documents
from strongroom.node.api.ledger import LedgerDesk
from strongroom.node.api.places import PlaceDesk
from strongroom.node.api.receipts import ReceiptDesk
from strongroom.node.explorer.ledger_replay import read_ledger
from strongroom.node.explorer.ledger_store import FileStore
from strongroom.node.ledger.segments import Kind
from strongroom.node.mempool.waiters import Waiters
from strongroom.node.rpc import slices
from strongroom.node.rpc.backend import Step
from strongroom.node.rpc.feed import TOPICS
from strongroom.node.rpc.methods import METHODS
from strongroom.node.rpc.results import EXAMPLES

READS = sorted(name for name in METHODS if name.startswith("ledger_") and "submit" not in name)
SEALED = {"ledger_query", "ledger_subscribe", "ledger_unsubscribe"}


@dataclass
class Audit:
    """What was read and described, on the loop and beside it."""

    loop: int = field(default_factory=threading.get_ident)
    on_loop: list[str] = field(default_factory=list)
    beside: int = 0
    outcomes: int = 0
    """That were read."""
    rows_most: int = 0
    """In one call of a thread."""

    def note(self, what: str) -> None:
        if threading.get_ident() == self.loop:
            self.on_loop.append(what)
        else:
            self.beside += 1


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> Audit:
    """From here on, every record that is read, and every row that is described, is counted."""
    found = Audit()
    read, describe, page = FileStore._read, documents.envelope_document, slices._page

    def counted_read(self: FileStore, kind: Kind, height: int) -> bytes | None:
        data = read(self, kind, height)
        found.note(f"{len(data or b'')} bytes of {kind.name} {height}")
        found.outcomes += kind == Kind.OUTCOME
        return data

    def counted_row(envelope: bytes) -> Any:
        found.note(f"a row of {len(envelope)} bytes")
        return describe(envelope)

    def counted_page(*given: Any) -> Any:
        count, piece = page(*given)
        found.rows_most = max(found.rows_most, count)
        return count, piece

    monkeypatch.setattr(FileStore, "_read", counted_read)
    monkeypatch.setattr(documents, "envelope_document", counted_row)
    monkeypatch.setattr("strongroom.node.api.ledger.envelope_document", counted_row)
    monkeypatch.setattr(slices, "_page", counted_page)
    return found


@asynccontextmanager
async def of_files(folder: Path, door: Door, audit: Audit) -> AsyncIterator[bytes]:
    """The door tells of a ledger as a node has one; the id of a transaction in it."""
    async with shell(folder) as run:
        paid = bytes.fromhex((await run.json(*PAY))["id"])
        await run.json(*PAY)
        ledger = read_ledger(write_ledger(folder / "n0", run.service))
    store: Any = ledger.store
    index = {id: store.find_transaction(id) for id in (paid, bytes(32))}
    store.finding = lambda id, _told=None: index[id]
    backend: Any = door.backend
    backend.height = ledger.store.newest_block
    desk = LedgerDesk(ledger)
    for name in (
        "transaction_reading",
        "status_reading",
        "block_reading",
        "rows_reading",
        "head_reading",
        "header_reading",
        "consistency",
    ):
        setattr(backend, name, getattr(desk, name))
    backend.receipt_steps = ReceiptDesk(ledger).steps
    audit.on_loop.clear()
    yield paid


async def test_T70_no_call_reads_or_describes_a_block_on_the_event_loop(
    tmp_path: Path, audit: Audit
) -> None:
    async with opened() as door, of_files(tmp_path, door, audit) as paid:
        for name in set(READS) - SEALED:
            beside = audit.beside
            params = {key: filled(value) for key, value in EXAMPLES.get(name, {}).items()}
            if "id" in params:
                params["id"] = paid.hex()
            reply = await door.call(name, params)
            assert "result" in reply, (name, reply)
            assert audit.on_loop == [], name
            if name not in ("ledger_search", "ledger_consistency"):
                assert audit.beside > beside, name  # it was counted
        assert (await door.call("ledger_block", [2]))["result"]["transactions"]
        assert audit.on_loop == []


async def test_T70_no_event_is_read_or_described_on_the_event_loop(
    tmp_path: Path, audit: Audit
) -> None:
    async with opened() as door, of_files(tmp_path, door, audit), door.websocket() as socket:
        for id, topic in enumerate(TOPICS):
            await socket.send_json(
                {"jsonrpc": "2.0", "id": id, "method": "ledger_subscribe", "params": [topic, 1]}
            )
        told: set[str] = set()
        while told < {"blocks", "transactions", "heads"}:
            message = await socket.receive_json()
            told |= {message["params"]["topic"]} if "params" in message else set()
        assert audit.on_loop == []
        assert 0 < audit.rows_most <= slices.SLICE_ROWS


async def test_T70_a_submission_that_waits_for_its_receipt_reads_none_on_the_event_loop(
    tmp_path: Path, audit: Audit
) -> None:
    async with opened() as door, of_files(tmp_path, door, audit) as paid:
        backend: Any = door.backend
        steps: Callable[[Any], Any] = backend.receipt_steps
        backend.receipt_steps = lambda _: steps(paid)
        reply = await door.call("ledger_submit", {"envelope": "c2VhbGVk", "wait": "receipt"})
        assert reply["result"]["receipt"]["id"] == paid.hex()
        assert audit.on_loop == []
        assert audit.beside > 0


async def test_receipts_of_one_block_decode_its_outcome_once(tmp_path: Path, audit: Audit) -> None:
    async with opened() as door, of_files(tmp_path, door, audit) as paid:
        first = await door.call("ledger_receipt", [paid.hex()])
        outcomes = audit.outcomes
        again = await asyncio.gather(*(door.call("ledger_receipt", [paid.hex()]) for _ in range(8)))
        assert all(one == first for one in again)
        assert audit.outcomes == outcomes


async def test_T70_a_cold_outcome_is_read_and_hashed_among_those_who_read_in_bulk(
    tmp_path: Path, audit: Audit
) -> None:
    async with opened() as door, of_files(tmp_path, door, audit) as paid:
        backend: Any = door.backend
        cold = [step.long for step in _until_found(backend.receipt_steps(paid))]
        warm = [step.long for step in _until_found(backend.receipt_steps(paid))]
        assert (cold[:2], any(cold[2:]), any(warm)) == ([True, True], False, False)
        assert len(cold) == len(warm) + 2


async def test_an_outcome_stays_with_its_receipt_however_many_others_are_read_meanwhile(
    tmp_path: Path, audit: Audit
) -> None:
    async with opened() as door, of_files(tmp_path, door, audit) as paid:
        backend: Any = door.backend
        steps = backend.receipt_steps(paid)
        next(steps).run()
        backend.receipt_steps.__self__._outcomes.clear()
        outcomes = audit.outcomes
        assert len(_until_found(steps)) >= 2
        assert audit.outcomes == outcomes


def _until_found(steps: Iterator[Step]) -> list[Step]:
    taken = []
    for step in steps:
        taken.append(step)
        if step.run() is not None:
            return taken
    raise AssertionError("no receipt")


async def test_T31_what_is_sent_again_is_looked_up_beside_the_event_loop_and_decoded_once(
    tmp_path: Path, audit: Audit
) -> None:
    async with opened() as door, of_files(tmp_path, door, audit) as paid:
        store = door.backend.receipt_steps.__self__._store  # type: ignore[attr-defined]
        waiters, id = Waiters(PlaceDesk(store).find), TransactionId(paid)
        outcomes = audit.outcomes
        for height in (900, 901, 902):
            futures = [waiters.expect([id]) for _ in range(4)]
            waiters.settle(height, [(paid, 1)], lambda _: None)
            for future in futures:
                (place,) = await future
                assert (place.id, place.code) == (paid, 0)
                assert place.height < 900
                assert place.result
        assert audit.on_loop == []
        assert audit.outcomes == outcomes + 1
