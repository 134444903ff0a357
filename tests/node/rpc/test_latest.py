"""The votes under way: asked for, told, never queued (T31, T70)."""

import asyncio
import json
from typing import Any

import pytest
from tests.node.rpc.fake import Door, opened
from tests.node.rpc.results import problems

from strongroom.consensus.replica.picture import LanePicture, ReplicaPicture, ViewPicture
from strongroom.consensus.types import Epoch, Height, Sequence, SignerIndex, View
from strongroom.consensus.validators import VALIDATORS_MAX
from strongroom.node.api.voting import consensus_document
from strongroom.node.faults import NotReady, Overloaded
from strongroom.node.rpc import app_keys, latest
from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.forms import JSON, Form
from strongroom.node.rpc.latest import Latest
from strongroom.node.rpc.weights import WEIGHT


@pytest.fixture(autouse=True)
def looks_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(latest, "LOOK_BYTES", float("inf"))


def subscription(id: int = 1, start: int | None = None) -> Document:
    params = {"topic": "consensus", **({} if start is None else {"from": start})}
    return {"jsonrpc": "2.0", "id": id, "method": "ledger_subscribe", "params": params}


def viewers(door: Door) -> Latest:
    return door.runner.app[app_keys.CROWDS].latest(JSON)


async def looks(door: Door, count: int) -> None:
    """Until it was looked at so many times more."""
    enough = door.backend.looks + count
    while door.backend.looks < enough:
        await asyncio.sleep(0)


async def test_a_subscriber_is_told_of_what_is_now_and_then_of_each_change() -> None:
    async with opened() as door, door.websocket() as socket:
        await socket.send_json(subscription())
        assert (await socket.receive_json())["result"] == 1
        told = (await socket.receive_json())["params"]
        assert (told["subscription"], told["topic"], told["view"]) == (1, "consensus", 1)
        await looks(door, 20)
        door.backend.view = 2
        assert (await socket.receive_json())["params"]["view"] == 2
        assert (await door.call("node_consensus"))["result"]["view"] == 2


async def test_it_is_looked_at_for_nobody() -> None:
    async with opened() as door:
        async with door.websocket() as socket:
            await socket.send_json(subscription())
            await socket.receive_json()
            await looks(door, 3)
            await socket.send_json(
                {"jsonrpc": "2.0", "id": 2, "method": "ledger_unsubscribe", "params": [1]}
            )
            while viewers(door).viewers:
                await asyncio.sleep(0)
        task = viewers(door)._task
        assert task is not None
        await task


async def test_a_height_is_refused_for_there_is_none() -> None:
    async with opened() as door, door.websocket() as socket:
        await socket.send_json(subscription(start=1))
        assert (await socket.receive_json())["error"]["code"] == -32602


async def test_T31_a_slow_reader_is_told_the_newest_and_nothing_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened() as door:
        taken: list[int] = []
        slow = True

        def put(frame: bytes) -> bool:
            if slow:
                return False
            taken.append(json.loads(frame[frame.index(b"{") :])["params"]["view"])
            return True

        quick: list[bytes] = []
        both = Latest(door.backend, JSON)
        tasks = [asyncio.create_task(both.listen(1, one)) for one in (put, _kept(quick))]
        for view in range(2, 12):
            door.backend.view = view
            await looks(door, 2)
        slow = False
        await looks(door, 2)
        assert taken == [11]
        assert len(quick) >= 10
        for task in tasks:
            task.cancel()
        both.end()


def _kept(frames: list[bytes]) -> Any:
    def put(frame: bytes) -> bool:
        frames.append(frame)
        return True

    return put


async def test_T70_one_picture_is_encoded_once_for_all_who_are_told() -> None:
    async with opened() as door:
        made = 0

        def encode(value: Any) -> bytes:
            nonlocal made
            made += 1
            return JSON.encode(value)

        parts = {name: getattr(JSON, name) for name in JSON.__slots__}
        many = Latest(door.backend, Form(**{**parts, "encode": encode}))
        told: list[bytes] = []
        tasks = [asyncio.create_task(many.listen(1, _kept(told))) for _ in range(100)]
        while len(told) < 100:
            await asyncio.sleep(0)
        assert made <= 2 * len(door.backend.node_consensus())
        assert len({id(one) for one in told}) <= 2
        for task in tasks:
            task.cancel()
        many.end()


