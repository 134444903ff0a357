"""A worker's host between it and the nodes: who lies or is away is passed over, and a worker is
carried nothing but chunks (T64, T67)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from tests.node.client.ledger import certificates
from tests.node.rpc.fake import opened

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.outside.chunks import CHUNK_SEALED_BYTES_MAX, chunks_root
from strongroom.node.chunks.store import ChunkStore
from strongroom.node.clean_rooms.transfer import NotStored
from strongroom.node.client.identities import KeyFolder
from strongroom.node.client.trust.service import Service
from strongroom.node.rooms.chunks import ChunkCarrier

AWAY = "http://127.0.0.1:1"
SEALED = b"a sealed chunk" * 100
NAME = sha256(SEALED).digest()
ROOT = chunks_root([NAME])


@asynccontextmanager
async def carried(tmp_path: Path) -> AsyncIterator[tuple[ChunkCarrier, list[ChunkStore]]]:
    """A host, of a service of a node that is away and of two that keep chunks."""
    (tmp_path / "ca.pem").write_bytes(certificates()[0].certificate)
    async with AsyncExitStack() as stack:
        stores = [ChunkStore(tmp_path / name) for name in ("n0", "n1")]
        doors = [await stack.enter_async_context(opened(chunks=store)) for store in stores]
        service = Service(
            pin="",
            chain=ChainId(bytes(32)),
            endpoints=(AWAY, *(door.url for door in doors)),
            ca=tmp_path / "ca.pem",
            keys=KeyFolder(tmp_path),
        )
        yield await stack.enter_async_context(ChunkCarrier(service)), stores


async def test_a_result_goes_to_a_node_and_its_list_to_every_one(tmp_path: Path) -> None:
    async with carried(tmp_path) as (host, stores):
        await host.ask("put_chunk", {"name": NAME, "sealed": SEALED})
        await host.ask("put_names", {"root": ROOT, "names": NAME})
        assert stores[0].get(NAME) == SEALED
        assert [store.names(ROOT) for store in stores[:1]] == [(NAME,)]
        assert await host.ask("chunk", {"name": NAME}) == SEALED
        assert await host.ask("chunk_names", {"root": ROOT}) == NAME


async def test_T64_a_node_that_gives_something_else_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with carried(tmp_path) as (host, stores):
        for store in stores:
            store.put(NAME, SEALED, 0.0)
            store.put_names(ROOT, (NAME,), 0.0)
        monkeypatch.setattr(stores[0], "get", lambda _: b"lie")
        monkeypatch.setattr(stores[0], "names", lambda _: (bytes(32),))
        assert await host.ask("chunk", {"name": NAME}) == SEALED
        assert await host.ask("chunk_names", {"root": ROOT}) == NAME


async def test_what_nobody_has_or_takes_is_said(tmp_path: Path) -> None:
    async with carried(tmp_path) as (host, _):
        with pytest.raises(NotStored):
            await host.ask("chunk", {"name": bytes(32)})
        with pytest.raises(NotStored):
            await host.ask("put_chunk", {"name": bytes(32), "sealed": SEALED})
        with pytest.raises(NotStored):
            await host.ask("put_names", {"root": ROOT, "names": bytes(32)})


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("chunk", {}),
        ("chunk", {"name": "../../etc/passwd"}),
        ("chunk", {"name": bytes(33)}),
        ("put_chunk", {"name": NAME, "sealed": bytes(CHUNK_SEALED_BYTES_MAX + 1)}),
        ("put_names", {"root": ROOT, "names": b""}),
    ],
)
async def test_T67_a_worker_is_carried_nothing_but_chunks(
    tmp_path: Path, method: str, params: dict[str, object]
) -> None:
    async with carried(tmp_path) as (host, _):
        with pytest.raises(ClientFault, match=r"bytes$"):
            await host.ask(method, params)
