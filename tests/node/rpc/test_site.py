"""The front door's places, over TLS and on the event loop of nodes: who is served, who is told 503
(T31)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import structlog
import uvloop
from aiohttp import WSCloseCode
from tests.hang import HANG_SECONDS
from tests.node.rpc.fake import FakeBackend

from strongroom.node import tls
from strongroom.node.machine import listening
from strongroom.node.rpc import websocket
from strongroom.node.rpc.http import make_app, serve
from strongroom.node.rpc.idle_sockets import IdleSockets
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
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []

    async def websocket(self) -> aiohttp.ClientWebSocketResponse:
        made = await self._http.ws_connect(f"{self._url}/ws", ssl=self._context)
        self._sockets.append(made)
        return made

    async def close(self) -> None:
        """Whoever is left says goodbye: a session that ends does not wait for its connections."""
        for one in self._sockets:
            await one.close()

    async def status(self, path: str = "/health/live") -> int:
        async with self._http.get(f"{self._url}{path}", ssl=self._context) as response:
            return response.status

    async def metrics(self) -> str:
        async with self._http.get(f"{self.health}/metrics") as response:
            return await response.text()

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
            door = Door(http, *urls, tls.client_context(certificate))
            try:
                yield door
            finally:
                await door.close()
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
            await _told_that_it_gave_way(door, idle)
            for one in (told, third):
                await one.send_json({"jsonrpc": "2.0", "id": 2, "method": "node_status"})
                assert (await one.receive_json())["id"] == 2

    run(test())


async def _told_that_it_gave_way(door: Door, idle: aiohttp.ClientWebSocketResponse) -> None:
    """It is closed with a reason, and counted."""
    last = await idle.receive()
    assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, WSCloseCode.TRY_AGAIN_LATER)
    assert last.extra == websocket.GAVE_WAY.decode()
    counted = 'strongroom_rpc_rejected_total{reason="gave_way"} 1.0'
    assert counted in (await door.metrics()).splitlines()


ONE_ADDRESS = RpcLimits(address_connections_max=2, websocket_idle_seconds=0.0, give_way_seconds=60)


def test_T31_the_longest_idle_websocket_of_a_full_address_gives_way_to_a_newcomer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with opened(tmp_path, ONE_ADDRESS) as door:
            told, idle = [await door.websocket() for _ in range(2)]
            await told.send_json(
                {"jsonrpc": "2.0", "id": 1, "method": "ledger_subscribe", "params": ["blocks"]}
            )
            assert (await told.receive_json())["result"] == 1
            await idle.send_json({"jsonrpc": "2.0", "id": 1, "method": "node_status"})
            assert (await idle.receive_json())["id"] == 1  # told has been silent for longer
            monkeypatch.setattr(listening, "is_loopback", lambda _: False)
            third = await door.websocket()
            await _told_that_it_gave_way(door, idle)
            for one in (told, third):
                await one.send_json({"jsonrpc": "2.0", "id": 2, "method": "node_status"})
                assert (await one.receive_json())["id"] == 2

    run(test())


def test_T31_no_websocket_of_a_full_address_gives_way_that_was_heard_of_lately(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        limits = replace(ONE_ADDRESS, websocket_idle_seconds=HANG_SECONDS)
        async with opened(tmp_path, limits) as door:
            held = [await door.websocket() for _ in range(2)]
            monkeypatch.setattr(listening, "is_loopback", lambda _: False)
            assert await door.status() == 503
            for one in held:
                await one.send_json({"jsonrpc": "2.0", "id": 2, "method": "node_status"})
                assert (await one.receive_json())["id"] == 2

    run(test())


class Heard:
    """A WebSocket of an address, idle for so long."""

    def __init__(self, address: str, idle: float | None) -> None:
        self.request = SimpleNamespace(remote=address)
        self._idle, self.ended, self.looks = idle, False, 0

    @property
    def idle_seconds(self) -> float | None:
        self.looks += 1
        return self._idle

    def cut(self) -> None:
        self.ended = True


async def test_T31_nobody_gives_way_to_a_newcomer_of_another_address() -> None:
    mine, busy, other = Heard("10.0.0.1", 20.0), Heard("10.0.0.1", 0.0), Heard("10.0.0.2", 90.0)
    open_now: Any = {mine, busy, other}
    sockets = IdleSockets(open_now, RpcLimits(), lambda _: None)
    assert sockets.give_way_of("10.0.0.1")
    assert mine.ended
    assert open_now == {busy, other}
    assert not sockets.give_way_of("10.0.0.1")
    assert not other.ended


async def test_T31_who_is_at_work_gives_way_to_nobody_though_another_is_idle_for_no_time() -> None:
    """A loop's clock stands still within a turn."""
    limits = RpcLimits(websocket_idle_seconds=0.0)
    for _ in range(16):  # a set has an order of its own
        at_work, idle = [Heard("10.0.0.1", None) for _ in range(4)], Heard("10.0.0.1", 0.0)
        open_now: Any = {*at_work, idle}
        assert IdleSockets(open_now, limits, lambda _: None).give_way_of("10.0.0.1")
        assert idle.ended
        assert open_now == set(at_work)
        assert not IdleSockets(open_now, limits, lambda _: None).give_way()


async def test_T31_knocking_at_a_full_door_costs_no_search_each_time() -> None:
    one = Heard("10.0.0.1", 1.0)
    open_now: Any = {one}
    sockets = IdleSockets(open_now, RpcLimits(), lambda _: None)
    assert not any(sockets.give_way_of("10.0.0.1") for _ in range(1000))
    assert one.looks < 100
