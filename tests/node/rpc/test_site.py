"""The front door's places, over TLS and on the event loop of nodes: who is served, who is told 503
(T31)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import structlog
import uvloop
from tests.hang import HANG_SECONDS
from tests.node.rpc.fake import FakeBackend

from strongroom.node import tls
from strongroom.node.rpc.http import make_app, serve
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.monitoring import make_health_app

LIMITS = RpcLimits(connections_max=3, websockets_max=2, give_way_seconds=60.0)
Ask = Callable[[str], Awaitable[int]]


class Door:
    """A served backend with TLS, its health beside it, and a client."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, health: str, context: ssl.SSLContext
    ) -> None:
        self._http, self._url, self.health, self._context = http, url, health, context

    async def websocket(self) -> aiohttp.ClientWebSocketResponse:
        return await self._http.ws_connect(f"{self._url}/ws", ssl=self._context)

    async def status(self, path: str = "/health/live") -> int:
        async with self._http.get(f"{self._url}{path}", ssl=self._context) as response:
            return response.status

    async def health_status(self, path: str) -> int:
        async with self._http.get(f"{self.health}{path}") as response:
            return response.status


@asynccontextmanager
async def opened(folder: Path, limits: RpcLimits) -> AsyncIterator[Door]:
    certificate, key = folder / "tls.pem", folder / "tls.key"
    tls.write_identity(tls.make_certificate("n0"), certificate=certificate, key=key)
    app = make_app(FakeBackend(), limits)
    runner = await serve(app, "127.0.0.1", 0, tls.server_context(certificate, key))
    health = await serve(make_health_app(app), "127.0.0.1", 0, None)
    connector = aiohttp.TCPConnector(force_close=True)
    try:
        async with (
            asyncio.timeout(HANG_SECONDS),
            aiohttp.ClientSession(connector=connector) as http,
        ):
            urls = (
                f"https://127.0.0.1:{runner.addresses[0][1]}",
                f"http://127.0.0.1:{health.addresses[0][1]}",
            )
            yield Door(http, *urls, tls.client_context(certificate))
    finally:
        await runner.cleanup()
        await health.cleanup()


def run(test: Awaitable[None]) -> None:
    async def within() -> None:
        await test

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(within())


def test_T31_who_has_no_place_is_told_503_and_health_on_its_own_socket_goes_on(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        with structlog.testing.capture_logs() as logs:
            async with opened(tmp_path, RpcLimits(connections_max=2, websockets_max=2)) as door:
                held = [await door.websocket() for _ in range(2)]
                assert await door.status() == 503
                for path in ("/health/live", "/health/ready", "/metrics"):
                    assert await door.health_status(path) == 200
                assert await door.health_status("/openrpc.json") == 404
                await held[0].close()
                while await door.status() != 200:
                    await asyncio.sleep(0.001)
        assert logs == []

    run(test())


def test_T31_websockets_leave_places_for_single_requests(tmp_path: Path) -> None:
    async def test() -> None:
        async with opened(tmp_path, LIMITS) as door:
            held = [await door.websocket() for _ in range(2)]
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await door.websocket()
            assert refused.value.status == 503
            while await door.status() != 200:  # the refused one's place is free in a moment
                await asyncio.sleep(0.001)
            assert not any(one.closed for one in held)

    run(test())


def test_T31_an_idle_websocket_gives_way_and_one_that_is_told_of_blocks_does_not(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        limits = RpcLimits(connections_max=4, websockets_max=2, websocket_idle_seconds=0.0)
        async with opened(tmp_path, limits) as door:
            told, idle = [await door.websocket() for _ in range(2)]
            await told.send_json(
                {"jsonrpc": "2.0", "id": 1, "method": "ledger_subscribe", "params": ["blocks"]}
            )
            assert (await told.receive_json())["result"] == 1
            third = await door.websocket()
            assert (await idle.receive()).type in (
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.ERROR,
            )
            for one in (told, third):
                await one.send_json({"jsonrpc": "2.0", "id": 2, "method": "node_status"})
                assert (await one.receive_json())["id"] == 2

    run(test())
