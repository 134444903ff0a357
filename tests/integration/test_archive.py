"""Archived segments on real processes: every answer as before, starts and newcomers without loss
(T40)."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.hang import HANG_SECONDS
from tests.integration.test_epochs import AT_ONCE, all_until, decide, join, until, votes_in
from tests.integration.test_snapshots import pay

from strongroom.consensus.errors import ReceiptInvalid
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.receipts import verify_receipt
from strongroom.node.archive_settings import ArchiveSettings
from strongroom.node.client import Client
from strongroom.node.client.audit.archive_files import check_archive
from strongroom.node.client.audit.audit import check_ledger, genesis_of
from strongroom.node.client.audit.ledger_files import find_ledger, read_genesis, read_records
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.calls.calls import Done
from strongroom.node.client.trust.service import load_service
from strongroom.node.cluster.cluster import Cluster, open_cluster
from strongroom.node.cluster.creation import create
from strongroom.node.cluster.plan import Plan
from strongroom.node.config import dumps
from strongroom.node.faults import Archived

pytestmark = pytest.mark.processes

SEGMENT_BYTES = 24 * 1024
LIMITS = (*AT_ONCE, ("snapshot_blocks", 8))


@asynccontextmanager
async def archiving(folder: Path, archive: Path) -> AsyncIterator[Cluster]:
    """A fresh cluster with small segments, of which none stays longer than it must."""
    plan = Plan(
        nodes=4, base_port=0, limits=LIMITS, archive=ArchiveSettings(archive, SEGMENT_BYTES)
    )
    cluster = await create(folder, plan, say=lambda _: None)
    for name in cluster.names:
        node = cluster.node(name)
        config = node.config()
        limits = replace(config.limits, segment_bytes_max=SEGMENT_BYTES)
        text = dumps(replace(config, limits=limits), base=node.layout.directory)
        node.layout.config.write_text(text)
    try:
        await cluster.start(lambda _: None)
        await all_until(cluster, votes_in(0))
        yield cluster
    finally:
        await open_cluster(folder).down()


def archived(count: int) -> Callable[[dict[str, object]], bool]:
    def holds(status: dict[str, Any]) -> bool:
        return bool(status["archived"]["segments"] >= count)

    return holds


async def pay_until_archived(cluster: Cluster, folder: Path, count: int) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while True:
            await pay(folder)
            said = [await until(cluster, name, lambda _: True) for name in cluster.names]
            if all(archived(count)(one) for one in said):
                return


async def test_answers_starts_and_newcomers_do_not_miss_what_was_archived(tmp_path: Path) -> None:
    folder, archive = tmp_path / "cluster", tmp_path / "archive"
    async with archiving(folder, archive) as cluster:
        async with Client.connect(folder, identity="member0") as client:
            done = await client.call("payments.issue", to="member0", amount=7)
        await decide(cluster, "rotate", compromised=False)
        await all_until(cluster, votes_in(1))
        await pay_until_archived(cluster, folder, 4)
        await every_node_tells_of(done, cluster)
        await a_start_without_archive_and_index(done, cluster, tmp_path / "unmounted")
        await a_start_without_archive_and_snapshots(cluster, tmp_path / "unmounted")
        await a_newcomer_follows_from_archives(folder, cluster)
    files_prove_it(folder, archive)


async def every_node_tells_of(done: Done, cluster: Cluster) -> None:
    """Place, block and receipt of what was archived first."""
    service = load_service(cluster.layout.directory)
    async with Reader(service) as reader:
        for endpoint in service.endpoints:
            found = await reader.ask_at(endpoint, "ledger_transaction", id=done.id.hex())
            assert (found["status"], found["height"]) == ("final", done.height)
            block = await reader.ask_at(endpoint, "ledger_block", height=1)
            assert block["height"] == 1
            document = await reader.ask_at(endpoint, "ledger_receipt", id=done.id.hex())
            receipt = Receipt.from_json(json.dumps(document).encode())
            assert verify_receipt(receipt, service.pin).id == done.id


async def a_start_without_archive_and_index(done: Done, cluster: Cluster, away: Path) -> None:
    """As after a power loss, the archive's disk not there yet: it votes, and names what it cannot
    give; another node gives it."""
    node = cluster.node("n1")
    settings = node.config().archive
    assert settings is not None
    await node.kill()
    settings.directory.rename(away)
    shutil.rmtree(node.layout.index)
    await node.start()
    await until(cluster, "n1", votes_in(1))
    await until(cluster, "n1", lambda status: "no such folder" in str(status["alarm"]))
    service = load_service(cluster.layout.directory)
    endpoint = f"https://{node.config().rpc}"
    async with Reader(service) as reader:
        with pytest.raises(Archived, match=r"archived in blocks-0+1\.log.*ask another") as told:
            await reader.ask_at(endpoint, "ledger_transaction", id=done.id.hex())
        assert told.value.data["segment"] == "blocks-000000000001.log"
        assert str(settings.directory) not in str(told.value)
        found = await reader.ask("ledger_transaction", id=done.id.hex())
        assert found["height"] == done.height, "of another node"
    away.rename(settings.directory)
    await until(cluster, "n1", lambda status: not status["alarm"])
    await every_node_tells_of(done, cluster)


async def a_start_without_archive_and_snapshots(cluster: Cluster, away: Path) -> None:
    """Its enclave begins at genesis, and what it needs is away: the node runs, says so, and goes on
    once it is back."""
    node = cluster.node("n2")
    settings = node.config().archive
    assert settings is not None
    await node.kill()
    settings.directory.rename(away)
    shutil.rmtree(node.layout.snapshots)
    await node.start()
    await until(cluster, "n2", lambda status: bool(status["alarm"]))
    away.rename(settings.directory)
    await until(cluster, "n2", lambda status: votes_in(1)(status) and not status["alarm"])


async def a_newcomer_follows_from_archives(folder: Path, cluster: Cluster) -> None:
    """All its blocks come from peers, who have them in archives alone."""
    await join(cluster, "n4")
    grown = open_cluster(folder)
    await all_until(grown, lambda status: status["members"] == 5 and status["state"] == "voting")
    newcomer = grown.node("n4")
    settings = newcomer.config().archive
    assert settings is not None
    assert settings.directory.name == "n4"


def files_prove_it(folder: Path, archive: Path) -> None:
    """Offline, of a stopped node: its folder and its archive together, from the pin."""
    pin = load_service(folder).pin
    for name in ("n0", "n1"):
        ledger = find_ledger(folder / name)
        founded = genesis_of(read_genesis(ledger, None), pin)
        checked = check_ledger(founded, read_records(ledger), at_least=1)
        there = check_archive(archive / name, progress=lambda _: None)
        assert 0 < there.last < checked.height
        assert there.segments >= 4
    aside = archive.rename(archive.with_name("aside"))
    with pytest.raises(ReceiptInvalid, match=r"archived in .* cannot be read") as refused:
        list(read_records(find_ledger(folder / "n0")))
    assert refused.value.verdict == "cannot check"
    assert list(read_records(find_ledger(folder / "n0"), aside / "n0"))
