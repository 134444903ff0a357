"""Chunks at the front door: by name, bounded, and what is refused says why (T67)."""

import asyncio
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pytest
from aiohttp import web
from tests.node.rpc.fake import OPEN, Door, opened

from strongroom.enclave.outside.chunks import CHUNK_SEALED_BYTES_MAX, chunk_name, chunks_root
from strongroom.node.chunks.store import ChunkStore
from strongroom.node.organisations import DoorPolicy
from strongroom.node.rpc.blobs import BLOBS_AT_ONCE_MAX

CHUNKS = [bytes([at]) * 2_000 for at in range(3)]
NAMES = [chunk_name(one) for one in CHUNKS]
ROOT = bytes(chunks_root(NAMES)).hex()


async def put(door: Door, path: str, data: bytes) -> tuple[int, str]:
    async with door.http.put(f"{door.url}{path}", data=BytesIO(data)) as reply:
        return reply.status, await reply.text()


async def got(door: Door, path: str) -> tuple[int, bytes]:
    async with door.http.get(f"{door.url}{path}") as reply:
        return reply.status, await reply.read()


async def test_chunks_come_and_go_by_name_and_lists_by_root(tmp_path: Path) -> None:
    async with opened(chunks=ChunkStore(tmp_path)) as door:
        asked = {"names": [name.hex() for name in NAMES]}
        assert (await door.call("blob_missing", asked))["result"] == asked["names"]
        for name, chunk in zip(NAMES, CHUNKS, strict=True):
            assert (await put(door, f"/blob/{name.hex()}", chunk))[0] == 204
            assert await got(door, f"/blob/{name.hex()}") == (200, chunk)
        assert (await door.call("blob_missing", asked))["result"] == []
        assert (await put(door, f"/blobs/{ROOT}", b"".join(NAMES)))[0] == 204
        assert await got(door, f"/blobs/{ROOT}") == (200, b"".join(NAMES))


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        (f"/blob/{NAMES[0].hex()}", CHUNKS[1], 422),
        (f"/blob/{NAMES[0].hex()}", b"", 422),
        (f"/blob/{NAMES[0].hex()}", bytes(CHUNK_SEALED_BYTES_MAX + 1), 413),
        ("/blob/short", CHUNKS[0], 422),
        (f"/blob/{NAMES[0].hex().upper()}", CHUNKS[0], 422),
        (f"/blobs/{ROOT}", NAMES[0], 422),
        (f"/blobs/{ROOT}", b"", 422),
        (f"/blobs/{ROOT}", b"x" * 33, 422),
    ],
)
async def test_what_is_no_chunk_of_that_name_is_refused_in_words(
    tmp_path: Path, path: str, data: bytes, status: int
) -> None:
    async with opened(chunks=ChunkStore(tmp_path)) as door:
        answered, words = await put(door, path, data)
        assert answered == status
        assert len(words) > 10
        assert (await got(door, path))[0] in (404, 422)


async def test_a_body_without_a_length_is_bounded_too() -> None:
    async def endless() -> object:
        for _ in range(100):
            yield bytes(65_536)

    path, slow = f"/blob/{NAMES[0].hex()}", Slow()
    async with (
        opened(chunks=slow) as door,
        door.http.put(f"{door.url}{path}", data=endless()) as reply,
    ):
        assert reply.status == 413
    assert slow.taken == [], "it is not even gathered"


async def test_who_may_not_submit_may_not_bring_chunks(tmp_path: Path) -> None:
    async with opened(policy=DoorPolicy(open=False), chunks=ChunkStore(tmp_path)) as door:
        status, words = await put(door, f"/blob/{NAMES[0].hex()}", CHUNKS[0])
        assert (status, "credential" in words) == (401, True)
        assert (await got(door, f"/blob/{NAMES[0].hex()}"))[0] == 404


async def test_a_node_without_a_store_says_so() -> None:
    async with opened(policy=OPEN) as door:
        assert (await door.call("blob_missing", {"names": []}))["error"]["code"] == -32007
        assert (await put(door, f"/blob/{NAMES[0].hex()}", CHUNKS[0]))[0] == 404


class Slow:
    """A store that answers once it is told to."""

    def __init__(self) -> None:
        self.under_way, self.go = 0, asyncio.Event()
        self.taken: list[int] = []
        self.loop = asyncio.get_running_loop()

    def get(self, name: bytes) -> bytes:
        self.under_way += 1
        asyncio.run_coroutine_threadsafe(self.go.wait(), self.loop).result()
        return name

    def missing(self, names: Sequence[bytes]) -> list[bytes]:
        return list(names)

    def put(self, name: bytes, sealed: bytes, now: float, by: str) -> None:
        self.taken.append(len(sealed))

    def names(self, root: bytes) -> tuple[bytes, ...]:
        return ()

    def put_names(self, root: bytes, names: Sequence[bytes], now: float, by: str) -> None: ...


async def test_so_many_at_a_time_and_the_next_is_told_to_come_again() -> None:
    slow = Slow()
    async with opened(chunks=slow) as door:
        path = f"/blob/{NAMES[0].hex()}"
        waiting = [asyncio.create_task(got(door, path)) for _ in range(BLOBS_AT_ONCE_MAX // 2)]
        status = 0
        while status != 503:  # until all the others have come in
            extra = asyncio.create_task(got(door, path))
            done, _ = await asyncio.wait([extra], timeout=0.05)
            if done:
                status = extra.result()[0]
            else:
                waiting.append(extra)
        slow.go.set()
        answers = await asyncio.gather(*waiting)
        assert {answer[0] for answer in answers} <= {200, 503}
        assert sum(answer[0] == 200 for answer in answers) == BLOBS_AT_ONCE_MAX // 2
        assert (await got(door, path))[0] == 200


async def test_T67_an_answer_counts_until_its_last_byte_is_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So memory is bounded by what is under way, and not by how many connections there are."""
    store, read, write = ChunkStore(tmp_path), asyncio.Event(), web.StreamResponse.write

    async def until_read(self: web.StreamResponse, data: bytes) -> None:
        await read.wait()  # a peer whose buffers are full
        await write(self, data)

    monkeypatch.setattr(web.StreamResponse, "write", until_read)
    path = f"/blob/{NAMES[0].hex()}"
    store.put(NAMES[0], CHUNKS[0], 1.0)
    async with opened(chunks=store) as door:
        deaf = [asyncio.create_task(got(door, path)) for _ in range(BLOBS_AT_ONCE_MAX // 2)]
        status = 200
        while status != 503:
            extra = asyncio.create_task(got(door, path))
            done, _ = await asyncio.wait([extra], timeout=0.05)
            status = extra.result()[0] if done else status
            deaf += [] if done else [extra]
            assert len(deaf) <= BLOBS_AT_ONCE_MAX
        read.set()
        answers = await asyncio.gather(*deaf)
        assert [one for one in answers if one[0] == 200] == [(200, CHUNKS[0])] * (
            BLOBS_AT_ONCE_MAX // 2
        )
