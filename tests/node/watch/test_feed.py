"""The live feed takes from a node's WebSocket numbers where numbers belong, or nothing."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.node.watch.told import ENDPOINTS, NOON, head

from strongroom.node.watch.feed import BACK_BLOCKS, LiveFeed

COPIES = "\x1b]52;c;cm0gLXJm\x07"
"""To a terminal: put this on the clipboard."""


class Socket:
    """A node that says it executed so much, and is asked for heads."""

    def __init__(self, executed: object) -> None:
        self._executed = executed
        self.first: int | None = None

    async def send_str(self, text: str) -> None:
        self.first = json.loads(text)["params"].get("from", self.first)

    async def receive_str(self) -> str:
        return json.dumps({"result": {"executed": self._executed}})


async def begun_at(one: LiveFeed, executed: object) -> int | None:
    socket = Socket(executed)
    await one._subscribe(cast(Any, socket))
    return socket.first


async def test_after_a_node_that_lied_about_its_height_the_next_ones_blocks_are_asked_for() -> None:
    one = feed()
    assert await begun_at(one, 100) == 100 - BACK_BLOCKS + 1
    await one._tell({"method": "ledger_event", "params": told_head(110)})
    assert await begun_at(one, 120) == 111
    await one._tell({"method": "ledger_event", "params": told_head(2**60)})
    assert await begun_at(one, 130) == 130 - BACK_BLOCKS + 1
    await one._tell({"method": "ledger_event", "params": told_head(131)})
    assert await begun_at(one, 131) == 132
    with pytest.raises(ValueError, match="height"):
        await begun_at(one, float("inf"))


def told_head(height: int) -> dict[str, Any]:
    return head(NOON, height).document | {"topic": "heads"}


def feed() -> LiveFeed:
    service = SimpleNamespace(endpoints=tuple(ENDPOINTS), ca=Path("ca.pem"), credential=None)
    return LiveFeed(cast(Any, service))


@pytest.mark.parametrize("height", [COPIES, None, True, -1, 1.5, float("inf"), [7], 2**63])
async def test_a_height_that_is_no_number_ends_the_feed_and_is_not_shown(height: Any) -> None:
    public = [{"action": "gov.vote", "status": "executed"}]
    for params in (
        {"missed": {"from": height, "to": 9}},
        {"missed": {"from": 7, "to": height}},
        {"topic": "governance", "height": height, "transactions": public},
        head(NOON, 1).document | {"topic": "heads", "height": height},
    ):
        one = feed()
        with pytest.raises(ValueError, match="height"):
            await one._tell({"method": "ledger_event", "params": params})
        assert one._events.empty()
