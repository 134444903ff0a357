"""How much one message may ask for, and what many listeners cost (T31)."""

import asyncio
import json
import threading
from typing import Any

import msgpack
import pytest
from tests.node.rpc.fake import opened

from strongroom.node.faults import Overloaded, TooLarge
from strongroom.node.rpc import lanes, reading, room, weights
from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.forms import JSON, MSGPACK, Encoded
from strongroom.node.rpc.lanes import Lane
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.reading import Library
from strongroom.node.rpc.room import Room
from strongroom.node.rpc.weights import Allowances, Payer

ROWS = [{"index": index, "id": "ab" * 32, "action": None} for index in range(50)]


def request(method: str, params: Any, id: int = 1) -> Document:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies of 12 kB, batches of 24 kB; a block of 50 rows takes about 7 kB."""
    for module in (room, reading):
        monkeypatch.setattr(module, "REPLY_BYTES_MAX", 12_000)
    monkeypatch.setattr(room, "BATCH_BYTES_MAX", 24_000)
    monkeypatch.setattr(
        Room.__init__, "__defaults__", (24_000, *(Room.__init__.__defaults__ or ())[1:])
    )


@pytest.mark.usefixtures("small")
async def test_T70_a_batch_takes_no_more_than_its_bytes_and_what_lies_beyond_is_not_even_read() -> (
    None
):
    async with opened() as door:
        door.backend.grow(100)
        door.backend.transactions = dict.fromkeys(range(1, 101), ROWS)
        calls = [request("ledger_blocks", [1, 100], id) for id in range(100)]
        async with door.http.post(f"{door.url}/rpc", json=calls) as response:
            body = await response.read()
        replies = json.loads(body)
        assert [reply["id"] for reply in replies] == list(range(100))
        given = [reply for reply in replies if "result" in reply]
        assert 1 <= len(given) <= 4
        assert {reply["error"]["code"] for reply in replies if "error" in reply} == {-32003}
        assert door.backend.readings < 20
        assert len(body) < 24_000 + 12_000 + 100 * 400


@pytest.mark.usefixtures("small")
async def test_blocks_are_given_as_many_from_the_first_on_as_fit() -> None:
    async with opened() as door:
        door.backend.grow(9)
        door.backend.transactions = dict.fromkeys(range(1, 101), ROWS)
        blocks = (await door.call("ledger_blocks", [2, 9]))["result"]
        assert [block["height"] for block in blocks] == [2]
        heads = (await door.call("ledger_blocks", {"from": 2, "to": 9, "transactions": False}))[
            "result"
        ]
        assert [head["height"] for head in heads] == list(range(2, 10))
        assert all("transactions" not in head for head in heads)
        door.backend.transactions = {1: ROWS * 3}
        assert (await door.call("ledger_blocks", [1, 9]))["error"]["code"] == -32003
        assert (await door.call("ledger_block", [1]))["error"]["code"] == -32003
        assert (await door.call("ledger_block", [1, False]))["result"]["height"] == 1


@pytest.mark.usefixtures("small")
async def test_what_is_no_block_is_bounded_too_and_a_submissions_fate_is_told_at_any_size() -> None:
    async with opened() as door:
        door.backend.query_answer = door.backend.result = b"x" * 40_000
        error = (await door.call("ledger_query", [""]))["error"]
        assert (error["code"], error["data"]) == (-32003, {"reply_bytes_max": 12_000})
        assert (await door.call("ledger_submit", [""]))["result"]["height"] == 7


async def test_transactions_of_a_block_are_given_in_pages() -> None:
    async with opened() as door:
        door.backend.grow()
        door.backend.transactions = {1: ROWS}
        page = (await door.call("ledger_transactions", {"height": 1, "offset": 40, "limit": 20}))[
            "result"
        ]
        assert [row["index"] for row in page["transactions"]] == list(range(40, 50))
        assert page["count"] == 50
        assert (await door.call("ledger_transactions", [1, 0, 501]))["error"]["code"] == -32003


def test_T70_an_address_that_has_read_much_is_told_when_to_come_back() -> None:
    allowances, bank, mill = Allowances(), Payer("a", "bank"), Payer("a", "mill")
    allowances.check(bank, 0.0)
    allowances.charge(bank, weights.BURST + 2 * weights.RATE, 0.0)
    with pytest.raises(Overloaded) as refused:
        allowances.check(bank, 0.0)
    assert refused.value.data["retry_after_ms"] == 2001
    allowances.check(mill, 0.0)
    allowances.check(bank, 2.1)


def test_addresses_are_bounded() -> None:
    allowances = Allowances()
    for number in range(weights.ADDRESSES_MAX + 10):
        allowances.charge(Payer(str(number)), 1, float(number))
    assert len(allowances._levels) == weights.ADDRESSES_MAX


async def test_T70_blocks_are_described_beside_the_event_loop_one_slice_at_a_time() -> None:
    library, at_once, most = Library(), 0, 0

    def describe() -> Document:
        nonlocal at_once, most
        assert threading.current_thread() is not threading.main_thread()
        at_once += 1
        most = max(most, at_once)
        at_once -= 1
        return {"rows": ROWS}

    many = (library.many(Room(JSON), Payer("a"), [lambda: describe] * 5) for _ in range(4))
    for encoded in await asyncio.gather(*many):
        assert len(json.loads(encoded)) == 5
    assert most == 1


async def test_who_waits_to_read_is_bounded() -> None:
    lane, gate = Lane(), threading.Event()
    waiting = [
        asyncio.create_task(lane.run(lambda: gate.wait)) for _ in range(lanes.READS_WAITING_MAX)
    ]
    while lane._waiting < lanes.READS_WAITING_MAX:
        await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await lane.run(lambda: gate.wait)
    gate.set()
    await asyncio.gather(*waiting)


async def test_T70_who_is_turned_away_from_a_full_room_learns_it_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or it would ask again at once, and the node did nothing but refuse."""
    monkeypatch.setattr(lanes, "READS_WAITING_MAX", 0)
    monkeypatch.setattr(room, "LATE_SECONDS", 0.0)
    async with opened() as door:
        door.backend.grow(2)
        waited: list[bool] = []
        wait = room.Room.wait

        async def looked_at(self: room.Room) -> None:
            waited.append(self.late)
            await wait(self)

        monkeypatch.setattr(room.Room, "wait", looked_at)
        for call in (
            ("ledger_block", [1]),
            ("ledger_block", [1, False]),
            ("ledger_blocks", [1, 2]),
        ):
            reply = await door.call(*call)
            assert reply["error"]["code"] == -32005
            assert reply["error"]["data"]["retry_after_ms"] > 0
        assert waited == [True] * 3


