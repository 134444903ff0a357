"""One connection: hostile servers, lost connections, slow readers of notifications."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgpack
import pytest
from aiohttp import web
from tests.hang import HANG_SECONDS
from tests.node.client.ledger import certificates

from strongroom.node import tls
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.calls.events import EVENTS_MAX, Events
from strongroom.node.client.calls.waiting import words_for
from strongroom.node.client.errors import Disconnected
from strongroom.node.faults import Overloaded, RpcFault

Serve = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def connected(directory: Path, serve: Serve) -> AsyncIterator[Connection]:
    """A connection to a server that does what `serve` says."""
    tls.write_identity(certificates()[0], certificate=directory / "crt", key=directory / "key")

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await serve(socket)
        return socket

    app = web.Application()
    app.router.add_get("/ws", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(
        runner, "127.0.0.1", 0, ssl_context=tls.server_context(directory / "crt", directory / "key")
    )
    await site.start()
    try:
        async with (
            asyncio.timeout(HANG_SECONDS),
            aiohttp.ClientSession() as http,
            asyncio.TaskGroup() as group,
        ):
            endpoint = f"https://127.0.0.1:{runner.addresses[0][1]}"
            connection = await Connection.open(
                http, endpoint, tls.client_context(directory / "crt")
            )
            group.create_task(connection.run())
            yield connection
            await connection.close()
    finally:
        await runner.cleanup()


def answering(*frames: bytes | str) -> Serve:
    """Answer the first question with these frames."""

    async def serve(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        for frame in frames:
            await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
        await socket.receive()

    return serve


def _error(error: Any) -> bytes:
    return bytes(msgpack.packb({"jsonrpc": "2.0", "id": 1, "error": error}))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\x91" * 3000,
        msgpack.packb(7),
        msgpack.packb([]),
        msgpack.packb({}),
        msgpack.packb({"id": 99, "result": 1}),
        msgpack.packb({"id": [], "result": 1}),
        msgpack.packb({"id": 1}),
        msgpack.packb({"method": "ledger_event"}),
        msgpack.packb({"method": "ledger_event", "params": 5}),
        _error(None),
        _error({"code": 1}),
        _error({"code": [], "message": "m"}),
        _error({"code": 1, "message": "m", "data": 5}),
        json.dumps({"id": 1, "result": 1}),
    ],
    ids=repr,
)
async def test_whatever_a_hostile_server_sends_ends_in_disconnected(
    tmp_path: Path, frame: bytes | str
) -> None:
    """T31."""
    async with connected(tmp_path, answering(frame)) as connection:
        with pytest.raises(Disconnected):
            await connection.ask("service_info")
        assert not connection.alive


async def test_a_refusal_becomes_the_fault_of_its_code_with_its_data(tmp_path: Path) -> None:
    frame = _error(
        {"code": -32005, "message": "full", "data": {"retry_after_ms": 7, "message": "x"}}
    )
    async with connected(tmp_path, answering(frame)) as connection:
        with pytest.raises(Overloaded, match="full") as caught:
            await connection.ask("service_info")
        assert caught.value.data["retry_after_ms"] == 7


async def test_an_unknown_code_is_a_fault_too(tmp_path: Path) -> None:
    async with connected(tmp_path, answering(_error({"code": 5, "message": "odd"}))) as connection:
        with pytest.raises(RpcFault, match="odd"):
            await connection.ask("service_info")


async def test_a_lost_connection_ends_every_question_and_tells_once(tmp_path: Path) -> None:
    async def hang_up(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.receive()

    told = []
    async with connected(tmp_path, hang_up) as connection:
        connection.on_end = lambda: told.append(1)
        questions = [await connection.start("service_info", {}) for _ in range(2)]
        for question in questions:
            with pytest.raises(Disconnected):
                await question
        with pytest.raises(Disconnected):
            await connection.ask("service_info")
    assert told == [1]


async def test_what_a_slow_reader_of_notifications_loses_is_told_as_missed() -> None:
    events = Events()
    for height in range(1, EVENTS_MAX + 11):
        events.put({"height": height})
    assert [(await events.next())["height"] for _ in range(EVENTS_MAX)] == list(
        range(1, EVENTS_MAX + 1)
    )
    assert await events.next() == {"missed": {"from": EVENTS_MAX + 1, "to": EVENTS_MAX + 10}}
    events.put({"height": 999})
    assert await events.next() == {"height": 999}
    events.end()
    with pytest.raises(Disconnected):
        await events.next()


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (["voting", "voting", None, None], "no quorum (2 of 4 answer, 3 needed), waiting"),
        (["voting", "voting", "syncing", None], "no quorum (2 of 4 answer, 3 needed), waiting"),
        (["voting", "voting", "voting", None], "3 of 4 nodes answer, and no result yet, waiting"),
        ([None], "no quorum (0 of 1 answer, 1 needed), waiting"),
    ],
)
def test_the_words_for_waiting_count_who_votes(states: list[str | None], words: str) -> None:
    assert words_for([None if state is None else {"state": state} for state in states]) == words
