"""Blocks are read in slices, long answers are written in pieces, readers cost what they may (T70).
No clock: what is counted is what stands between two turns."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import msgpack
import pytest
from aiohttp import WSMsgType
from tests.node.rpc.fake import opened

from strongroom.node.credentials import Credential
from strongroom.node.faults import Overloaded, TooLarge
from strongroom.node.organisations import DoorPolicy, Organisation
from strongroom.node.rpc import app_keys, frames, lanes, outgoing
from strongroom.node.rpc.backend import Document, Rows
from strongroom.node.rpc.forms import JSON, MSGPACK, Form
from strongroom.node.rpc.lanes import DESKS, Lane
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.messages import STRANGER_BYTES_MAX, VALUES_MAX, check_values
from strongroom.node.rpc.outgoing import Outgoing, Unread
from strongroom.node.rpc.reading import SLICE_BYTES_MIN, Library
from strongroom.node.rpc.room import Room
from strongroom.node.rpc.slices import SLICE_ROWS, read
from strongroom.node.rpc.weights import BURST, Allowances, Payer, weight_of

COUNT = 5 * SLICE_ROWS + 7
A, B = Payer("a", "bank"), Payer("b", "bank")


def request(method: str, params: Any, id: int = 1) -> Document:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def row(index: int) -> Document:
    return {"index": index, "id": bytes([index % 256]) * 32, "action": "x" if index % 3 else None}


class Book:
    """A full block that tells how much of it was described at a time."""

    def __init__(self, count: int = COUNT) -> None:
        self.described: list[int] = []
        self._rows = Rows(count, self._page)

    def _page(self, offset: int, limit: int) -> list[Document]:
        page = [row(index) for index in range(offset, min(offset + limit, self._rows.count))]
        self.described.append(len(page))
        return page

    def describe(self) -> Document:
        return {"height": 1, "transactions": self._rows, "bytes": 5}


class Counting(Lane):
    """Counts the slices and writes down whose turn each was."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[object] = []

    async def slice(self, prepare: Any, spent: Any = None) -> Any:
        def noted() -> Any:
            self.turns.append(asyncio.current_task())
            return prepare()

        return await super().slice(noted, spent)


@pytest.mark.parametrize("form", [JSON, MSGPACK], ids=["json", "msgpack"])
@pytest.mark.parametrize("count", [0, 1, SLICE_ROWS, COUNT])
async def test_T70_no_slice_describes_more_than_its_rows_and_the_pieces_make_the_whole(
    form: Form, count: int
) -> None:
    book, lane = Book(count), Counting()
    members, told = await read(lane, form, lambda: book.describe, lambda _: None)
    assert told == count
    assert form.map(tuple(members.items())) == form.encode(
        {"height": 1, "bytes": 5, "transactions": [row(index) for index in range(count)]}
    )
    assert max(book.described, default=0) <= SLICE_ROWS
    assert len(lane.turns) == 1 + len(book.described)


@pytest.mark.parametrize("form", [JSON, MSGPACK], ids=["json", "msgpack"])
async def test_rows_that_are_not_told_are_left_out_of_the_slices(form: Form) -> None:
    book = Book()
    kept = [one for one in map(row, range(COUNT)) if one["action"]]
    members, told = await read(
        Lane(), form, lambda: book.describe, lambda _: None, lambda one: bool(one["action"])
    )
    assert (told, members["transactions"]) == (len(kept), form.encode(kept))