@pytest.mark.parametrize("form", [JSON, MSGPACK])
def test_encoded_parts_are_put_together_as_if_they_had_been_encoded_at_once(form: Any) -> None:
    reply = {"jsonrpc": "2.0", "result": [{"a": 1}, "b"], "id": "x\n"}
    parts = form.array([form.encode({"a": 1}), form.encode("b")])
    assert form.reply({**reply, "result": Encoded(parts)}) == form.encode(reply)


async def test_a_block_is_read_and_encoded_once_however_many_listen() -> None:
    async with opened() as door:
        sockets = [await door.http.ws_connect(f"{door.url}/ws") for _ in range(20)]
        for socket in sockets:
            for topic in ("heads", "blocks"):
                await socket.send_json(request("ledger_subscribe", [topic]))
                assert "result" in await socket.receive_json()
        door.backend.grow()
        for socket in sockets:
            events = [(await socket.receive_json())["params"] for _ in range(2)]
            assert {event["topic"] for event in events} == {"heads", "blocks"}
            head = next(event for event in events if event["topic"] == "heads")
            assert (head["height"], "transactions" in head) == (1, False)
        assert door.backend.readings == 2
        for socket in sockets:
            await socket.close()


async def test_the_first_event_never_comes_before_the_reply_that_names_its_subscription() -> None:
    async with opened(RpcLimits(subscriptions_max=100)) as door, door.websocket() as socket:
        door.backend.grow(3)
        async with (
            door.websocket() as other
        ):  # from now on the events are encoded, and cost no wait
            await other.send_bytes(msgpack.packb(request("ledger_subscribe", ["blocks", 1])))
            for _ in range(4):
                await other.receive_bytes()
        batch = [request("ledger_subscribe", ["blocks", 1], id) for id in range(20)]
        batch.append(request("ledger_submit", [b""], 99))
        door.backend.hold = True
        await socket.send_bytes(msgpack.packb(batch))
        while not door.backend.held:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        door.backend.release()
        first = msgpack.unpackb(await socket.receive_bytes())
        assert type(first) is list
        assert len(first) == 21
        assert msgpack.unpackb(await socket.receive_bytes())["method"] == "ledger_event"


async def test_what_is_ended_before_its_reply_is_sent_never_begins() -> None:
    async with opened() as door, door.websocket() as socket:
        door.backend.grow()
        batch = [request("ledger_subscribe", ["blocks", 1]), request("ledger_unsubscribe", [1], 2)]
        await socket.send_json(batch)
        assert [reply["result"] for reply in await socket.receive_json()] == [1, True]
        await socket.send_json(request("node_status", [], 3))
        assert (await socket.receive_json())["id"] == 3


def test_a_full_room_says_so() -> None:
    with pytest.raises(TooLarge):
        Room(JSON, left=0).check()
