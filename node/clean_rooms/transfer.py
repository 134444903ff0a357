"""Sealed chunks on their way between a person and the nodes: sealed as they go, never held as a
whole, and begun again where they broke off (ROOMS §3).

Owns the order: chunks first, their list last, to every node, so that each can get what it lacks
from the others. Nodes are believed in nothing: a chunk has its name, a list its root.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import DIGEST_SIZE, Digest
from strongroom.enclave.outside.chunks import (
    CHUNK_SEALED_BYTES_MAX,
    ChunkChanged,
    ChunkOpener,
    ChunkSealer,
    DataPlace,
    check_chunk,
    check_names,
    chunk_name,
    chunks_root,
)
from strongroom.enclave.primitives import Secret
from strongroom.node.rpc.blobs import LIST_BYTES_MAX

CHUNKS_AT_ONCE = 16
"""Sealed and asked for together: so many MiB are held."""
TRIES = 5
_PAUSE_SECONDS = 0.5
Progress = Callable[[int], None]
"""Told bytes of the file that have arrived."""


class NotStored(ClientFault):
    """No node takes the chunks, or none gives them."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies at the nodes, as the ledger is to know it."""

    root: Digest
    chunks: int
    size: int
    """Sealed bytes."""

    @property
    def size_class(self) -> int:
        """The power of two that the sealed bytes do not exceed."""
        return (self.size - 1).bit_length()


class NodeDoors:
    """The front doors of a service's nodes, for chunks."""

    def __init__(self, http: aiohttp.ClientSession, endpoints: Sequence[str], ssl: Any) -> None:
        self._http, self._endpoints, self._ssl = http, list(endpoints), ssl

    async def store(
        self,
        parts: Iterable[bytes],
        key: Secret,
        place: DataPlace,
        *,
        first: int = 0,
        before: Sequence[bytes] = (),
        progress: Progress = lambda _: None,
    ) -> Stored:
        """Seal a stream and bring it to the nodes; what they have already is not sent again.

        Args:
            parts: of the stream, of any size.
            key: of this version.
            place: where the chunks belong.
            first: index of the first chunk, when others under this key come before.
            before: names of those.
            progress: told how far it is.

        Raises:
            NotStored: no node takes them.
        """
        sealer, names, waiting = ChunkSealer(key, place, first), list(before), list[bytes]()
        size = done = 0
        for part in parts:
            for sealed in sealer.feed(part):
                waiting.append(sealed)
                if len(waiting) == CHUNKS_AT_ONCE:
                    size += await self._send(waiting, names)
            done += len(part)
            progress(done)
        waiting.append(sealer.finish())
        size += await self._send(waiting, names)
        root = chunks_root(names)
        await self._send_list(root, names)
        return Stored(root, len(names), size)

    async def names(self, root: bytes, count: int) -> list[bytes]:
        """The names under a root.

        Raises:
            NotStored: no node has them.
        """
        for endpoint in self._endpoints:
            data = await self._got(f"{endpoint}/blobs/{root.hex()}", LIST_BYTES_MAX)
            if data is None:
                continue
            names = [data[at : at + DIGEST_SIZE] for at in range(0, len(data), DIGEST_SIZE)]
            try:
                check_names(names, root, count)
            except ChunkChanged:
                continue
            return names
        raise NotStored("no node has the list of these chunks: wait, or ask their owner")

    async def read(
        self, names: Sequence[bytes], key: Secret, place: DataPlace, first: int = 0
    ) -> AsyncIterator[bytes]:
        """The stream that was sealed, part by part.

        Raises:
            NotStored: no node gives a chunk.
            ChunkChanged: the key is another's, or the place.
        """
        opener = ChunkOpener(key, place, first)
        for at, name in enumerate(names):
            yield opener.open(await self._chunk(name), last=at == len(names) - 1)

    async def _chunk(self, name: bytes) -> bytes:
        for endpoint in self._endpoints:
            sealed = await self._got(f"{endpoint}/blob/{name.hex()}", CHUNK_SEALED_BYTES_MAX)
            if sealed is None:
                continue
            try:
                check_chunk(sealed, name)
            except ChunkChanged:
                continue
            return sealed
        raise NotStored("no node gives one of the chunks: wait until nodes are back, then again")

    async def _send(self, waiting: list[bytes], names: list[bytes]) -> int:
        """Bring chunks to a node that takes them; their sealed bytes."""
        named = {chunk_name(sealed): sealed for sealed in waiting}
        names += named
        size = sum(map(len, waiting))
        waiting.clear()
        reasons: list[str] = []
        for _ in range(TRIES):
            for endpoint in self._endpoints:
                try:
                    await self._send_to(endpoint, named)
                    return size
                except (aiohttp.ClientError, TimeoutError, NotStored) as fault:
                    reasons.append(f"{endpoint}: {fault}")
            await asyncio.sleep(_PAUSE_SECONDS)
        raise NotStored("no node takes the chunks: " + "; ".join(dict.fromkeys(reasons)))

    async def _send_to(self, endpoint: str, named: dict[bytes, bytes]) -> None:
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "blob_missing",
            "params": [[name.hex() for name in named]],
        }
        async with self._http.post(f"{endpoint}/rpc", json=body, ssl=self._ssl) as reply:
            answer = await reply.json()
        if "result" not in answer:
            raise NotStored(str(answer.get("error", {}).get("message", "no answer")))
        for text in answer["result"]:
            name = bytes.fromhex(text)
            await self._put(f"{endpoint}/blob/{text}", named[name])

    async def _put(self, url: str, data: bytes) -> None:
        async with self._http.put(url, data=BytesIO(data), ssl=self._ssl) as reply:
            if reply.status != 204:
                raise NotStored(f"{reply.status} {(await reply.text())[:200]}")

    async def _send_list(self, root: bytes, names: Sequence[bytes]) -> None:
        """To every node: at least one takes it."""
        data, taken, reasons = b"".join(names), 0, []
        for endpoint in self._endpoints:
            try:
                await self._put(f"{endpoint}/blobs/{root.hex()}", data)
                taken += 1
            except (aiohttp.ClientError, TimeoutError, NotStored) as fault:
                reasons.append(f"{endpoint}: {fault}")
        if not taken:
            raise NotStored("no node takes the list of chunks: " + "; ".join(reasons))

    async def _got(self, url: str, bytes_max: int) -> bytes | None:
        """What a node serves there; None: nothing, or too much."""
        try:
            async with self._http.get(url, ssl=self._ssl) as reply:
                if reply.status != 200:
                    return None
                data = await reply.content.read(bytes_max + 1)
                while len(data) <= bytes_max and (more := await reply.content.read(bytes_max)):
                    data += more
        except (aiohttp.ClientError, TimeoutError):
            return None
        return data if len(data) <= bytes_max else None
