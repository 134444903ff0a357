"""A WebSocket that has ended leaves nothing behind, however it ended: no circle that waits for the
collector."""

import asyncio
import gc
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from tests.hang import HANG_SECONDS
from tests.node.rpc.fake import FakeBackend

from strongroom.node import tls
from strongroom.node.machine.listening import Guest
from strongroom.node.rpc.http import make_app, serve
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.websocket import Connection

Socket = aiohttp.ClientWebSocketResponse
End = Callable[[Socket], Awaitable[None]]
SUBSCRIBE = {"jsonrpc": "2.0", "id": 1, "method": "ledger_subscribe", "params": ["blocks"]}
WAITS = {"jsonrpc": "2.0", "id": 2, "method": "ledger_submit", "params": [""]}
ROUNDS = 2_000
GROWTH_MIB_MAX = 10.0


async def says_goodbye(socket: Socket) -> None:
    await socket.close()


async def is_cut(socket: Socket) -> None:
    transport = socket._response.connection.transport  # type: ignore[union-attr]
    assert transport is not None
    transport.abort()


async def is_cut_while_subscribed(socket: Socket) -> None:
    await socket.send_json(SUBSCRIBE)
    await socket.receive()
    await is_cut(socket)


async def leaves_while_it_waits(socket: Socket) -> None:
    await socket.send_json(WAITS)
    await socket.send_json(SUBSCRIBE)
    await socket.receive()
    await socket.close()


async def sends_garbage(socket: Socket) -> None:
    for _ in range(20):
        await socket.send_str("{")
    while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
        pass


def made() -> list[object]:
    """What servers of this process made for connections since the collector was frozen, and still
    have."""
    kinds = (RequestHandler, Connection, web.WebSocketResponse, Guest)
    return [one for one in gc.get_objects() if isinstance(one, kinds)]


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    certificate, key = folder / "tls.pem", folder / "tls.key"
    tls.write_identity(tls.make_certificate("n0"), certificate=certificate, key=key)
    return tls.server_context(certificate, key), tls.client_context(certificate)


@pytest.mark.parametrize(
    "end", [says_goodbye, is_cut, is_cut_while_subscribed, leaves_while_it_waits, sends_garbage]
)
def test_a_closed_websocket_leaves_no_object_behind(tmp_path: Path, end: End) -> None:
    server, client = contexts(tmp_path)
    gc.collect()

    def left() -> bool:
        return bool(made())

    async def test() -> None:
        backend = FakeBackend()
        backend.hold = True
        limits = RpcLimits(
            heartbeat_seconds=0.2
        )  # its timer holds a connection that was cut until it fires
        runner = await serve(make_app(backend, limits), "127.0.0.1", 0, server)
        url = f"https://127.0.0.1:{runner.addresses[0][1]}/ws"
        async with asyncio.timeout(HANG_SECONDS), aiohttp.ClientSession() as http:
            for _ in range(2):
                socket = await http.ws_connect(url, ssl=client)
                assert left()
                await end(socket)
            backend.held.clear()
            while left():
                await asyncio.sleep(0.05)
        await runner.cleanup()

    gc.disable()
    gc.freeze()  # all that is older, a million objects of other tests, is looked at no more
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test())
    finally:
        gc.unfreeze()
        gc.enable()


CLIENT = """
import asyncio, ssl, sys
import aiohttp

async def main(url, certificate, rounds):
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    async with aiohttp.ClientSession() as http:
        for _ in range(rounds):
            socket = await http.ws_connect(url, ssl=context)
            await socket.send_json({"jsonrpc": "2.0", "id": 1, "method": "node_status"})
            await socket.receive()
            await socket.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def resident_mib() -> float:
    """Of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@pytest.mark.parametrize("count", [200, pytest.param(ROUNDS, marks=pytest.mark.long)])
def test_closed_websockets_grow_a_server_by_less_than_ten_mib(tmp_path: Path, count: int) -> None:
    """2,000 where each may leave 5 KiB; 200 where each may leave 50, as every one once did."""
    server, _ = contexts(tmp_path)

    async def rounds(url: str, count: int) -> None:
        command = [sys.executable, "-c", CLIENT, url, str(tmp_path / "tls.pem"), str(count)]
        assert await asyncio.to_thread(subprocess.call, command) == 0

    async def test() -> None:
        runner = await serve(make_app(FakeBackend()), "127.0.0.1", 0, server)
        url = f"https://127.0.0.1:{runner.addresses[0][1]}/ws"
        await rounds(url, 100)
        before = resident_mib()
        await rounds(url, count)
        assert resident_mib() - before < GROWTH_MIB_MAX
        await runner.cleanup()

    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test())
    finally:
        gc.enable()
