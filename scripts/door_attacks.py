"""Strangers that mean no good: one round each of what they send to a node's front door.

Owns the attacks. Each goes on when the door ends its connection, and raises `Broken` where a
defence is missing. Whether the node still votes and is paid with is for attack_door.py to see.
"""

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

import aiohttp

CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The beginning of a TLS handshake that never goes on."""
HALF_OPEN = 50
BODY_BYTES = 16 * 1024 * 1024
HEADERS_MAX = 100_000
"""400 MB: far more than is decrypted before a door ends the connection."""
LISTENERS = 10
FRAMES = 300
CUT = (aiohttp.ClientError, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, OSError)
POST = b"POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
JUNK = (
    b"\0" * 5_000,
    b"GET / HTTP/9.9x\r\nHost: 127.0.0.1\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /none HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + b"\0" * 9_000,
)


class Broken(Exception):
    """A door let through what it must not."""


@dataclass
class Target:
    """A front door, and from which addresses it is attacked."""

    host: str
    port: int
    tls: ssl.SSLContext
    rounds: Counter[str] = field(default_factory=Counter)
    """That came to their end, by attack."""
    _next: "count[int]" = field(default_factory=count)

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"

    def address(self) -> tuple[str, int]:
        """One of 200 that are not this machine's usual one."""
        return f"127.0.1.{1 + next(self._next) % 200}", 0

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A TLS connection on which anything may be written."""
        reader, writer = await asyncio.open_connection(
            self.host, self.port, ssl=self.tls, local_addr=self.address()
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    def http(self) -> aiohttp.ClientSession:
        """Of a stranger."""
        connector = aiohttp.TCPConnector(local_addr=self.address(), ssl=self.tls)
        return aiohttp.ClientSession(connector=connector)


def call(method: str, params: object, id: int = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


async def half_open_handshakes(target: Target) -> None:
    """Connections that begin TLS and fall silent; and that speak HTTP without it."""
    writers = []
    for index in range(HALF_OPEN):
        with suppress(*CUT):
            _, writer = await asyncio.open_connection(
                target.host, target.port, local_addr=target.address()
            )
            writer.write(CLIENT_HELLO if index % 2 else b"GET / HTTP/1.1\r\n\r\n")
            writers.append(writer)
    await asyncio.sleep(0.5)  # silent, while others want in
    for writer in writers:
        writer.transport.abort()


async def endless_headers(target: Target) -> None:
    """A request whose headers never end."""
    with suppress(*CUT):
        async with target.stream() as (_, writer):
            writer.write(b"GET /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            for _ in range(HEADERS_MAX):
                writer.write(b"X-More: " + b"a" * 4000 + b"\r\n")
                await writer.drain()
            raise Broken(f"{HEADERS_MAX} headers were taken")


async def malformed_requests(target: Target) -> None:
    """What is no HTTP."""
    for junk in JUNK * 10:
        with suppress(*CUT):
            async with target.stream() as (reader, writer):
                writer.write(junk)
                answer = await reader.read()
                if answer and b" 400 Bad Request" not in answer:
                    raise Broken(repr(answer[:80]))


async def endless_bodies(target: Target) -> None:
    """Bodies far beyond what is taken: with their length, and in chunks without one."""
    for head in (
        b"Content-Length: %d\r\n\r\n" % BODY_BYTES,
        b"Transfer-Encoding: chunked\r\n\r\n",
    ):
        with suppress(*CUT):
            async with target.stream() as (reader, writer):
                writer.write(POST + head)
                chunk = b"[" * 65536
                for _ in range(BODY_BYTES // 65536):
                    writer.write(chunk if b"Length" in head else b"10000\r\n%s\r\n" % chunk)
                    await writer.drain()
                status = await reader.readline()
                if b" 200 " in status:
                    raise Broken(f"a body of {BODY_BYTES} bytes was taken")


async def batch_bombs(target: Target) -> None:
    """Batches of the dearest calls, too long ones, and nests of brackets."""
    bombs = (
        [call("ledger_blocks", [1, 100], id) for id in range(100)],
        [call("rpc.discover", [], id) for id in range(100)],
        [call("node_status", [], id) for id in range(5000)],
        "[" * 100_000,
        '{"a":' * 50_000,
    )
    async with target.http() as http:
        for bomb in bombs:
            body = bomb if isinstance(bomb, str) else json.dumps(bomb)
            with suppress(*CUT):
                async with http.post(
                    f"{target.url}/rpc", data=body, headers={"Content-Type": "application/json"}
                ) as response:
                    await response.read()


async def readers_that_do_not_read(target: Target) -> None:
    """Listeners to all there is who never take it, and vanish without a word."""
    async with target.http() as http:
        sockets = []
        for _ in range(LISTENERS):
            with suppress(*CUT):
                socket = await http.ws_connect(f"{target.url}/ws")
                sockets.append(socket)
                await socket.send_json(
                    [call("ledger_subscribe", ["blocks", 1], id) for id in range(16)]
                )
                _transport(socket).pause_reading()
        await asyncio.sleep(1.0)  # as long as they do not read
        for socket in sockets:
            with suppress(*CUT):
                _transport(socket).abort()


def _transport(socket: aiohttp.ClientWebSocketResponse) -> asyncio.Transport:
    connection = socket._response.connection
    if connection is None or not isinstance(connection.transport, asyncio.Transport):
        raise ConnectionResetError
    return connection.transport


async def floods(target: Target) -> None:
    """Frames faster than they are answered, and frames that are none."""
    with suppress(*CUT):
        async with target.http() as http, http.ws_connect(f"{target.url}/ws") as socket:
            for id in range(FRAMES):
                await socket.send_json(call("ledger_search", ["1"], id))
            for _ in range(20):
                await socket.send_str("{")


async def rebinding(target: Target) -> None:
    """A page of another site, and a name that somebody points to this address."""
    async with target.http() as http:
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
            with suppress(*CUT):
                async with http.post(
                    f"{target.url}/rpc", json=call("service_nodes", []), headers=headers
                ) as response:
                    if response.status == 200:
                        raise Broken(f"answered with {headers}")


ALL = (
    half_open_handshakes,
    endless_headers,
    malformed_requests,
    endless_bodies,
    batch_bombs,
    readers_that_do_not_read,
    floods,
    rebinding,
)
