"""A node is paid through the very door at which strangers do all they can (T31, T70, T71)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from scripts import door_attacks
from scripts.attack_door import GROWTH_MIB_MAX, LOG_LINES_MAX, is_good, measure
from tests.hang import HANG_SECONDS

pytestmark = pytest.mark.processes

GOOD: dict[str, Any] = {
    "rounds": {one.__name__: 2 for one in door_attacks.ALL},
    "paid": 40,
    "state": "voting",
    "blocks": 40,
    "grew_mib": 100.0,
    "broken": [],
    "bugs": 0,
    "tracebacks": 0,
    "malformed_lines": 1,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rounds", {"floods": 2}),
        ("paid", 1),
        ("state", "syncing"),
        ("blocks", 0),
        ("grew_mib", GROWTH_MIB_MAX),
        ("broken", ["rebinding: answered"]),
        ("bugs", 1),
        ("tracebacks", 1),
        ("malformed_lines", LOG_LINES_MAX + 1),
    ],
)
def test_the_verdict_is_bad_for_each_thing_that_does_not_hold(name: str, value: object) -> None:
    assert is_good(GOOD, 2)
    assert not is_good({**GOOD, name: value}, 2)


@pytest.mark.long
async def test_T31_T70_T71_a_node_is_paid_through_the_door_that_is_attacked(tmp_path: Path) -> None:
    async with asyncio.timeout(4 * HANG_SECONDS):
        found = await measure(tmp_path / "cluster", nodes=1, rounds=1)
    assert is_good(found, 1), found
