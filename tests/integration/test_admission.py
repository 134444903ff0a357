"""Nobody fills the ledger: real nodes, a stranger, a fresh key, and an organisation that wants
everything."""

import asyncio
import os
import shutil
import threading
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.hang import HANG_SECONDS

from strongroom.consensus import codec
from strongroom.enclave.formats.size_classes import OPENING_MESSAGES
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.primitives import Secret
from strongroom.node import tls
from strongroom.node.client import Client
from strongroom.node.client.bringing import bring
from strongroom.node.client.errors import TransactionRefused
from strongroom.node.cluster.cluster import Cluster, end_all
from strongroom.node.cluster.creation import create
from strongroom.node.cluster.plan import BRINGER, Plan
from strongroom.node.config import dumps
from strongroom.node.credentials import Credential
from strongroom.node.organisations import Organisation, Quota
from strongroom.node.rpc import probe

pytestmark = pytest.mark.processes

PAYMENTS, PAYMENTS_MAX = 40, 5_000
"""How many are paid beside a flood at least; and until what is refused must have been counted."""
OVERLOADED = -32005
JUNK_POSTS = 40
GREEDY, MODEST = Credential.fresh(), Credential.fresh()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Cluster]:
    """Four nodes that know two organisations beside the folder's own."""
    cluster = await create(folder, Plan(base_port=0), say=lambda _: None)
    further = (
        Organisation(name="greedy", digest=GREEDY.digest, quota=Quota(refusals_per_second=1)),
        Organisation(name="modest", digest=MODEST.digest),
    )
    for node in cluster.nodes:
        config = node.config()
        door = replace(config.door, organisations=config.door.organisations + further)
        node.layout.config.write_text(dumps(replace(config, door=door), base=node.layout.directory))
    try:
        await cluster.start(lambda _: None)
        await cluster.wait_quorum(lambda _: None, seconds=HANG_SECONDS)
        yield cluster
    finally:
        await end_all(cluster.nodes)


def as_organisation(cluster: Cluster, folder: Path, credential: Credential) -> Path:
    """A folder from which an organisation's clients start: the service, and its own credential."""
    folder.mkdir()
    shutil.copy(cluster.layout.service, folder / "service.json")
    credential.save(folder / "credential")
    return folder


def ordered(cluster: Cluster) -> set[str]:
    """Ids of the transactions on the ledger, as the node that was asked to take the junk has
    executed them."""
    node = cluster.nodes[0]
    ask = partial(probe.ask, node.config().rpc, tls.client_context(node.layout.tls_certificate))
    height = int(ask("node_status", seconds=HANG_SECONDS)["executed"])
    blocks: list[Any] = []
    for start in range(1, height + 1, 100):
        blocks += ask("ledger_blocks", start, min(start + 99, height), seconds=HANG_SECONDS)
    return {one["id"] for block in blocks for one in block["transactions"]}


def junk_from_a_stranger(cluster: Cluster, answers: list[str], ids: set[str]) -> None:
    """Random bytes, without a credential, over and over."""
    node = cluster.nodes[0]
    context = tls.client_context(cluster.service().ca)
    for _ in range(JUNK_POSTS):
        junk = [os.urandom(2_000) for _ in range(500)]
        ids.update(sha256(one).hexdigest() for one in junk)
        envelopes = [b64encode(one).decode() for one in junk]
        try:
            probe.ask(
                node.config().rpc, context, "ledger_submit_many", envelopes, seconds=HANG_SECONDS
            )
            answers.append("taken")
        except probe.NoAnswer as refused:
            answers.append(str(refused))


async def flood(cluster: Cluster, stop: asyncio.Event, codes: list[int]) -> None:
    """Well formed openings that do not open, as fast as one node answers; 0 or an error's code of
    each."""
    context = tls.client_context(cluster.service().ca)
    url = f"https://{cluster.nodes[0].config().rpc}/rpc"
    async with aiohttp.ClientSession(headers=GREEDY.header) as http:
        while not stop.is_set():
            many = [codec.encode((1, 2, 0, os.urandom(min(OPENING_MESSAGES)))) for _ in range(200)]
            params = [[b64encode(one).decode() for one in many]]
            body = {"jsonrpc": "2.0", "id": 1, "method": "ledger_submit_many", "params": params}
            async with http.post(url, json=body, ssl=context) as response:
                reply = await response.json()
            codes.append(reply.get("error", {}).get("code", 0))


async def test_neither_a_stranger_nor_a_fresh_key_nor_a_greedy_organisation_fills_the_ledger(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "cluster") as cluster:
        folder = cluster.layout.directory
        payer = Identity.from_seed(Secret.fresh())
        await bring(folder, [payer.id], member=BRINGER)
        async with Client.connect(folder, BRINGER) as issuer:
            await issuer.call("payments.issue", to=f"id:{payer.id.hex()}", amount=1_000)

        answers: list[str] = []
        junk: set[str] = set()
        threads = [
            threading.Thread(target=junk_from_a_stranger, args=(cluster, answers, junk))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))
        assert len(answers) == 2 * JUNK_POSTS
        assert all("credential" in answer for answer in answers)
        assert not ordered(cluster) & junk

        async with Client.connect(folder, Identity.from_seed(Secret.fresh())) as stranger:
            with pytest.raises(TransactionRefused) as refused:
                await stranger.call("payments.open", account="mine")
            assert refused.value.reason == "not admitted"

        stop, codes = asyncio.Event(), []  # type: asyncio.Event, list[int]
        flooding = asyncio.create_task(flood(cluster, stop, codes))
        modest = as_organisation(cluster, tmp_path / "modest", MODEST)
        try:
            async with Client.connect(modest, payer, first_endpoint=0) as client:
                paid = 0
                while paid < PAYMENTS or OVERLOADED not in codes:
                    await client.call("payments.transfer", to="id:" + bytes(32).hex(), amount=1)
                    paid += 1
                    assert paid < PAYMENTS_MAX, "what execution refuses costs its organisation"
        finally:
            stop.set()
            await flooding
