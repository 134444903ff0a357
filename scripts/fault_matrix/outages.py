"""Faults of the network: partitions, silence without a reset, one deaf direction, slow and lossy
links."""

import asyncio

from scripts.fault_matrix.fault import Fault
from scripts.fault_matrix.world import World

CUT_SECONDS = 1.0
"""After a cut, what was under way may still be committed for this long."""
SLOW_SECONDS = 0.05
LOSSY_SECONDS = 0.01
LOSS = 0.05
FLAPS = 5


async def cut_in_halves(world: World) -> None:
    """Partition 2/2: nobody commits; healed, everything goes on."""
    half = len(world.names) // 2
    async with world.hurting(quorum=False):
        world.network.cut(world.names[:half], world.names[half:])
        await world.wait(CUT_SECONDS)
        world.expect(not await world.commits_in(world.shape.seconds), "commits without a quorum")
        world.network.fair()


async def cut_one_off(world: World) -> None:
    """Partition 3/1: three go on, one catches up."""
    (lone,) = await world.followers(1)
    async with world.hurting(quorum=True):
        world.network.cut([lone], [name for name in world.names if name != lone])
        await world.wait()
        world.network.fair()


async def hold_one_off(world: World) -> None:
    """Partition 3/1 in which connections stay open and nothing arrives."""
    (lone,) = await world.followers(1)
    async with world.hurting(quorum=True):
        world.network.hold([lone], [name for name in world.names if name != lone])
        await world.wait()
        world.network.fair()


async def mute_one(world: World) -> None:
    """One-way partition: a node hears all and is not heard."""
    (mute,) = await world.followers(1)
    async with world.hurting(quorum=True):
        world.network.mute(mute)
        await world.wait()
        world.network.fair()


async def slow_links(world: World) -> None:
    """50 ms on every link, in each direction."""
    async with world.hurting(quorum=True):
        world.network.worsen(delay=SLOW_SECONDS, loss=0.0)
        await world.wait(2 * world.shape.seconds)
        world.network.fair()


async def lossy_links(world: World) -> None:
    """10 ms on every link, and one chunk of twenty is lost and sent again."""
    async with world.hurting(quorum=True):
        world.network.worsen(delay=LOSSY_SECONDS, loss=LOSS)
        await world.wait(2 * world.shape.seconds)
        world.network.fair()


async def flap(world: World) -> None:
    """A cut at another place every second, each time without a quorum on either side."""
    count = len(world.names)
    async with world.hurting(quorum=False):
        for turn in range(FLAPS):
            rotated = [*world.names[turn % count :], *world.names[: turn % count]]
            world.network.cut(rotated[: count // 2], rotated[count // 2 :])
            await asyncio.sleep(CUT_SECONDS)
            world.network.fair()
            await asyncio.sleep(CUT_SECONDS / 2)


FAULTS = [
    Fault("cut-in-halves", cut_in_halves),
    Fault("cut-one-off", cut_one_off),
    Fault("hold-one-off", hold_one_off),
    Fault("mute-one", mute_one),
    Fault("slow-links", slow_links),
    Fault("lossy-links", lossy_links),
    Fault("flap", flap),
]
