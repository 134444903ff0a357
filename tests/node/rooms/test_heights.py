"""A room's host that tells of new blocks: from a node's subscription, at once, and never for
longer than it may wait (ROOMS §2)."""

import asyncio
from typing import Any, cast

import pytest
from tests.waiting import so

from strongroom.consensus.errors import ClientFault
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.calls.events import Events
from strongroom.node.rooms import heights
from strongroom.node.rooms.heights import Heights

TURNS = 20
"""Of the event loop, in which whoever is woken has had its own."""


class Node:
    """A connection whose node has executed blocks up to a height."""

    def __init__(self, executed: int) -> None:
        self.alive, self.executed = True, executed
        self.events, self.subscribed = Events(), list[tuple[str, int]]()

    async def ask(self, method: str) -> dict[str, Any]:
        assert method == "node_status"
        return {"executed": self.executed}

    async def subscribe(self, topic: str, start: int) -> Events:
        self.subscribed.append((topic, start))
        return self.events

    def block(self, height: int) -> None:
        self.events.put({"height": height})


async def above(told: Heights, node: Node, after: object) -> int:
    return await told.above(cast(Connection, node), after)


async def test_a_block_that_is_there_is_told_at_once_and_one_to_come_when_it_comes() -> None:
    told, node = Heights(), Node(7)
    assert await above(told, node, 3) == 7
    waits = [asyncio.create_task(above(told, node, 7)) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(one.done() for one in waits)
    node.block(8)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert [one.done() and one.result() for one in waits] == [8, 8]
    assert node.subscribed == [("heads", 8)]
    node.events.put({"missed": {"from": 9, "to": 30}})
    assert await above(told, node, 8) == 30
    await told.end()


async def test_a_silent_node_is_waited_for_no_longer_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heights, "NEXT_SECONDS_MAX", 0.0)
    told, node = Heights(), Node(7)
    assert await above(told, node, 7) == 7
    await told.end()


async def test_another_connection_is_followed_anew_and_one_that_ends_wakes_who_waits() -> None:
    told, node, other = Heights(), Node(7), Node(5)
    waits = asyncio.create_task(above(told, node, 7))
    await so(lambda: node.subscribed, "it is followed")
    node.alive = False
    node.events.end()
    assert await waits == 7
    assert await above(told, other, 0) == 5
    assert other.subscribed == [("heads", 6)]
    await told.end()


async def test_nonsense_is_no_height() -> None:
    with pytest.raises(ClientFault):
        await above(Heights(), Node(1), "soon")
    told, node = Heights(), Node(7)
    assert await above(told, node, 0) == 7
    node.events.put({"height": "eight"})
    waits = asyncio.create_task(above(told, node, 7))
    node.alive = False
    assert await waits == 7
    await told.end()
