"""The synchronous twin: the same answers, without `await`."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import person
from tests.node.client.ledger import running

from strongroom.node.client import Client, ProgramFailed, SyncClient, Unreachable

ALICE, BOB = person("alice"), person("bob")
FUNDS = 1_000


async def _in_a_thread(directory: Path, work: Any) -> Any:
    async with running(directory) as service:
        service.fund(ALICE, FUNDS)
        return await asyncio.to_thread(work, directory)


async def test_call_query_receipt_submit_and_blocks(tmp_path: Path) -> None:
    def work(directory: Path) -> None:
        with SyncClient.connect(directory, "alice") as client:
            done = client.call("payments.transfer", to="bob", amount=5)
            assert done.result == {"balance": FUNDS - 5}
            assert (done.height, done.index) == (2, 0)
            assert done.receipt().leaf.id == done.id == client.receipt(done.id).leaf.id
            assert client.query("payments.balance").value == FUNDS - 5
            assert len(client.submit("payments.transfer", to=BOB.id, amount=1)) == 32
            assert client.request("node_status")["state"] == "voting"
            blocks = client.blocks(after=0)
            assert [next(blocks)["height"] for _ in range(3)] == [1, 2, 3]
            blocks.close()  # type: ignore[attr-defined]

    await _in_a_thread(tmp_path, work)


async def test_many_calls_are_pipelined_with_errors_as_values(tmp_path: Path) -> None:
    def work(directory: Path) -> None:
        with SyncClient.connect(directory, "alice") as client:
            many = ({"to": BOB.id, "amount": amount} for amount in (1, FUNDS, 2))
            first, second, third = client.call_many("payments.transfer", many)
            assert isinstance(second, ProgramFailed)
            assert [one.result["balance"] for one in (first, third)] == [FUNDS - 1, FUNDS - 3]  # type: ignore[union-attr]

    await _in_a_thread(tmp_path, work)


async def test_errors_come_as_they_are(tmp_path: Path) -> None:
    def work(directory: Path) -> None:
        with SyncClient.connect(directory, "alice") as client:
            with pytest.raises(ProgramFailed) as caught:
                client.call("payments.transfer", to="bob", amount=FUNDS + 1)
            assert caught.value.code == "insufficient"

    await _in_a_thread(tmp_path, work)


async def test_a_client_that_cannot_connect_ends_its_thread(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        for index in range(4):
            await service.stop(index)

    def work() -> None:
        with pytest.raises(Unreachable), SyncClient.connect(tmp_path, "alice", timeout=0.3):
            pass

    await asyncio.to_thread(work)


def test_its_methods_are_those_of_the_client() -> None:
    asynchronous = {
        "call_texts",
        "query_texts",
        "submit_texts",
        "submit_call",
        "epoch",
        "height",
        "node",
    }
    asynchronous |= {"service", "identity", "timeout"}
    public = {name for name in dir(Client) if not name.startswith("_")}
    assert (
        public - asynchronous - {name for name in dir(SyncClient) if not name.startswith("_")}
        == set()
    )