async def test_T70_slices_of_several_readers_take_turns() -> None:
    library = Library(lane=Counting())
    lane = library.lane
    assert isinstance(lane, Counting)
    long = [
        asyncio.create_task(library.one(Room(JSON), A, lambda: Book().describe)) for _ in range(3)
    ]
    while len(lane.turns) < 4:
        await asyncio.sleep(0)
    assert not any(task.done() for task in long)
    await asyncio.gather(*long)
    halves = lane.turns[: len(lane.turns) // 2]
    assert {halves.count(task) for task in long} <= set(range(len(halves) // 3 - 1, 6))


async def test_T70_one_slice_at_a_time_and_a_counter_of_its_own_for_who_asks_little() -> None:
    library, gate = Library(lane=Counting()), threading.Event()
    lane = library.lane
    assert isinstance(lane, Counting)

    def describe() -> Document:
        gate.wait()
        return {"height": 1}

    long = [asyncio.create_task(library.one(Room(JSON), A, lambda: describe)) for _ in range(DESKS)]
    while not lane.turns:
        await asyncio.sleep(0)
    short = await library.one(Room(JSON), B, lambda: lambda: {"height": 9}, short=True)
    assert json.loads(short) == {"height": 9}
    assert len(lane.turns) == 1
    gate.set()
    await asyncio.gather(*long)
    assert len(lane.turns) == DESKS


async def test_T70_only_so_many_blocks_are_held_at_a_time() -> None:
    lane, open_now, most = Lane(), 0, 0

    async def reads() -> None:
        nonlocal open_now, most
        async with lane.desk():
            open_now += 1
            most = max(most, open_now)
            await lane.slice(lambda: lambda: None)
            open_now -= 1

    await asyncio.gather(*(reads() for _ in range(4 * DESKS)))
    assert most == DESKS


async def test_T70_a_block_beyond_a_reply_is_not_described_to_its_end() -> None:
    book, library = Book(), Library()
    room = Room(JSON, left=3 * SLICE_ROWS * 100)
    with pytest.raises(TooLarge, match="ledger_transactions"):
        await library.one(room, A, lambda: book.describe)
    assert sum(book.described) < COUNT
    assert library.allowances._levels[A][0] < BURST  # what was read in vain weighs too


# --- writing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 125, 126, frames.PIECE_BYTES, 3 * frames.PIECE_BYTES + 1])
async def test_a_message_in_pieces_is_the_message(size: int) -> None:
    payload = bytes(index % 251 for index in range(size))
    made = list(frames.pieces(False, payload))
    assert max(map(len, made)) <= frames.PIECE_BYTES + 4
    assert [one[0] & 0x80 for one in made] == [0] * (len(made) - 1) + [0x80]
    assert [one[0] & 0x0F for one in made] == [frames.BINARY] + [0] * (len(made) - 1)
    assert b"".join(one[4 if len(one) > 127 else 2 :] for one in made) == payload


async def test_T70_long_answers_come_in_pieces_over_both_and_nothing_comes_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames, "PIECE_BYTES", 2048)
    rows = [{"index": index, "id": "ab" * 32} for index in range(3_000)]
    async with opened() as door, door.websocket() as socket:
        door.backend.grow()
        door.backend.transactions = {1: rows}
        await socket.send_json(request("ledger_subscribe", ["heads"], 1))
        assert (await socket.receive_json())["result"] == 1

        async def grow() -> None:
            while True:
                door.backend.grow()
                await asyncio.sleep(0)

        growing = asyncio.create_task(grow())
        blocks: list[Any] = []
        heights: list[int | None] = []
        for id in range(2, 6):
            await socket.send_json(request("ledger_block", [1], id))
        while len(blocks) < 4:
            told = await socket.receive_json()
            if "id" in told:
                blocks.append(told["result"])
            else:
                heights.append(told["params"].get("height"))
        growing.cancel()
        assert [len(block["transactions"]) for block in blocks] == [3_000] * 4
        assert heights
        assert (await door.call("ledger_block", [1]))["result"] == blocks[0]


async def test_T70_who_does_not_read_is_cut_off_and_holds_nothing() -> None:
    rows = [{"index": index, "id": "ab" * 32} for index in range(20_000)]
    limits = RpcLimits(write_seconds_max=0.5, heartbeat_seconds=600.0)
    async with opened(limits) as door, door.websocket() as socket:
        door.backend.grow()
        door.backend.transactions = {1: rows}
        for id in range(1, 11):
            await socket.send_json(request("ledger_block", [1], id))
        connection = socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.pause_reading()
        while door.open_connections:
            await asyncio.sleep(0.05)
        assert _outgoing(door).held == 0


async def test_answers_that_wait_for_readers_are_counted_and_forgotten_when_they_are_gone() -> None:
    whole = Outgoing(most=100)
    one = Outgoing(most=50, whole=whole)
    room = Room(JSON, outgoing=one)
    room.take(60)
    with pytest.raises(Overloaded):
        room.check()
    whole.check()
    other = Room(JSON, outgoing=Outgoing(most=500, whole=whole))
    other.take(60)
    with pytest.raises(Overloaded):
        Room(JSON, outgoing=Outgoing(whole=whole)).check()
    room.close()
    room.close()
    assert (one.held, whole.held) == (0, 60)
    room.check()


async def test_T70_a_full_house_refuses_further_blocks_and_holds_nothing_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened() as door:
        door.backend.grow()
        held = _outgoing(door)
        share = held.share("127.0.0.1 anyone", known=True)
        share.add(outgoing.OUTGOING_BYTES_MAX // 2 + 1)
        assert (await door.call("ledger_block", [1]))["error"]["code"] == -32005
        share.add(-(outgoing.OUTGOING_BYTES_MAX // 2 + 1))
        assert "result" in await door.call("ledger_block", [1])
        batch = [request("ledger_block", [1], id) for id in range(5)]
        assert len(await door.post(batch)) == 5
        assert held.held == 0


def _outgoing(door: Any) -> Unread:
    unread: Unread = door.runner.app[app_keys.LIBRARY].outgoing
    return unread


def test_T70_no_caller_fills_the_house_alone_and_strangers_never_that_of_who_is_known() -> None:
    unread = Unread(100)
    greedy = unread.share("10.0.0.1 anyone", known=False)
    greedy.add(51)
    with pytest.raises(Overloaded):
        greedy.check()
    other = unread.share("10.0.0.2 anyone", known=False)
    other.check()
    other.add(60)
    with pytest.raises(Overloaded):
        unread.share("10.0.0.3 anyone", known=False).check()
    unread.share("bank", known=True).check()
    greedy.add(-51)
    greedy.add(0)
    other.add(-60)
    assert unread.held == 0
    assert not unread.strangers._held, "nothing is remembered of who holds nothing"


# --- asking ---------------------------------------------------------------------------------------


async def test_T70_requests_weigh_what_they_cost_and_submissions_are_their_organisations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("strongroom.node.rpc.weights.RATE", 1)
    async with opened() as door:
        batch = [request("node_evidence", ["ab" * 32], id) for id in range(100)]
        codes: list[int | None] = []
        while isinstance(replies := await door.post(batch), list):
            codes += [reply.get("error", {}).get("code") for reply in replies]
        assert codes.index(-32005) == BURST // weight_of("node_evidence") + 1
        assert replies["error"]["code"] == -32005  # once for a whole batch, from then on
        refused = (await door.call("node_status"))["error"]
        assert refused["code"] == -32005
        assert refused["data"]["retry_after_ms"] > 0
        assert "result" in await door.call("ledger_submit", [""])


def test_what_asks_every_member_or_the_chip_weighs_more_than_what_is_in_memory() -> None:
    assert weight_of("service_heads") > 10 * weight_of("node_status")
    allowances = Allowances()
    allowances.spend(A, BURST + 1, 0.0)
    with pytest.raises(Overloaded):
        allowances.spend(A, 1, 0.0)
    allowances.spend(B, 1, 0.0)


async def test_T70_who_shows_no_credential_sends_short_messages() -> None:
    async with opened(policy=DoorPolicy()) as door:
        assert STRANGER_BYTES_MAX < 40 * 16_384
        long = json.dumps(request("ledger_submit_many", [["A" * 16_384] * 40]))
        headers = {"Content-Type": "application/json"}
        async with door.http.post(f"{door.url}/rpc", data=long, headers=headers) as response:
            assert response.status == 413
            assert "credential" in await response.text()
        async with door.websocket() as socket:
            await socket.send_str(long)
            assert (await socket.receive()).type is WSMsgType.CLOSE
    async with opened() as door:
        assert len((await door.post(long))["result"]) == 40


async def test_T70_a_message_of_very_many_values_is_not_even_parsed() -> None:
    values = "[" + "0," * VALUES_MAX + "0]"
    async with opened() as door:
        assert (await door.post(values))["error"]["code"] == -32003
        async with door.websocket() as socket:
            await socket.send_str(values)
            assert (await socket.receive_json())["error"]["code"] == -32003
    with pytest.raises(TooLarge):
        check_values(b"{" * (VALUES_MAX + 1))
    check_values(json.dumps([request("ledger_submit_many", [["QUJD"] * 1024])] * 100))


# --- telling --------------------------------------------------------------------------------------


async def test_a_listener_that_is_slow_for_a_while_misses_and_doubles_nothing() -> None:
    rows = [{"index": index, "id": "ab" * 32} for index in range(200)]
    patient = RpcLimits(write_seconds_max=3600.0, heartbeat_seconds=3600.0)
    async with opened(patient) as door:
        door.backend.transactions = dict.fromkeys(range(1, 400), rows)
        async with door.websocket() as slow, door.websocket() as quick:
            for socket in (slow, quick):
                await socket.send_bytes(msgpack.packb(request("ledger_subscribe", ["blocks"])))
                await socket.receive()
            connection = slow._response.connection
            assert connection is not None
            assert connection.transport is not None
            connection.transport.pause_reading()
            for height in range(1, 301):
                door.backend.grow()
                event = msgpack.unpackb(await quick.receive_bytes())["params"]
                assert event["height"] == height
                assert max(_unsent(door)) < 400_000
            connection.transport.resume_reading()
            for height in range(1, 301):
                event = msgpack.unpackb(await slow.receive_bytes())["params"]
                assert event["height"] == height
                assert len(event["block"]["transactions"]) == 200


def _unsent(door: Any) -> list[int]:
    """Bytes that the server holds for each of its WebSockets."""
    return [
        connection._request.transport.get_write_buffer_size()
        for connection in door.runner.app[app_keys.CONNECTIONS]
    ]


async def test_who_listens_from_a_later_height_holds_up_nobody_who_listens_from_now() -> None:
    async with opened() as door, door.websocket() as later, door.websocket() as now:
        door.backend.grow(3)
        await later.send_json(request("ledger_subscribe", ["heads", 6]))
        await later.receive()
        for _ in range(20):
            await asyncio.sleep(0)
        await now.send_json(request("ledger_subscribe", ["heads"]))
        await now.receive()
        door.backend.grow()
        assert (await now.receive_json())["params"]["height"] == 4
        door.backend.grow(2)
        assert (await later.receive_json())["params"]["height"] == 6
        assert [(await now.receive_json())["params"]["height"] for _ in range(2)] == [5, 6]


# --- whose ----------------------------------------------------------------------------------------


async def test_T70_an_organisation_behind_a_strangers_address_has_its_own_allowance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("strongroom.node.rpc.weights.RATE", 1)
    bank = Credential.fresh()
    policy = DoorPolicy(organisations=(Organisation(name="bank", digest=bank.digest),))
    async with opened(policy=policy) as door:
        door.backend.grow()
        batch = [request("node_evidence", ["ab" * 32], id) for id in range(100)]
        while isinstance(await door.post(batch), list):
            pass
        for method, params in (("node_status", []), ("ledger_block", [1])):
            assert (await door.call(method, params))["error"]["code"] == -32005
            async with door.http.post(
                f"{door.url}/rpc", json=request(method, params), headers=bank.header
            ) as response:
                assert "result" in await response.json()


async def test_T70_a_reader_that_goes_away_keeps_its_turn_while_its_thread_runs_and_pays() -> None:
    library, gate = Library(), threading.Event()
    begun = most = 0

    def describe() -> Document:
        nonlocal begun, most
        begun += 1
        most = max(most, begun)
        gate.wait()
        begun -= 1
        return {"height": 1}

    try:
        for _ in range(3):
            reading = asyncio.create_task(library.one(Room(JSON), A, lambda: describe))
            for _ in range(20):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait({reading})
        assert library.allowances._levels[A][0] <= BURST - SLICE_BYTES_MIN
        last = asyncio.create_task(library.one(Room(JSON), A, lambda: describe))
        for _ in range(20):
            await asyncio.sleep(0)
        assert library.lane._turn.locked()
    finally:
        gate.set()
    assert json.loads(await last) == {"height": 1}
    assert most == 1


async def test_T70_a_stranger_that_tells_no_length_sends_no_more_than_others() -> None:
    async def parts(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b" " * 65_536

    headers = {"Content-Type": "application/json"}
    async with opened(policy=DoorPolicy()) as door:
        for count, status in ((STRANGER_BYTES_MAX // 65_536 + 1, 413), (1, 200)):
            async with door.http.post(
                f"{door.url}/rpc", data=parts(count), headers=headers
            ) as response:
                assert response.status == status


TOOK = 0.0021


async def test_T70_readers_rest_longer_the_later_the_loop_comes_to_its_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a machine that has more to do than it can: counted on a clock of its own. A spell of five
    slices rests once, for all of them, less what the loop was late between them."""
    small = TOOK * (1 + lanes.LATE_SHARE)
    for late, pause in (
        (0.0, TOOK),
        (0.0001, TOOK + lanes.LATE_PAUSES * 0.0001),
        (0.01, small),
    ):
        starts = [5.0 + index * (TOOK + late) for index in range(6)]
        times = iter([at for one in starts for at in (one, one + TOOK, one + TOOK + late)])
        paused: list[float] = []

        async def sleep(seconds: float, paused: list[float] = paused) -> None:
            paused.append(seconds)

        monkeypatch.setattr(lanes, "monotonic", times.__next__)
        lane = lanes.Lane()
        with monkeypatch.context() as patch:
            patch.setattr("strongroom.node.rpc.lanes.asyncio.sleep", sleep)
            for _ in range(4):
                assert await lane.run(lambda: lambda: "read") == "read"
            assert paused == []
            await lane.run(lambda: lambda: "read")
            assert paused == [pytest.approx(5 * pause - 4 * late)]
            await lane.run(lambda: lambda: "read")
        assert len(paused) == 1


async def test_T70_a_lane_that_lay_idle_for_as_long_as_it_owes_begins_a_new_spell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starts = (5.0, 6.0, 7.0)
    times = iter([at for one in starts for at in (one, one + 0.009, one + 0.009)])
    monkeypatch.setattr(lanes, "monotonic", times.__next__)
    lane, paused = lanes.Lane(), list[float]()

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    with monkeypatch.context() as patch:
        patch.setattr("strongroom.node.rpc.lanes.asyncio.sleep", sleep)
        for _ in starts:
            await lane.run(lambda: lambda: "read")
    assert paused == []
