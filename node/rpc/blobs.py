"""Sealed chunks at the front door: `PUT` and `GET /blob/NAME`, lists of names at `/blobs/ROOT`.

Owns how chunks come and go over HTTP, how many at a time (of one caller half of what is free, until
the last byte is out), and which status says what. What is kept,
and for how long, is the store's; what a chunk holds, nobody's here.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from aiohttp import hdrs, web

from strongroom.consensus import codec
from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import DIGEST_SIZE
from strongroom.enclave.outside.chunks import CHUNK_SEALED_BYTES_MAX
from strongroom.node.chunks.shares import Shares
from strongroom.node.faults import NotFound, NotReady, Overloaded, Refused, RpcFault, TooLarge
from strongroom.node.machine.transports import abort
from strongroom.node.rpc.door import ANYONE, Door
from strongroom.node.rpc.limits import RpcLimits

LIST_BYTES_MAX = 2 * 1024 * 1024
"""65,536 names."""
BLOBS_AT_ONCE_MAX = 64
"""Bodies that are held in memory at a time, half of them one caller's; the next is told to come
again."""
_NAME = re.compile(r"[0-9a-f]{64}")
_RETRY = {"Retry-After": "1"}
_TYPE = "application/octet-stream"
_STATUS = {NotFound: 404, Refused: 401, TooLarge: 413, Overloaded: 503, NotReady: 503}
PUT, GET = "blob_put", "blob_get"


class Chunks(Protocol):
    """What the door needs of a store of chunks; its calls block."""

    def missing(self, names: Sequence[bytes]) -> list[bytes]: ...
    def get(self, name: bytes) -> bytes: ...
    def put(self, name: bytes, sealed: bytes, now: float, by: str) -> None: ...
    def names(self, root: bytes) -> tuple[bytes, ...]: ...
    def put_names(self, root: bytes, names: Sequence[bytes], now: float, by: str) -> None: ...


class BlobDoor:
    """The routes of one node's chunks."""

    def __init__(self, chunks: Chunks, limits: RpcLimits, door: Door) -> None:
        self._chunks, self._limits, self._door = chunks, limits, door
        self._under_way = Shares(BLOBS_AT_ONCE_MAX)

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_put("/blob/{name}", self._route(PUT, self._put))
        app.router.add_get("/blob/{name}", self._route(GET, self._get))
        app.router.add_put("/blobs/{name}", self._route(PUT, self._put_names))
        app.router.add_get("/blobs/{name}", self._route(GET, self._get_names))

    def _route(
        self,
        method: str,
        handler: Callable[[web.Request, bytes, str], Awaitable[web.StreamResponse]],
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                who = self._check(request, method)
                return await self._bounded(handler, request, _name_of(request), who)
            except RpcFault as fault:
                status = _STATUS.get(type(fault), 400)
                headers = _RETRY if status == 503 else None
                return web.Response(status=status, text=str(fault), headers=headers)
            except ClientFault as fault:
                return web.Response(status=422, text=str(fault))
            except OSError:
                text = "this node's disk takes no more: ask another node"
                return web.Response(status=507, text=text)

        return handle

    def _check(self, request: web.Request, method: str) -> str:
        """Whose call it is: an organisation's, or an address's."""
        authorization = request.headers.get(hdrs.AUTHORIZATION)
        account = self._door.account_of(authorization)
        self._door.check(method, account, shown=authorization is not None)
        if method == PUT and account is not None:
            account.charge(1, request.content_length or CHUNK_SEALED_BYTES_MAX)
        if account is None or account.name == ANYONE:
            return f"{request.remote} {ANYONE}"
        return account.name

    async def _bounded(
        self,
        handler: Callable[[web.Request, bytes, str], Awaitable[web.StreamResponse]],
        request: web.Request,
        name: bytes,
        who: str,
    ) -> web.StreamResponse:
        if not self._under_way.fits(who, 1):
            raise Overloaded("too many chunks come and go here: try again", retry_after_ms=1000)
        self._under_way.take(who, 1)
        try:
            return await handler(request, name, who)
        finally:
            self._under_way.give_back(who, 1)

    async def _put(self, request: web.Request, name: bytes, who: str) -> web.Response:
        sealed = await self._body(request, CHUNK_SEALED_BYTES_MAX)
        await asyncio.to_thread(self._chunks.put, name, sealed, time.time(), who)
        return web.Response(status=204)

    async def _get(self, request: web.Request, name: bytes, _who: str) -> web.StreamResponse:
        return await self._told(request, await asyncio.to_thread(self._chunks.get, name))

    async def _told(self, request: web.Request, data: bytes) -> web.StreamResponse:
        """An answer whose bytes are held no longer than the peer may take for them."""
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: _TYPE})
        response.content_length = len(data)
        try:
            async with asyncio.timeout(self._limits.write_seconds_max):
                await response.prepare(request)
                await response.write(data)
                await response.write_eof()
        except (TimeoutError, ConnectionError):
            if request.transport is not None:
                abort(request.transport)
        return response

    async def _put_names(self, request: web.Request, root: bytes, who: str) -> web.Response:
        data = await self._body(request, LIST_BYTES_MAX)
        if not data or len(data) % DIGEST_SIZE:
            raise ClientFault(f"names have {DIGEST_SIZE} bytes each")
        names = codec.split(data, DIGEST_SIZE)
        await asyncio.to_thread(self._chunks.put_names, root, names, time.time(), who)
        return web.Response(status=204)

    async def _get_names(self, request: web.Request, root: bytes, _who: str) -> web.StreamResponse:
        names = await asyncio.to_thread(self._chunks.names, root)
        return await self._told(request, b"".join(names))

    async def _body(self, request: web.Request, bytes_max: int) -> bytes:
        """A body of at most so many bytes, that comes in time.

        Raises:
            TooLarge: it is longer.
        """
        if (request.content_length or 0) > bytes_max:
            raise TooLarge(f"at most {bytes_max} bytes")
        data = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds_max):
                async for part in request.content.iter_any():
                    data += part
                    if len(data) > bytes_max:
                        raise TooLarge(f"at most {bytes_max} bytes")
        except TimeoutError:
            raise web.HTTPRequestTimeout(text="the body did not come in time") from None
        return bytes(data)


async def missing(chunks: Chunks | None, names: list[bytes]) -> list[bytes]:
    """`blob_missing`: which of these chunks are not here.

    Raises:
        NotReady: this node keeps none.
    """
    if chunks is None:
        raise NotReady("this node keeps no chunks: ask another node")
    return await asyncio.to_thread(chunks.missing, names)


def _name_of(request: web.Request) -> bytes:
    text = request.match_info["name"]
    if _NAME.fullmatch(text) is None:
        raise ClientFault("a name is 64 lowercase hex digits: SHA-256 of the chunk, or a root")
    return bytes.fromhex(text)
