"""Strangers that mean no good, each until cancelled: what they send to a node's front door.

Owns the attacks; each goes on when the door ends its connection, and raises what shows a defence
missing. Whether the node still votes is for the test to see.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp

CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The beginning of a TLS handshake that never goes on."""
HALF_OPEN = 50
BODY_BYTES = 64 * 1024 * 1024
CUT = (aiohttp.ClientError, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, OSError)


@dataclass
class Target:
    """A front door."""

    host: str
    port: int
    tls: ssl.SSLContext
    done: dict[str, int] = field(default_factory=dict)
    """How often each attack came through to its end."""

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"

    def count(self, attack: str) -> None:
        self.done[attack] = self.done.get(attack, 0) + 1

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A TLS connection on which anything may be written."""
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


def call(method: str, params: object, id: int = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


async def half_open_handshakes(target: Target) -> None:
    """Connections that begin TLS and fall silent."""
    while True:
        writers = []
        for _ in range(HALF_OPEN):
            with suppress(*CUT):
                _, writer = await asyncio.open_connection(target.host, target.port)
                writer.write(CLIENT_HELLO)
                writers.append(writer)
        target.count("half-open")
        await asyncio.sleep(0.5)
        for writer in writers:
            writer.transport.abort()


async def endless_headers(target: Target) -> None:
    """A request whose headers never end."""
    while True:
        with suppress(*CUT):
            async with target.stream() as (_, writer):
                writer.write(b"GET /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\n")
                while not writer.transport.is_closing():
                    writer.write(b"X-More: " + b"a" * 4000 + b"\r\n")
                    await writer.drain()
                    await asyncio.sleep(0)
        target.count("headers")


async def endless_bodies(target: Target) -> None:
    """Bodies far beyond what is taken: with their length, and in chunks without one."""
    while True:
        for head in (
            b"Content-Length: %d\r\n\r\n" % BODY_BYTES,
            b"Transfer-Encoding: chunked\r\n\r\n",
        ):
            with suppress(*CUT):
                async with target.stream() as (reader, writer):
                    writer.write(b"POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\n")
                    writer.write(b"Content-Type: application/json\r\n" + head)
                    answered = asyncio.ensure_future(reader.readline())
                    for _ in range(BODY_BYTES // 65536):
                        if answered.done() or writer.transport.is_closing():
                            break
                        chunk = b"[" * 65536
                        writer.write(chunk if b"Length" in head else b"10000\r\n%s\r\n" % chunk)
                        await writer.drain()
                    status = await answered
                    assert b" 200 " not in status, status
        target.count("bodies")


async def batch_bombs(target: Target) -> None:
    """Batches of the dearest calls, too long ones, and nests of brackets."""
    bombs = (
        [call("ledger_blocks", [1, 100], id) for id in range(100)],
        [call("rpc.discover", [], id) for id in range(100)],
        [call("node_status", [], id) for id in range(5000)],
        "[" * 100_000,
        '{"a":' * 50_000,
    )
    async with aiohttp.ClientSession() as http:
        while True:
            for bomb in bombs:
                body = bomb if isinstance(bomb, str) else json.dumps(bomb)
                with suppress(*CUT):
                    async with http.post(
                        f"{target.url}/rpc",
                        data=body,
                        headers={"Content-Type": "application/json"},
                        ssl=target.tls,
                    ) as response:
                        await response.read()
            target.count("batches")


async def readers_that_do_not_read(target: Target) -> None:
    """Listeners of all there is who never take it."""
    while True:
        async with aiohttp.ClientSession() as http:
            sockets = []
            for _ in range(10):
                with suppress(*CUT):
                    socket = await http.ws_connect(f"{target.url}/ws", ssl=target.tls)
                    sockets.append(socket)
                    subscribe = [call("ledger_subscribe", ["blocks", 1], id) for id in range(16)]
                    await socket.send_json(subscribe)
                    connection = socket._response.connection
                    assert connection is not None
                    assert connection.transport is not None
                    connection.transport.pause_reading()
            await asyncio.sleep(1.0)
            target.count("slow readers")
            for socket in sockets:  # vanished, without a word
                connection = socket._response.connection
                if connection is not None and connection.transport is not None:
                    connection.transport.abort()


async def floods(target: Target) -> None:
    """Frames faster than they are answered, and frames that are none."""
    while True:
        with suppress(*CUT):
            async with (
                aiohttp.ClientSession() as http,
                http.ws_connect(f"{target.url}/ws", ssl=target.tls) as socket,
            ):
                for id in range(500):
                    await socket.send_json(call("ledger_search", ["1"], id))
                for _ in range(20):
                    await socket.send_str("{")
        target.count("floods")


async def rebinding(target: Target) -> None:
    """A page of another site, and a name that somebody points to this address."""
    body = json.dumps(call("service_nodes", []))
    async with aiohttp.ClientSession() as http:
        while True:
            for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
                with suppress(*CUT):
                    async with http.post(
                        f"{target.url}/rpc",
                        data=body,
                        headers={**headers, "Content-Type": "application/json"},
                        ssl=target.tls,
                    ) as response:
                        assert response.status != 200, headers
            target.count("rebinding")
            await asyncio.sleep(0.1)


ALL = (
    half_open_handshakes,
    endless_headers,
    endless_bodies,
    batch_bombs,
    readers_that_do_not_read,
    floods,
    rebinding,
)
