"""Whoever waits for a receipt has it when it can be made: no look is missed, none is made without
a reason, and no wait has no end."""

import asyncio
from collections.abc import Iterator
from hashlib import sha256

import pytest
from tests.node.rpc.fake import FakeBackend, opened

from strongroom.consensus.types import TransactionId
from strongroom.node.faults import NotYet
from strongroom.node.rpc.backend import Step

ID = sha256(b"an envelope").hexdigest()


class Looks:
    """Counts looks for receipts; `meanwhile` comes with so many blocks while one is looked for."""

    def __init__(self, backend: FakeBackend) -> None:
        self.made, self.meanwhile = 0, 0
        self._backend, self._steps = backend, backend.receipt_steps
        backend.receipt_steps = self.steps  # type: ignore[method-assign]

    def steps(self, id: TransactionId) -> Iterator[Step]:
        self.made += 1
        try:
            yield from self._steps(id)
        except NotYet:
            self._backend.grow(self.meanwhile)
            self.meanwhile = 0
            raise


async def test_it_comes_when_it_can_be_made_and_is_looked_for_when_more_can_be() -> None:
    async with opened() as door:
        backend, looks = door.backend, Looks(door.backend)
        backend.receipt_from = backend.height + 3
        asking = asyncio.create_task(door.call("ledger_receipt", {"id": ID, "wait": "receipt"}))
        for made in (1, 2, 3):
            while looks.made < made:
                await asyncio.sleep(0)
            backend.grow()
        assert (await asking)["result"]["id"] == ID
        assert looks.made <= 4


async def test_what_comes_while_one_looks_is_not_missed() -> None:
    async with opened() as door:
        backend, looks = door.backend, Looks(door.backend)
        backend.receipt_from, looks.meanwhile = backend.height + 1, 1
        reply = await door.call("ledger_receipt", {"id": ID, "wait": "receipt"})
        assert reply["result"]["id"] == ID


async def test_who_does_not_wait_hears_at_once_that_there_is_none() -> None:
    async with opened() as door:
        backend, looks = door.backend, Looks(door.backend)
        backend.receipt_from = backend.height + 1
        reply = await door.call("ledger_receipt", [ID])
        assert (reply["error"]["code"], looks.made) == (NotYet.code, 1)


async def test_T70_a_wait_for_what_does_not_come_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.node.rpc.methods.WAIT_SECONDS_MAX", 0.01)
    async with opened() as door:
        backend, looks = door.backend, Looks(door.backend)
        backend.receipt_from = backend.height + 1
        reply = await door.call("ledger_receipt", [ID, "receipt"])
        assert (reply["error"]["code"], looks.made) == (NotYet.code, 1)
