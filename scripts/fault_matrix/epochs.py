"""Faults around the end of an epoch: keys rotated under load, nodes killed meanwhile or restarted
within the grace."""

import asyncio

from scripts.fault_matrix.council import Council
from scripts.fault_matrix.fault import Fault
from scripts.fault_matrix.world import World

ROTATIONS = 2
AWAY_SECONDS = 2.0


async def rotate_keys(world: World) -> None:
    """Keys are rotated under load, twice: nothing is lost, nothing waits."""
    async with world.hurting(quorum=True):
        for _ in range(ROTATIONS):
            await _rotate(world)
            await world.wait()


async def rotate_and_kill(world: World) -> None:
    """Keys are rotated, and a node is killed at that very moment: the epoch ends once, the node
    comes back."""
    async with world.hurting(quorum=True):
        for victim in world.names[-ROTATIONS:]:
            rotation = asyncio.ensure_future(_rotate(world))
            await world.kill(victim)
            await rotation
            await world.start(victim)
            await world.wait_state("voting", victim)


async def restart_in_grace(world: World) -> None:
    """Two nodes are restarted, one after the other, within the grace of a rotation: enough of them
    execute."""
    async with world.hurting(quorum=True):
        await _rotate(world)
        for name in world.names[:2]:
            await world.kill(name)
            await world.wait(AWAY_SECONDS)
            await world.start(name)
            await world.wait_state("voting", name)
        await world.wait()


async def _rotate(world: World) -> None:
    """Have members vote for a rotation, and wait until its epoch has begun at a node that
    answers."""
    door = world.names[0]
    before = int((await world.status(door)).get("epoch", 0))
    status = await asyncio.to_thread(
        Council(world.cluster, door).decide, "rotate", compromised=False
    )
    world.expect(status in ("accepted", "active"), f"the rotation is {status}")
    await world.until(lambda: _epoch_of(world, door) > before, "the next epoch")


def _epoch_of(world: World, name: str) -> int:
    shown = Council(world.cluster, name).ask("node_status")
    return int(shown["epoch"])


FAULTS = [
    Fault("rotate-keys", rotate_keys),
    Fault("rotate-and-kill", rotate_and_kill),
    Fault("restart-in-grace", restart_in_grace),
]
