"""A search ends, whatever a node shows."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from strongroom.node.client.errors import NotTrusted
from strongroom.node.explorer.search import FOUND_MAX, search
from strongroom.node.explorer.source import Source

NEWEST = 250
DIGITS = "2b88cd4e"
ASKED_MAX = 200
"""Of a hostile node: beyond, the search does not end."""


def block(height: Any, count: int = 0) -> dict[str, Any]:
    row = {"id": DIGITS, "kind": "sealed", "status": "executed", "index": 0}
    rows = [row | {"index": index} for index in range(count)]
    return {"height": height, "hash": "00" * 32, "transactions": rows, "count": count}


class Node:
    """What a node answers to who searches, and how often it is asked for blocks."""

    def __init__(self, pages: Sequence[Any], first_found: int = 0) -> None:
        self._pages, self._rows = pages, first_found
        self.asked = 0

    async def ask(self, method: str, **params: Any) -> Any:
        if method == "node_status":
            return {"height": NEWEST}
        if method == "service_policy":
            return {}
        if method == "governance_access":
            return {"grants": []}
        if method != "ledger_blocks":
            return []
        self.asked += 1
        assert self.asked < ASKED_MAX, "it does not end"
        return [
            block(params["from"] + one if type(one) is int else one, self._rows)
            for one in self._pages
        ]


def source(node: Node) -> Source:
    return cast(Source, node)


@pytest.mark.parametrize("page", [[-1], [0, 0], [0, 2], [1], [0, -1], [None], [*range(101)]])
async def test_a_node_that_shows_other_blocks_is_not_believed(page: list[Any]) -> None:
    node = Node(page)
    with pytest.raises(NotTrusted):
        await search(source(node), DIGITS)
    assert node.asked <= 100


async def test_what_is_found_is_bounded_where_it_is_found() -> None:
    node = Node([0], first_found=60)
    assert len(await search(source(node), DIGITS)) <= FOUND_MAX
    assert node.asked == 2


async def test_the_newest_blocks_are_asked_for_once_each() -> None:
    node = Node([0])
    assert await search(source(node), DIGITS) == []
    assert node.asked == 100
