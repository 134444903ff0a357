"""What is no HTTP is answered 400 in one sentence, counted, and fills no log (T31): raw bytes at a
real socket."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
from aiohttp import ClientConnectionResetError, ClientError, web
from aiohttp.http_exceptions import BadHttpMessage
from tests.hang import HANG_SECONDS
from tests.node.rpc.fake import OPEN, FakeBackend, opened
from tests.node.rpc.test_closed_sockets import contexts

from strongroom.node.machine.transports import abort
from strongroom.node.rpc import app_keys as keys
from strongroom.node.rpc import door as rpc_door
from strongroom.node.rpc import malformed
from strongroom.node.rpc.http import make_app, serve
from strongroom.node.rpc.malformed import LOGGED_ONE_IN, noted_in
from strongroom.node.rpc.methods import Counts

HOST = b"Host: 127.0.0.1\r\n"
GET = b"GET /health/live HTTP/1.1\r\n" + HOST
POST = b"POST /rpc HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
MALFORMED = {
    "headers-many": (GET + b"".join(b"X-%d: a\r\n" % one for one in range(500)) + b"\r\n",),
    "header-long": (GET + b"X: " + b"a" * 20_000 + b"\r\n\r\n",),
    "line-long": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",),
    "version": (b"GET / HTTP/9.9x\r\n" + HOST + b"\r\n",),
    "chunk-no-number": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",),
    "chunk-too-long": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh\r\n0\r\n\r\n",),
    "chunk-later": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\nabc\r\n"),
    "two-lengths": (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",),
    "length-negative": (POST + b"Content-Length: -1\r\n\r\n",),
    "nul-in-path": (b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n",),
    "nuls": (b"\0" * 5_000,),
    "method": (b"G\x01T / HTTP/1.1\r\n" + HOST + b"\r\n",),
    "url": (b"GET http://[::1 HTTP/1.1\r\n" + HOST + b"\r\n",),
    "after-an-upgrade": (
        b"GET /none HTTP/1.1\r\n"
        + HOST
        + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        + b"\0" * 20_000,
    ),
    "pipelined-junk": ((GET + b"\r\n") * 3 + b"junk\r\n\r\n",),
}
LAST_WORDS = b"a body as long as it says\n"


Reached = Callable[[], Awaitable[None]]


async def said(
    port: int, pieces: tuple[bytes, ...], reached: Reached, tls: ssl.SSLContext | None = None
) -> bytes:
    """All that is answered until the door ends the connection; between two pieces, `reached`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if piece is not pieces[-1]:
                await reached()
        return await reader.read()
    finally:
        writer.transport.abort()


def asked_of(runner: web.AppRunner) -> Reached:
    """Waits until a request's handler is at work: its headers are read, its body is awaited."""

    async def reached() -> None:
        while not any(
            one._current_request
            for one in runner.server.connections  # type: ignore[union-attr]
        ):
            await asyncio.sleep(0)

    return reached


@pytest.mark.parametrize("name", MALFORMED)
async def test_T31_malformed_requests_are_answered_and_counted_and_fill_no_log(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as lines:
        async with opened() as door:
            port = door.runner.addresses[0][1]
            for _ in range(3):
                answer = await said(port, MALFORMED[name], asked_of(door.runner))
                assert answer.count(b" 400 Bad Request\r\n") == 1
                assert answer.endswith(LAST_WORDS)
                assert len(answer) < 1_500  # nothing that a stranger sent comes back
            assert door.runner.app[keys.COUNTS].rejected["malformed"] == 3
            async with door.http.get(f"{door.url}/metrics") as response:
                assert 'rpc_rejected_total{reason="malformed"} 3.0' in await response.text()
            assert (await door.call("node_status"))["result"]
    assert [one for one in caplog.records if one.name.startswith("aiohttp")] == []
    assert [one["event"] for one in lines if one["event"] != "rpc.call"] == ["rpc.malformed"]


def test_T31_the_log_tells_of_one_malformed_request_in_a_thousand() -> None:
    counts = Counts()
    note = noted_in(counts.rejected)
    with structlog.testing.capture_logs() as lines:
        for _ in range(2 * LOGGED_ONE_IN + 1):
            note(BadHttpMessage("x" * 10_000), "192.0.2.1")
    assert [one["count"] for one in lines] == [1, LOGGED_ONE_IN + 1, 2 * LOGGED_ONE_IN + 1]
    assert len(str(lines)) < 1_000


async def test_T31_broken_and_half_open_tls_fill_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    serving, asking = contexts(tmp_path)
    app = make_app(FakeBackend(), None, rpc_door.Door(OPEN))
    with caplog.at_level(logging.INFO), structlog.testing.capture_logs() as lines:
        runner = await serve(app, "127.0.0.1", 0, serving)
        try:
            async with asyncio.timeout(HANG_SECONDS):
                port = runner.addresses[0][1]
                for opening in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"", GET, b"\0"):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(opening)
                    await writer.drain()
                    writer.transport.abort()
                for pieces in MALFORMED.values():
                    assert LAST_WORDS in await said(port, pieces, asked_of(runner), asking)
        finally:
            await runner.cleanup()
    assert [one for one in caplog.records if one.name.startswith(("aiohttp", "asyncio"))] == []
    assert [one["event"] for one in lines] == ["rpc.malformed"]


async def test_a_bug_behind_a_route_is_still_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened() as door:
        door.backend.__dict__.pop("live")
        monkeypatch.setattr(FakeBackend, "live", property(lambda _: 1 // 0), raising=False)
        with structlog.testing.capture_logs() as lines:
            async with door.http.get(f"{door.url}/health/live") as response:
                assert response.status == 500
        assert door.runner.app[keys.COUNTS].rejected["malformed"] == 0
    assert [(one["event"], one["error"]) for one in lines] == [("rpc.bug", "ZeroDivisionError")]
    assert [one for one in caplog.records if one.exc_info] == []


async def test_who_goes_away_before_the_answer_is_no_bug(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a client does whose node is slow: it asks another one."""

    def gone(_: FakeBackend) -> bool:
        raise ClientConnectionResetError("Cannot write to closing transport")

    async with opened() as door:
        door.backend.__dict__.pop("live")
        monkeypatch.setattr(FakeBackend, "live", property(gone), raising=False)
        with structlog.testing.capture_logs() as lines, suppress(ClientError):
            async with door.http.get(f"{door.url}/health/live") as response:
                await response.read()
    assert [one["event"] for one in lines] == []
    assert [one for one in caplog.records if one.exc_info] == []


async def test_T31_whoever_goes_on_after_a_malformed_request_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS waits 30 s for the peer's goodbye, and decrypted all that came until then."""
    monkeypatch.setattr(malformed, "GOODBYE_SECONDS", 0.0)
    serving, asking = contexts(tmp_path)
    app = make_app(FakeBackend(), None, rpc_door.Door(OPEN))
    runner = await serve(app, "127.0.0.1", 0, serving)
    ends: list[asyncio.WriteTransport] = []

    def counted(transport: asyncio.WriteTransport) -> None:
        ends.append(transport)
        abort(transport)

    monkeypatch.setattr(malformed, "abort", counted)
    try:
        async with asyncio.timeout(HANG_SECONDS):
            port = runner.addresses[0][1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=asking)
            writer.write(MALFORMED["headers-many"][0])
            with suppress(ConnectionError):
                await reader.read()
            while not ends:
                await asyncio.sleep(0)
            writer.transport.abort()
    finally:
        await runner.cleanup()
    assert len(ends) == 1
