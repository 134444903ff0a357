"""A small share of the fault matrix on real processes under load; all of it is `./scripts/faults`.

After every fault the invariants of the matrix hold: nothing acknowledged is lost or changed,
nothing happens twice, all replicas have one history, no vote key contradicts itself, money is
neither made nor lost.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from scripts.fault_matrix import disks, epochs, kills
from scripts.fault_matrix.matrix import hurt
from scripts.fault_matrix.world import Shape, World, running_world
from tests.integration.held_world import HeldWorld

pytestmark = [pytest.mark.processes, pytest.mark.asyncio(loop_scope="module")]

SHORT = Shape(payers=3, rate=60.0, seconds=0.7, kills=4)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One cluster for all tests that leave it as it was."""
    async with HeldWorld(tmp_path_factory.mktemp("faults") / "cluster", SHORT) as made:
        yield made


async def test_P8_calls_go_on_with_one_node_killed_and_it_comes_back_voting(world: World) -> None:
    assert await hurt(world, kills.kill_follower) == []


async def test_P3_nothing_acknowledged_is_lost_when_all_are_killed_with_payments_under_way(
    world: World,
) -> None:
    """They are started in any order; the payments that had no answer get one, once."""
    assert await hurt(world, kills.kill_all) == []


async def test_calls_wait_without_a_quorum_and_succeed_once_one_of_two_killed_is_back(
    world: World,
) -> None:
    assert await hurt(world, kills.kill_two) == []


async def test_P3_one_after_the_other_is_killed_before_the_last_is_well_again(world: World) -> None:
    assert await hurt(world, kills.kill_in_a_row) == []


async def test_a_node_whose_enclave_is_killed_halts_and_says_so(world: World) -> None:
    assert await hurt(world, kills.kill_enclave) == []


async def test_a_register_stays_exact_while_keys_are_rotated_and_a_node_is_killed_meanwhile(
    world: World,
) -> None:
    """Issue 15.5: of every linearizable answer the place in the one order is known, and fits."""
    registrars = world.checks.registrars
    before = len(registrars.appends), _exact_looks(world)

    async def rotate_and_look(world: World) -> None:
        """Who looks at nothing sees no anomaly: a quick rotation is over before anybody looked."""
        await epochs.rotate_and_kill(world)
        await world.until(lambda: len(registrars.appends) > before[0], "an append")
        await world.until(lambda: _exact_looks(world) > before[1], "an exact look")

    assert await hurt(world, rotate_and_look) == []


def _exact_looks(world: World) -> int:
    return sum(look.linearizable for look in world.checks.registrars.looks)


async def test_T40_damage_that_a_client_reads_halts_the_node_with_the_height(world: World) -> None:
    """T40: a corrupt disk is never silent, whoever it is that finds it."""
    assert await hurt(world, disks.damage_block_read) == []


async def test_T25_a_node_without_its_log_votes_in_no_epoch_but_the_one_that_its_refresh_opens(
    tmp_path: Path,
) -> None:
    """PROTOCOL §6: whatever it said before it lost its log, it contradicts nothing of it."""
    async with running_world(tmp_path / "cluster", SHORT, lambda _: None) as made:
        assert await hurt(made, disks.delete_log) == []


async def test_T05_a_node_whose_folder_is_put_back_says_nothing_twice(tmp_path: Path) -> None:
    async with running_world(tmp_path / "cluster", SHORT, lambda _: None) as made:
        assert await hurt(made, disks.put_back_folder) == []


@pytest.mark.long
async def test_P3_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    shape = Shape(payers=4, rate=100.0, seconds=2.0, kills=50)
    async with running_world(tmp_path / "cluster", shape, lambda _: None) as made:
        for _ in range(4):
            assert await hurt(made, kills.kill_in_a_row) == []
