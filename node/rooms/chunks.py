"""What a host carries between its worker and the nodes: names and chunks, of data and of results.

Owns which node is asked. Believes nothing of what it carries, beyond that bytes are those of their
name: what a node gives that is something else, another node is asked for. Everything is bounded.
"""

import asyncio
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import aiohttp

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.outside.chunks import (
    CHUNK_SEALED_BYTES_MAX,
    ChunkChanged,
    check_chunk,
    chunks_root,
)
from strongroom.node import tls
from strongroom.node.clean_rooms.transfer import NotStored
from strongroom.node.client.http import close_session, open_session
from strongroom.node.client.trust.service import Service
from strongroom.node.rpc.blobs import LIST_BYTES_MAX

CHUNK_METHODS: Final = frozenset(("chunk_names", "chunk", "put_chunk", "put_names"))
AT_ONCE_MAX = 16
CARRY_SECONDS = 30.0
"""For one question, all nodes together."""


class ChunkCarrier:
    """One worker's way to chunks, from `open` to `close`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)
        self._ssl = tls.client_context(service.ca)
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "ChunkCarrier":
        """Open the way; connects when it is first needed."""
        timeout = aiohttp.ClientTimeout(total=CARRY_SECONDS)
        self._http = open_session(self._service.credential, timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End every connection."""
        if self._http is not None:
            await close_session(self._http)

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        """Carry one question of the worker's.

        Raises:
            NotStored: no node gives or takes it.
            ClientFault: it is no such question.
        """
        async with self._at_once:
            try:
                async with asyncio.timeout(CARRY_SECONDS):
                    return await self._carried(method, params)
            except TimeoutError:
                raise NotStored(f"no node answers in {CARRY_SECONDS:g} s") from None

    async def _carried(self, method: str, params: dict[str, Any]) -> Any:
        if method == "chunk":
            name = _bytes(params, "name", DIGEST_SIZE)
            return await self._got(
                f"blob/{name.hex()}", CHUNK_SEALED_BYTES_MAX, lambda data: check_chunk(data, name)
            )
        if method == "chunk_names":
            root = _bytes(params, "root", DIGEST_SIZE)
            return await self._got(
                f"blobs/{root.hex()}", LIST_BYTES_MAX, lambda data: _check_list(data, root)
            )
        if method == "put_chunk":
            name = _bytes(params, "name", DIGEST_SIZE)
            sealed = _bytes(params, "sealed", CHUNK_SEALED_BYTES_MAX)
            await self._put(f"blob/{name.hex()}", sealed, every=False)
        else:
            root = _bytes(params, "root", DIGEST_SIZE)
            await self._put(
                f"blobs/{root.hex()}", _bytes(params, "names", LIST_BYTES_MAX), every=True
            )
        return None

    async def _got(self, path: str, bytes_max: int, check: Callable[[bytes], None]) -> bytes:
        """What the first node gives that has it."""
        for endpoint in self._service.endpoints:
            try:
                async with self._session.get(f"{endpoint}/{path}", ssl=self._ssl) as reply:
                    if reply.status != 200:
                        continue
                    data = bytearray()
                    async for part in reply.content.iter_chunked(1 << 16):
                        data += part
                        if len(data) > bytes_max:
                            break
                if len(data) <= bytes_max:
                    check(bytes(data))
                    return bytes(data)
            except (aiohttp.ClientError, TimeoutError, ChunkChanged):
                continue
        raise NotStored("no node gives it")

    async def _put(self, path: str, data: bytes, *, every: bool) -> None:
        """To the first node that takes it, or to every one, of which one must."""
        taken, why = 0, "no node"
        for endpoint in self._service.endpoints:
            try:
                async with self._session.put(
                    f"{endpoint}/{path}", data=BytesIO(data), ssl=self._ssl
                ) as reply:
                    taken += reply.status == 204
                    if reply.status != 204:
                        why = f"{reply.status} {(await reply.text())[:200]}"
            except (aiohttp.ClientError, TimeoutError) as fault:
                why = str(fault)
            if taken and not every:
                return
        if not taken:
            raise NotStored(f"no node takes it: {why}")

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise ClientFault("the way to chunks is closed")
        return self._http


def _bytes(params: dict[str, Any], name: str, bytes_max: int) -> bytes:
    value = params.get(name)
    if type(value) is not bytes or not 0 < len(value) <= bytes_max:
        raise ClientFault(f"no {name}, or more than {bytes_max} bytes")
    return value


def _check_list(data: bytes, root: bytes) -> None:
    names = [data[at : at + DIGEST_SIZE] for at in range(0, len(data), DIGEST_SIZE)]
    if not names or len(data) % DIGEST_SIZE or chunks_root(names) != root:
        raise ChunkChanged("not the list of this root")
