"""What a client that is open and asks nothing costs itself and its nodes: counted in virtual time.

The spare connection, too: who has no room for it is left alone.
"""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.node.client.model.calls_model import open_client, parts
from tests.node.client.model.service_model import ModelDoors, World
from tests.node.client.model.virtual_time import VirtualLoop, run

from strongroom.node.faults import Overloaded

IDLE_SECONDS = 1000
WAKES_PER_SECOND_MAX = 2


class CountingDoors(ModelDoors):
    """Who came in, and when; from `full_from` on none has room."""

    came: list[tuple[float, str]]
    full_from = float("inf")

    async def enter(self, endpoint: str, patience: float) -> Any:
        now = asyncio.get_running_loop().time()
        self.came.append((now, endpoint))
        if now >= self.full_from:
            raise Overloaded("no room for another connection", retry_after_ms=1000)
        return await super().enter(endpoint, patience)


def doors(full_from: float = float("inf")) -> type[CountingDoors]:
    """Doors of their own kind, so that each test counts its own."""
    return type("OwnDoors", (CountingDoors,), {"came": [], "full_from": full_from})


async def _wakes(of: Any, seconds: float, *, call: bool) -> float:
    world = World([], liar=None)
    client = await open_client(world, parts(), Path("none"), of)
    if call:
        await client.call("payments.transfer", to=bytes(32), amount=1)
    await asyncio.sleep(10)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    before = loop.wakes
    await asyncio.sleep(seconds)
    woken = loop.wakes - before
    await client.__aexit__(None, None, None)
    return woken / seconds


def test_an_idle_client_wakes_up_less_than_twice_a_second() -> None:
    for call in (False, True):
        of = doors()
        assert run(_wakes(of, IDLE_SECONDS, call=call)) < WAKES_PER_SECOND_MAX
        assert len(of.came) == 2  # one, and the spare one


def test_who_has_no_room_for_a_spare_connection_is_asked_again_every_few_minutes_at_most() -> None:
    """A thousand clients of one host do not stand at full doors for a second place each."""
    of = doors(full_from=0.2)
    assert run(_wakes(of, IDLE_SECONDS, call=True)) < WAKES_PER_SECOND_MAX
    tries = [at for at, _ in of.came[1:]]
    assert len(tries) >= 2  # it is not given up for ever
    assert all(later - at > 100 for at, later in pairwise(tries))


def test_a_spare_connection_that_was_of_use_is_followed_by_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts()["failback"], "HOME_SECONDS", 10_000)

    async def used() -> list[str]:
        world, of = World([], liar=None), doors()
        client = await open_client(world, parts(), Path("none"), of)
        await asyncio.sleep(10)
        for _ in range(3):
            nodes = client._runtime.nodes
            await nodes.current.close()
            await asyncio.sleep(2)
            assert nodes._spare._kept is not None
            assert nodes.current.alive
        await client.__aexit__(None, None, None)
        return [endpoint for _, endpoint in of.came]

    assert len(run(used())) == 5