async def test_a_node_that_takes_no_part_yet_tells_later_and_a_bug_ends_it_in_words() -> None:
    async with opened() as door, door.websocket() as socket:
        door.backend.bug = NotReady("waits", retry_after_ms=1)
        await socket.send_json(subscription())
        assert (await socket.receive_json())["result"] == 1
        await looks(door, 3)
        door.backend.bug = None
        assert (await socket.receive_json())["params"]["view"] == 1
        door.backend.bug = ValueError("a bug")
        assert (await socket.receive_json())["params"]["ended"] == "Internal error"


async def test_T70_a_connection_is_told_of_the_votes_once() -> None:
    async with opened() as door, door.websocket() as socket:
        replies = list[Document]()
        for id in (1, 2):
            await socket.send_json(subscription(id))
        while len(replies) < 2:
            message = await socket.receive_json()
            replies += [message] if "id" in message else []
        assert replies[0]["result"] == 1
        assert replies[1]["error"]["code"] == -32602
        assert "subscription 1" in replies[1]["error"]["message"]
        await socket.send_json(
            {"jsonrpc": "2.0", "id": 3, "method": "ledger_unsubscribe", "params": [1]}
        )
        await socket.send_json(subscription(4))
        while (message := await socket.receive_json()).get("id") != 4:
            pass
        assert message["result"] == 2


async def test_T70_what_a_viewer_is_told_weighs_on_its_address_and_who_owes_is_told_later() -> None:
    async with opened() as door:
        paid, told, may = list[int](), list[bytes](), True

        def spend(size: int) -> None:
            if not may:
                raise Overloaded("much was asked for", retry_after_ms=1)
            paid.append(size)

        many = Latest(door.backend, JSON)
        task = asyncio.create_task(many.listen(1, _kept(told), spend))
        while not told:
            await asyncio.sleep(0)
        assert paid == [len(told[0])]
        may = False
        for view in (2, 3):
            door.backend.view = view
            await looks(door, 3)
        assert len(told) == 1
        may = True
        await looks(door, 3)
        assert len(told) == 2
        assert b'"view":3' in told[1]
        task.cancel()
        many.end()


async def test_T70_a_subscription_of_the_votes_is_paid_by_its_connection() -> None:
    async with opened() as door, door.websocket() as socket:
        spent = list[int]()
        allowances = door.runner.app[app_keys.LIBRARY].allowances
        spend = type(allowances).spend

        def noted(self: Any, payer: Any, weight: int, now: float) -> None:
            spent.append(weight)
            spend(self, payer, weight, now)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(allowances), "spend", noted)
            await socket.send_json(subscription())
            await socket.receive_json()
            frame = await socket.receive_str()
        heads = range(2, 15)  # of a WebSocket frame (RFC 6455 §5.2)
        assert {WEIGHT + len(frame.encode()) + head for head in heads} & set(spent)


def test_a_picture_is_bounded_by_the_number_of_validators() -> None:
    all_of_them = tuple(map(SignerIndex, range(VALIDATORS_MAX)))
    view = ViewPicture(
        view=View(2**63),
        leader=SignerIndex(0),
        proposal=None,
        notarize=all_of_them,
        nullify=all_of_them,
        finalize=all_of_them,
    )
    lanes = tuple(
        LanePicture(lane=index, length=Sequence(2**63), waiting=2**20, frozen=True)
        for index in all_of_them
    )
    picture = ReplicaPicture(
        epoch=Epoch(2**63),
        height=Height(2**63),
        quorum=171,
        current=view,
        before=view,
        lasted=1e9,
        lanes=lanes,
        strikes=30,
        delta=64.0,
        proposal_in=1.0,
        view_in=None,
        retry_in=0.5,
    )
    names = ["n" * 60 + f"{index:04}" for index in range(VALIDATORS_MAX)]
    document = consensus_document(picture, names, own="n0", time_ms=2**42)
    assert problems("node_consensus", document) == []
    assert len(JSON.encode(document)) < 192 * 1024
    assert document["since_ms"] == 10**12
    assert document["timeouts"]["retry_ms"] == 500
