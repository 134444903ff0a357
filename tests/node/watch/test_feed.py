"""The live feed takes from a node's WebSocket numbers where numbers belong, or nothing."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.node.watch.told import ENDPOINTS, NOON, head

from strongroom.node.watch.feed import LiveFeed

COPIES = "\x1b]52;c;cm0gLXJm\x07"
"""To a terminal: put this on the clipboard."""


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
