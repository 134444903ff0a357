"""JSON-RPC of checked nodes on this machine: `/rpc` and `/ws`, for reading alone.

Owns what a page of this machine may ask through it, and every bound of that. Whom it asks is
checking.py's; what answers mean, the page's. Nothing is submitted here: a page holds no key.
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web

from strongroom.consensus.errors import InvariantBroken, StrongroomError
from strongroom.node.faults import NotReady, Overloaded, RpcFault, TooLarge
from strongroom.node.rpc.jsonrpc import (
    InvalidRequest,
    MethodNotFound,
    decode_json,
    encode_json,
    error_reply,
    read_request,
    refusal_of,
)
from strongroom.node.rpc.methods import METHODS
from strongroom.node.rpc.room import BATCH_BYTES_MAX, REPLY_BYTES_MAX
from strongroom.node.rpc.writing import in_pieces
from strongroom.node.web.checking import Checker, Finding

WRITING = frozenset(
    {
        "ledger_submit",
        "ledger_submit_many",
        "ledger_query",
        "governance_submit",
        "admin_diagnostics",
        "blob_missing",
    }
)
READING = frozenset(METHODS) - WRITING
ASKED_BYTES_MAX = 64 * 1024
"""Of one body or frame from the page."""
BATCH_CALLS_MAX = 100
SOCKETS_MAX = 32
"""Pages that are open at a time; a further one is told 503."""
BODIES_MAX = 16
"""Bodies that are answered at a time."""
HELD_BYTES_MAX = 64 * 1024 * 1024
"""Of all answers that are on their way; what goes beyond is refused."""
ASK_SECONDS_MAX = 20.0
OPEN_SECONDS_MAX = 5.0
FRAME_BYTES = 64 * 1024
"""What may stand around the largest reply."""
HEARTBEAT_SECONDS = 10.0


class Proxy:
    """What stands between a page on this machine and the nodes of a service."""

    def __init__(self, checker: Checker, http: aiohttp.ClientSession) -> None:
        self._checker, self._http = checker, http
        self._sockets: set[web.WebSocketResponse] = set()
        self._bodies = self._held = 0

    def mount(self, app: web.Application, prefix: str = "") -> None:
        """Add the two routes, below a prefix."""
        app.router.add_post(f"{prefix}/rpc", self._rpc)
        app.router.add_get(f"{prefix}/ws", self._ws)
        app.on_shutdown.append(self._close)

    # --- one body ---

    async def _rpc(self, request: web.Request) -> web.StreamResponse:
        if self._bodies >= BODIES_MAX:
            raise web.HTTPServiceUnavailable(text="too much is asked at a time: again in a moment")
        self._bodies += 1
        answer = bytearray()
        try:
            body = await request.read()
            refusal = refused(body)
            if refusal is not None:
                return _json(encode_json(refusal).encode())
            await self._asked(body, answer)
            return await in_pieces(request, _json(bytes(answer)))
        except StrongroomError as fault:
            return _json(encode_json(error_reply(_shown(fault))).encode())
        finally:
            self._bodies -= 1
            self._held -= len(answer)

    async def _asked(self, body: bytes, answer: bytearray) -> None:
        """One node's answer; when nobody is there any more, another one's. A node that is busy, or
        refuses, keeps its place: the next one would be asked the same.

        Raises:
            NotReady: there is none.
            TooLarge: it is longer than a node may answer.
            Overloaded: too much is on its way.
        """
        for _ in range(2):
            found = await self._checker.good()
            try:
                async with (
                    asyncio.timeout(ASK_SECONDS_MAX),
                    self._http.post(
                        f"{found.endpoint}/rpc",
                        data=body,
                        ssl=context_of(found),
                        headers={"Content-Type": "application/json"},
                        allow_redirects=False,
                    ) as response,
                ):
                    await self._bounded(response, answer)
                    return
            except (aiohttp.ClientConnectionError, ConnectionError):
                self._checker.lost(found.endpoint)
                self._held -= len(answer)
                answer.clear()
            except TimeoutError:
                raise NotReady(
                    f"the node that was asked has not answered in {ASK_SECONDS_MAX:g} s: ask for "
                    "less at a time, or again later"
                ) from None
            except (aiohttp.ClientError, OSError) as error:
                raise NotReady(f"the node that was asked refuses: {error}") from None
        raise NotReady("the node that was asked does not answer: ask again", retry_after_ms=500)

    async def _bounded(self, response: aiohttp.ClientResponse, answer: bytearray) -> None:
        if response.status not in (200, 204):
            raise aiohttp.ClientError(f"HTTP status {response.status}")
        async for part in response.content.iter_chunked(FRAME_BYTES):
            answer += part
            self._held += len(part)
            if len(answer) > BATCH_BYTES_MAX + FRAME_BYTES:
                raise TooLarge(f"the node answers more than {REPLY_BYTES_MAX} bytes a call")
            if self._held > HELD_BYTES_MAX:
                raise Overloaded(
                    "too many long answers are on their way: ask again in a moment",
                    retry_after_ms=500,
                )

    # --- one WebSocket ---

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= SOCKETS_MAX:
            raise web.HTTPServiceUnavailable(text="too many pages are open here: close one")
        page = web.WebSocketResponse(
            max_msg_size=ASKED_BYTES_MAX, heartbeat=HEARTBEAT_SECONDS, compress=False
        )
        self._sockets.add(page)
        try:
            await page.prepare(request)
            await self._converse(page)
        finally:
            self._sockets.discard(page)
            await page.close(code=WSCloseCode.SERVICE_RESTART, message=b"the node is gone")
        return page

    async def _converse(self, page: web.WebSocketResponse) -> None:
        """Hand frames on in both directions until either end is gone."""
        try:
            found = await self._checker.good()
        except StrongroomError:
            return
        try:
            async with asyncio.timeout(OPEN_SECONDS_MAX):
                node = await self._http.ws_connect(
                    f"{found.endpoint}/ws",
                    ssl=context_of(found),
                    max_msg_size=BATCH_BYTES_MAX + FRAME_BYTES,
                    heartbeat=HEARTBEAT_SECONDS,
                )
        except (aiohttp.ClientConnectionError, ConnectionError):
            self._checker.lost(found.endpoint)
            return
        except (aiohttp.ClientError, OSError):
            return
        async with node:
            ways = {
                asyncio.create_task(_to_node(page, node)),
                asyncio.create_task(_to_page(node, page)),
            }
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    async def _close(self, _app: web.Application) -> None:
        await asyncio.gather(*(one.close(code=WSCloseCode.GOING_AWAY) for one in self._sockets))


async def _to_node(page: web.WebSocketResponse, node: aiohttp.ClientWebSocketResponse) -> None:
    async for message in page:
        if message.type is not WSMsgType.TEXT:
            return
        refusal = refused(message.data)
        if refusal is not None:
            await page.send_str(encode_json(refusal))
            continue
        with suppress(ConnectionError):
            await node.send_str(message.data)


async def _to_page(node: aiohttp.ClientWebSocketResponse, page: web.WebSocketResponse) -> None:
    async for message in node:
        if message.type is not WSMsgType.TEXT:
            return
        with suppress(ConnectionError):
            await page.send_str(message.data)


def refused(body: bytes | str) -> Any:
    """The reply to what is not handed on; None: it may be."""
    try:
        value = decode_json(body)
        if type(value) is list and not 0 < len(value) <= BATCH_CALLS_MAX:
            raise InvalidRequest(f"a batch has 1 to {BATCH_CALLS_MAX} calls here")
    except RpcFault as fault:
        return error_reply(fault)
    for one in value if type(value) is list else [value]:
        try:
            _check_reads(read_request(one)[0])
        except RpcFault as fault:
            return refusal_of(one, fault) or error_reply(fault)
    return None


def _check_reads(method: str) -> None:
    if method in WRITING:
        raise MethodNotFound(f"{method}: this reader only reads; a client seals and submits")
    if method not in READING:
        raise MethodNotFound(f"no method {method[:64]!r}: see rpc.discover")


def context_of(found: Finding) -> ssl.SSLContext:
    """What connects to the node that was checked, and to no other of the bundle.

    Raises:
        InvariantBroken: it is not good.
    """
    if found.context is None:
        raise InvariantBroken(f"{found.endpoint} is asked, though it was not found good")
    return found.context


def _shown(fault: StrongroomError) -> RpcFault:
    return fault if isinstance(fault, RpcFault) else NotReady(str(fault))


def _json(body: bytes) -> web.Response:
    if not body:
        return web.Response(status=204)
    return web.Response(body=body, content_type="application/json", charset="utf-8")
