"""GET /ws: frames of both forms, order, bounds, subscriptions."""

import asyncio
import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

import msgpack
import pytest
from aiohttp import (
    ClientConnectionResetError,
    ClientSession,
    ClientWebSocketResponse,
    WSMsgType,
    web,
)
from structlog.testing import capture_logs
from tests.hang import HANG_SECONDS
from tests.node.rpc.fake import FakeBackend, opened

from strongroom.node.faults import Overloaded
from strongroom.node.rpc.door import open_door
from strongroom.node.rpc.http import make_app
from strongroom.node.rpc.limits import RpcLimits

ENVELOPE = b"an envelope"
ID = sha256(ENVELOPE).digest()


def _request(method: str, params: Any, id: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


async def _ask(socket: ClientWebSocketResponse, method: str, params: Any, id: int = 1) -> Any:
    await socket.send_bytes(msgpack.packb(_request(method, params, id)))
    return await _receive(socket)


async def _receive(socket: ClientWebSocketResponse) -> Any:
    return msgpack.unpackb(await socket.receive_bytes())


async def test_binary_frames_carry_raw_bytes_both_ways() -> None:
    async with opened() as door, door.websocket() as socket:
        reply = await _ask(
            socket, "ledger_submit_many", {"envelopes": [ENVELOPE, b"two"], "wait": "commit"}
        )
        assert door.backend.submitted == [[ENVELOPE, b"two"]]
        assert reply["result"][0] == {
            "id": ID,
            "height": 7,
            "index": 0,
            "status": "included",
            "result": b"sealed",
        }
        assert reply["result"][1]["index"] == 1


async def test_text_frames_carry_json() -> None:
    async with opened() as door, door.websocket() as socket:
        await socket.send_str(json.dumps(_request("ledger_submit", [b64encode(ENVELOPE).decode()])))
        assert json.loads(await socket.receive_str())["result"]["id"] == ID.hex()


async def test_a_batch_in_a_frame_is_answered_in_a_frame() -> None:
    async with opened() as door, door.websocket() as socket:
        await socket.send_str(
            json.dumps([_request("node_status", [], 1), _request("nonsense", [], 2)])
        )
        replies = json.loads(await socket.receive_str())
        assert {reply["id"]: "result" in reply for reply in replies} == {1: True, 2: False}


async def test_requests_overtake_one_that_waits() -> None:
    async with opened() as door, door.websocket() as socket:
        door.backend.hold = True
        await socket.send_bytes(msgpack.packb(_request("ledger_submit", [ENVELOPE], 1)))
        assert (await _ask(socket, "node_status", [], 2))["id"] == 2
        door.backend.release()
        assert (await _receive(socket))["id"] == 1


async def test_frames_reach_the_backend_in_the_order_in_which_they_were_sent() -> None:
    async with opened() as door, door.websocket() as socket:
        envelopes = [b"%d" % n for n in range(50)]
        for n, envelope in enumerate(envelopes):
            await socket.send_bytes(msgpack.packb(_request("ledger_submit_many", [[envelope]], n)))
        for _ in envelopes:
            await _receive(socket)
        assert door.backend.submitted == [[envelope] for envelope in envelopes]


async def test_what_follows_a_refused_submission_is_refused_too_until_both_are_sent_again() -> None:
    """A session's order survives overload (`after`)."""
    async with opened() as door, door.websocket() as socket:
        ids = [sha256(b"%d" % n).digest() for n in range(4)]

        async def submit(n: int, **params: Any) -> Any:
            return await _ask(socket, "ledger_submit_many", {"envelopes": [b"%d" % n], **params})

        assert "result" in await submit(0)
        door.backend.refuse_submit = Overloaded("full", retry_after_ms=5)
        assert (await submit(1, after=ids[0]))["error"]["code"] == -32005
        door.backend.refuse_submit = None
        assert (await submit(2, after=ids[1]))["error"]["code"] == -32005
        assert "result" in await submit(1, after=ids[0])
        assert "result" in await submit(2, after=ids[1])
        assert [envelopes for (envelopes,) in door.backend.submitted] == [b"0", b"1", b"2"]


async def test_a_connection_with_too_many_unanswered_frames_is_told_so_and_loses_none() -> None:
    """T31."""
    async with opened(RpcLimits(frames_in_flight_max=2)) as door, door.websocket() as socket:
        door.backend.hold = True
        for id in (1, 2, 3):
            await socket.send_bytes(msgpack.packb(_request("ledger_submit", [ENVELOPE], id)))
        refused = await _receive(socket)
        assert (refused["id"], refused["error"]["code"]) == (3, -32005)
        assert refused["error"]["data"]["retry_after_ms"] > 0
        door.backend.release()
        door.backend.release()
        assert {(await _receive(socket))["id"] for _ in range(2)} == {1, 2}


async def test_a_closed_connection_cancels_what_it_waits_for() -> None:
    async with opened() as door:
        door.backend.hold = True
        async with door.websocket() as socket:
            await socket.send_bytes(msgpack.packb(_request("ledger_submit", [ENVELOPE])))
            while not door.backend.held:
                await asyncio.sleep(0)
        await asyncio.wait([door.backend.held[0]])
        assert door.backend.held[0].cancelled()


async def test_the_application_cancels_by_itself_what_a_closed_connection_waits_for() -> None:
    """Also under a server that does not cancel handlers."""
    backend = FakeBackend()
    backend.hold = True
    runner = web.AppRunner(
        make_app(backend, door=open_door()), handler_cancellation=False, shutdown_timeout=0.1
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with asyncio.timeout(HANG_SECONDS), ClientSession() as http:
            async with http.ws_connect(f"http://127.0.0.1:{runner.addresses[0][1]}/ws") as socket:
                await socket.send_bytes(msgpack.packb(_request("ledger_submit", [ENVELOPE])))
                while not backend.held:
                    await asyncio.sleep(0)
            await asyncio.wait([backend.held[0]])
        assert backend.held[0].cancelled()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "frame", [b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x91" * 5000, "{", '{"jsonrpc":']
)
async def test_garbage_frames_are_answered_a_few_times_then_the_connection_ends(
    frame: bytes | str,
) -> None:
    """T31."""
    async with opened(RpcLimits(garbage_frames_max=3)) as door, door.websocket() as socket:
        for _ in range(4):
            await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
            reply = await socket.receive()
            value = (
                json.loads(reply.data)
                if isinstance(reply.data, str)
                else msgpack.unpackb(reply.data)
            )
            assert value["error"]["code"] == -32700
        assert (await socket.receive()).type is WSMsgType.CLOSE
        assert socket.close_code == 1008


async def test_a_frame_over_the_limit_ends_the_connection() -> None:
    """T31."""
    async with opened(RpcLimits(body_bytes_max=1000)) as door, door.websocket() as socket:
        await socket.send_bytes(bytes(1001))
        assert (await socket.receive()).type is WSMsgType.CLOSE
        assert socket.close_code == 1009


async def test_a_peer_that_reads_nothing_is_cut_off() -> None:
    """T31."""
    async with opened(RpcLimits(write_seconds_max=0.1)) as door, door.websocket() as socket:
        door.backend.query_answer = b"x" * 7_000_000
        for id in range(4):
            await socket.send_bytes(msgpack.packb(_request("ledger_query", [b""], id)))
        transport = socket._response.connection.transport  # type: ignore[union-attr]
        transport.pause_reading()  # type: ignore[union-attr]
        while door.open_connections:
            await asyncio.sleep(0.01)
        transport.abort()  # type: ignore[union-attr]


# --- subscriptions --------------------------------------------------------------------------------


async def _events(socket: ClientWebSocketResponse, count: int) -> list[dict[str, Any]]:
    messages = [await _receive(socket) for _ in range(count)]
    assert all(message["method"] == "ledger_event" and "id" not in message for message in messages)
    return [message["params"] for message in messages]


async def test_a_subscriber_is_told_of_each_block_from_the_next_one_on() -> None:
    async with opened() as door, door.websocket() as socket:
        door.backend.height = 5
        id = (await _ask(socket, "ledger_subscribe", ["blocks"]))["result"]
        door.backend.grow(2)
        events = await _events(socket, 2)
        assert [(event["subscription"], event["height"]) for event in events] == [(id, 6), (id, 7)]
        assert events[0]["block"]["hash"] == bytes([6]) * 32


async def test_a_subscription_resumes_from_a_height() -> None:
    async with opened() as door, door.websocket() as socket:
        door.backend.height = 5
        await _ask(socket, "ledger_subscribe", {"topic": "transactions", "from": 3})
        door.backend.grow()
        events = await _events(socket, 4)
        assert [event["height"] for event in events] == [3, 4, 5, 6]
        assert events[0]["transactions"] == []


async def test_one_that_lies_too_far_behind_is_told_what_it_missed() -> None:
    async with opened(RpcLimits(subscription_behind_max=3)) as door, door.websocket() as socket:
        door.backend.height = 10
        await _ask(socket, "ledger_subscribe", {"topic": "blocks", "from": 1})
        missed, *told = await _events(socket, 4)
        assert missed["missed"] == {"from": 1, "to": 7}
        assert [event["height"] for event in told] == [8, 9, 10]


async def test_a_block_that_is_not_here_any_more_is_told_as_missed() -> None:
    async with opened() as door, door.websocket() as socket:
        door.backend.height, door.backend.pruned = 3, {2}
        await _ask(socket, "ledger_subscribe", {"topic": "blocks", "from": 1})
        assert [event.get("missed") for event in await _events(socket, 3)] == [
            None,
            {"from": 2, "to": 2},
            None,
        ]


async def test_an_ended_subscription_tells_nothing_more() -> None:
    async with opened() as door, door.websocket() as socket:
        id = (await _ask(socket, "ledger_subscribe", ["blocks"]))["result"]
        assert (await _ask(socket, "ledger_unsubscribe", [id]))["result"] is True
        assert (await _ask(socket, "ledger_unsubscribe", [id]))["error"]["code"] == -32001
        door.backend.grow()
        assert (await _ask(socket, "node_status", [], 9))["id"] == 9


async def test_subscriptions_are_bounded_and_a_topic_must_be_known() -> None:
    async with opened(RpcLimits(subscriptions_max=1)) as door, door.websocket() as socket:
        assert "result" in await _ask(socket, "ledger_subscribe", ["blocks"])
        assert (await _ask(socket, "ledger_subscribe", ["blocks"]))["error"]["code"] == -32003
        assert (await _ask(socket, "ledger_subscribe", ["weather"]))["error"]["code"] == -32602


async def test_a_server_that_stops_says_goodbye_to_its_websockets() -> None:
    async with opened() as door, door.websocket() as socket:
        await _ask(socket, "ledger_subscribe", ["blocks"])
        await asyncio.gather(door.runner.cleanup(), _until_closed(socket))
        assert socket.close_code == 1001


async def _until_closed(socket: ClientWebSocketResponse) -> None:
    async for _ in socket:
        continue


async def test_topics_of_governance_and_nodes_tell_of_public_transactions_only() -> None:
    async with opened() as door, door.websocket() as socket:
        door.backend.transactions = {
            1: [{"id": "a" * 64, "action": None}],
            2: [
                {"id": "b" * 64, "action": "ballot"},
                {"id": "c" * 64, "action": "synced"},
                {"id": "d" * 64, "action": None},
            ],
        }
        for number, topic in enumerate(("governance", "nodes"), start=1):
            await socket.send_json(
                {"jsonrpc": "2.0", "id": number, "method": "ledger_subscribe", "params": [topic, 1]}
            )
            assert (await socket.receive_json())["id"] == number
        door.backend.grow(3)
        events = [(await socket.receive_json())["params"] for _ in range(2)]
        told = {
            one["topic"]: (one["height"], [it["id"] for it in one["transactions"]])
            for one in events
        }
        assert told == {"governance": (2, ["b" * 64]), "nodes": (2, ["c" * 64])}


async def test_who_goes_away_while_its_ping_is_answered_is_no_bug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def gone(_self: object, _message: bytes = b"") -> None:
        raise ClientConnectionResetError("Cannot write to closing transport")

    monkeypatch.setattr(web.WebSocketResponse, "pong", gone)
    with capture_logs() as logs:
        async with opened() as door, door.websocket() as socket:
            await socket.ping()
            assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
    assert [one for one in logs if one["event"] == "rpc.bug"] == []
