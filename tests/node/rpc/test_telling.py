"""What listeners that are slow, or leave, cost everybody else (T31, T70)."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse
from tests.node.rpc.fake import Door, opened

from strongroom.node.organisations import DoorPolicy
from strongroom.node.rpc import app_keys, notifications, subscriptions, weights
from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.crowd import Crowd, Listener
from strongroom.node.rpc.feed import Feed
from strongroom.node.rpc.forms import JSON
from strongroom.node.rpc.lanes import Lane
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.notifications import kept_frame
from strongroom.node.rpc.outgoing import OUTGOING_BYTES_MAX
from strongroom.node.rpc.weights import ROW, Allowances, Payer

PATIENT = RpcLimits(write_seconds_max=3600.0, heartbeat_seconds=3600.0)
LONG = [{"index": index, "id": "ab" * 32} for index in range(24_000)]
"""A block of them is longer than what the kernel takes for a reader that does not read."""


def request(method: str, params: Any, id: int = 1) -> Document:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def _pause(socket: ClientWebSocketResponse) -> Any:
    connection = socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.pause_reading()
    return connection.transport


async def _stuck(door: Door, count: int) -> None:
    """Until so many connections wait for their readers."""
    connections = door.runner.app[app_keys.CONNECTIONS]
    while sum(one._writer.busy for one in connections) < count:
        await asyncio.sleep(0)


async def test_T70_listeners_that_do_not_read_hold_one_event_each_and_answers_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weights, "CATCHING_UP", float("-inf"))
    async with opened(PATIENT, DoorPolicy()) as door, AsyncExitStack() as stack:
        door.backend.grow()
        door.backend.transactions = {1: LONG}
        size = len(json.dumps((await door.call("ledger_block", [1]))["result"]))
        idle, topics = 5, 16
        assert idle * topics * size > 2 * OUTGOING_BYTES_MAX
        for _ in range(idle):
            socket = await stack.enter_async_context(door.websocket())
            batch = [request("ledger_subscribe", ["blocks", 1], id) for id in range(topics)]
            await socket.send_json(batch)
            assert all("result" in one for one in await socket.receive_json())
            stack.callback(_pause(socket).abort)
        await _stuck(door, idle)
        assert "result" in await door.call("node_status")
        assert "result" in await door.call("ledger_block", [1, False])
        held = door.runner.app[app_keys.CROWDS].feed.outgoing.held
        assert size < held < (idle + 1) * size


async def test_ending_a_subscription_while_a_long_event_of_it_is_written_breaks_nothing() -> None:
    async with opened(PATIENT) as door, door.websocket() as socket:
        door.backend.grow()
        door.backend.transactions = {1: LONG}
        for id, topic in ((1, "blocks"), (2, "heads")):
            await socket.send_json(request("ledger_subscribe", [topic, 1 if id == 1 else 2], id))
            assert (await socket.receive_json())["result"] == id
        transport = _pause(socket)
        await _stuck(door, 1)
        await socket.send_json(request("ledger_unsubscribe", [1], 3))
        (connection,) = door.runner.app[app_keys.CONNECTIONS]
        while 1 in connection._tables[0]._tasks:
            await asyncio.sleep(0)
        transport.resume_reading()
        event = (await socket.receive_json())["params"]
        assert len(event["block"]["transactions"]) == len(LONG)
        assert await socket.receive_json() == {"jsonrpc": "2.0", "result": True, "id": 3}
        door.backend.grow()
        told = (await socket.receive_json())["params"]
        assert (told["topic"], told["height"]) == ("heads", 2)
        assert door.runner.app[app_keys.CROWDS].feed.outgoing.held == 0


async def test_a_connection_that_goes_away_during_a_long_event_leaves_nothing_behind() -> None:
    async with opened(PATIENT) as door:
        async with door.websocket() as socket:
            door.backend.grow()
            door.backend.transactions = {1: LONG}
            await socket.send_json(request("ledger_subscribe", ["blocks", 1]))
            await socket.receive_json()
            transport = _pause(socket)
            await _stuck(door, 1)
            await socket.send_json(request("ledger_unsubscribe", [1], 3))
            transport.abort()
        while door.runner.app[app_keys.CONNECTIONS]:
            await asyncio.sleep(0)
        assert door.runner.app[app_keys.CROWDS].feed.outgoing.held == 0


# --- crowds ---------------------------------------------------------------------------------------


def _crowd(door: Door) -> Crowd:
    return Crowd(Feed(door.backend, Lane()), "heads", JSON)


def test_T70_frames_of_one_event_are_kept_for_few_numbers_of_subscriptions() -> None:
    most, made = 0, dict[int, bytes]()
    for id in [*range(1, 1000), 5]:
        frame = kept_frame(made, JSON, id, "heads", (("height", b"1"),))
        assert f'"subscription":{id},'.encode() in frame
        most = max(most, len(made))
    assert most == notifications.FRAMES_MAX


async def test_no_event_is_put_for_who_has_ended_its_subscription() -> None:
    async with opened() as door:
        some, told = _crowd(door), list[bytes]()

        def put(frame: bytes) -> bool:
            told.append(frame)
            return True

        left: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        some.listeners[Listener(1, put, 1, left)] = None
        left.cancel()  # as the end of its task does, a turn before the task sees it
        await some._tell_all(1, (("height", b"1"),))
        assert told == []


# --- what catching up weighs ----------------------------------------------------------------------


async def test_T70_who_catches_up_pays_for_what_is_described_told_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened() as door, door.websocket() as socket:
        door.backend.grow(3)
        door.backend.transactions = {2: LONG[:1000]}
        spent = 0

        def charge(_: Allowances, payer: Payer, weight: int, now: float) -> None:
            nonlocal spent
            assert payer.address == "127.0.0.1"
            spent += weight

        monkeypatch.setattr(Allowances, "charge", charge)
        await socket.send_json(request("ledger_subscribe", ["governance", 1]))
        await socket.receive_json()
        while not _crowds_listen(door, "governance"):
            await asyncio.sleep(0)
        assert spent > ROW * 1000  # of which none is told


def _crowds_listen(door: Door, topic: str) -> bool:
    return bool(door.runner.app[app_keys.CROWDS].of(topic, JSON).listeners)


async def test_T70_who_catches_up_waits_while_its_address_has_asked_for_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "WAIT_SECONDS_MAX", 0.0)
    monkeypatch.setattr(weights, "RATE", 1e-9)
    async with opened() as door, door.websocket() as socket:
        door.backend.grow(5)
        allowances = door.runner.app[app_keys.LIBRARY].allowances
        looked: list[float] = []
        wait = allowances.wait_to_catch_up

        def counted(payer: Payer, now: float) -> float:
            looked.append(wait(payer, now))
            return looked[-1]

        monkeypatch.setattr(Allowances, "wait_to_catch_up", lambda _, *given: counted(*given))
        spent = int(weights.BURST * (1 - weights.CATCHING_UP)) + 1
        (payer,) = {one._payer for one in door.runner.app[app_keys.CONNECTIONS]}
        allowances.charge(payer, spent, asyncio.get_running_loop().time())
        await socket.send_json(request("ledger_subscribe", ["heads", 1]))
        await socket.receive_json()
        readings = door.backend.readings
        while len(looked) < 20:
            await asyncio.sleep(0)
        assert door.backend.readings == readings
        assert "result" in await door.call("node_status")  # its address may still ask
        allowances.charge(payer, -spent, asyncio.get_running_loop().time())
        told = [(await socket.receive_json())["params"]["height"] for _ in range(5)]
        assert told == [1, 2, 3, 4, 5]
