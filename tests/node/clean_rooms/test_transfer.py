"""Chunks between a person and nodes: nothing is sent twice, nothing is believed (T64, T67)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from tests.node.rpc.fake import Door, opened

from strongroom.consensus.types import ChainId
from strongroom.enclave.outside.chunks import CONTENT_BYTES_MAX, DataPlace
from strongroom.enclave.primitives import Secret
from strongroom.node.chunks.store import ChunkStore
from strongroom.node.clean_rooms.transfer import NodeDoors, NotStored

KEY = Secret(bytes(32))
PLACE = DataPlace(ChainId(bytes(32)), bytes(32), "transfers", 1)
DATA = Random(3).randbytes(3 * CONTENT_BYTES_MAX + 99)


@asynccontextmanager
async def two_nodes(tmp_path: Path) -> AsyncIterator[tuple[list[ChunkStore], list[Door]]]:
    async with AsyncExitStack() as stack:
        stores = [ChunkStore(tmp_path / name) for name in ("n0", "n1")]
        doors = [await stack.enter_async_context(opened(chunks=store)) for store in stores]
        yield stores, doors


def parts(data: bytes, size: int = 700_000) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


async def read(nodes: NodeDoors, root: bytes, count: int) -> bytes:
    names = await nodes.names(root, count)
    return b"".join([part async for part in nodes.read(names, KEY, PLACE)])


async def test_what_is_stored_is_read_again_and_costs_nothing_the_second_time(
    tmp_path: Path,
) -> None:
    async with two_nodes(tmp_path) as (stores, doors):
        nodes = NodeDoors(doors[0].http, [door.url for door in doors], None)
        told: list[int] = []
        stored = await nodes.store(parts(DATA), KEY, PLACE, progress=told.append)
        assert (stored.chunks, told[-1]) == (4, len(DATA))
        assert 2 ** (stored.size_class - 1) < stored.size <= 2**stored.size_class
        assert await read(nodes, stored.root, 4) == DATA
        assert (stores[0].pooled_roots, stores[1].pooled_roots) == ([stored.root],) * 2
        before = stores[0].bytes_pooled
        assert await nodes.store(parts(DATA, 99_999), KEY, PLACE) == stored
        assert stores[0].bytes_pooled == before


async def test_it_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as (_stores, doors):
        nodes = NodeDoors(doors[0].http, [door.url for door in doors], None)
        first = await nodes.store([DATA[:CONTENT_BYTES_MAX]], KEY, PLACE)
        whole = await nodes.store(parts(DATA), KEY, PLACE)
        assert (first.chunks, whole.chunks) == (1, 4)
        assert await read(nodes, whole.root, 4) == DATA


async def test_a_node_that_lies_or_is_away_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_nodes(tmp_path) as (stores, doors):
        urls = ["http://127.0.0.1:1", doors[0].url, doors[1].url]
        nodes = NodeDoors(doors[0].http, urls, None)
        stored = await nodes.store(parts(DATA), KEY, PLACE)
        other = NodeDoors(doors[0].http, [doors[1].url], None)
        await other.store(parts(DATA), KEY, PLACE)
        monkeypatch.setattr(stores[0], "get", lambda _: b"lie")
        monkeypatch.setattr(stores[0], "names", lambda _: (bytes(32),) * 4)
        assert await read(nodes, stored.root, 4) == DATA
        with pytest.raises(NotStored):
            await NodeDoors(doors[0].http, urls[:2], None).names(bytes(32), 4)
        with pytest.raises(NotStored):
            await nodes.names(stored.root, 5)


async def test_no_node_at_all_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.node.clean_rooms.transfer._PAUSE_SECONDS", 0.0)
    async with two_nodes(tmp_path) as (_, doors):
        nodes = NodeDoors(doors[0].http, ["http://127.0.0.1:1"], None)
        with pytest.raises(NotStored, match="no node takes"):
            await nodes.store([b"rows"], KEY, PLACE)
