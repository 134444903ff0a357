"""Faults of processes: killed, stopped, frozen; one, the leader, two, all, an enclave alone."""

import asyncio
import random
import signal
from dataclasses import replace

from scripts.fault_matrix.fault import Fault, percentiles
from scripts.fault_matrix.world import World

from strongroom.node.config import dumps

SETTLE_SECONDS = 1.0
GAP_SECONDS = 5.0
"""After the kill of a leader, for this long every commit is looked at."""
STOP_SECONDS_MAX = 10.0
KIB = 1024
AWAY_PHASES = 4
ROTATION_KILLS = 4
ROTATION_LOOKS = 4
STILL_PHASES_MAX = 20
PAUSE_PHASES = 2
"""A frozen node stays frozen for this many phases."""


async def kill_follower(world: World) -> None:
    """kill -9 of a node that does not lead."""
    (victim,) = await world.followers(1)
    async with world.hurting(quorum=True):
        await world.kill(victim)
        await world.wait()
    await world.start(victim)
    await world.wait_state("voting", victim)


async def kill_leader(world: World) -> None:
    """kill -9 of whoever leads, again and again."""
    loop = asyncio.get_running_loop()
    nexts, gaps = [], []
    for _ in range(world.shape.kills):
        await world.wait(SETTLE_SECONDS)
        victim = await world.leader()
        async with world.hurting(quorum=True):
            killed = loop.time()
            world.strike(victim)
            await world.wait(GAP_SECONDS)
        first = world.watch.first_after(killed)
        world.expect(
            first is not None,
            f"no commit in {GAP_SECONDS:g} s after the leader {victim} was killed",
        )
        nexts.append((first or loop.time()) - killed)
        gaps.append(world.watch.longest_gap(killed, killed + GAP_SECONDS))
        await world.kill(victim)
        await world.start(victim)
        await world.wait_state("voting", victim)
    world.figures |= {
        "kills": len(nexts),
        "next_commit_s": percentiles(nexts),
        "longest_gap_s": percentiles(gaps),
    }


async def kill_leader_when_quiet(world: World) -> None:
    """kill -9 of whoever would lead the next block of a quiet chain; then one payment."""
    loop = asyncio.get_running_loop()
    times = []
    world.load.paused = True
    for _ in range(max(1, world.shape.kills // 2)):
        await world.load.drained()
        await world.wait(SETTLE_SECONDS)
        victim = await world.leader()
        elsewhere = [payer for payer in world.load.payers if payer.client.node != victim]
        payer = (elsewhere or list(world.load.payers))[0]
        async with world.hurting(quorum=True):
            killed = loop.time()
            world.strike(victim)
            await world.load.pay(payer)
        times.append(loop.time() - killed)
        await world.kill(victim)
        await world.start(victim)
        await world.wait_state("voting", victim)
    world.load.paused = False
    world.figures |= {"kills": len(times), "answer_s": percentiles(times)}


async def kill_two(world: World) -> None:
    """kill -9 of two of four: calls wait, and succeed once one is back."""
    victims = await world.followers(2)
    async with world.hurting(quorum=False):
        await world.kill(*victims)
        await world.wait(SETTLE_SECONDS)
        world.expect(await _falls_still(world), "commits without a quorum")
        world.expect(world.load.unanswered, "calls are answered without a quorum")
        await world.start(victims[0])
    await world.until(
        lambda: world.watch.first_after(world.ended) is not None, "a commit with three of four"
    )
    await world.start(victims[1])
    await world.wait_state("voting", *victims)


async def _falls_still(world: World) -> bool:
    """Is there a phase without a commit, and none in the next one either? Of what was ordered
    before, a busy watcher hears late; but what is still stays so."""
    for _ in range(STILL_PHASES_MAX):
        if not await world.commits_in(world.shape.seconds):
            return not await world.commits_in(world.shape.seconds)
    return False


async def kill_all(world: World) -> None:
    """kill -9 of all nodes at once, with payments under way; started in any order."""
    order = random.sample(world.names, len(world.names))
    async with world.hurting(quorum=False):
        await world.kill(*world.names)
        await world.wait(SETTLE_SECONDS)
    for name in order:
        await world.start(name)
    await world.wait_state("voting", *world.names)


async def kill_enclave(world: World) -> None:
    """kill -9 of an enclave alone: its host says so and halts, the others go on."""
    (victim,) = await world.followers(1)
    enclave = world.node(victim).enclave()
    async with world.hurting(quorum=True):
        if enclave is not None:
            enclave.send(signal.SIGKILL)
        await world.ends_by_itself(victim, "the enclave ended")
        await world.wait()
    await world.start(victim)
    await world.wait_state("voting", victim)


async def terminate(world: World) -> None:
    """SIGTERM under load: the node ends in seconds, without a kill; its clients go elsewhere."""
    (victim,) = await world.followers(1)
    host = world.node(victim).host()
    async with world.hurting(quorum=True):
        begins = asyncio.get_running_loop().time()
        if host is not None:
            host.send(signal.SIGTERM)
            gone = await asyncio.to_thread(host.wait_gone, STOP_SECONDS_MAX)
            world.expect(gone, f"{victim} still runs {STOP_SECONDS_MAX:g} s after SIGTERM")
        world.figures["stopped_in_s"] = round(asyncio.get_running_loop().time() - begins, 2)
        await world.wait()
    await world.kill(victim)
    await world.start(victim)
    await world.wait_state("voting", victim)


async def freeze(world: World) -> None:
    """SIGSTOP of host and enclave, SIGCONT later: the others go on, it rejoins."""
    (victim,) = await world.followers(1)
    async with world.hurting(quorum=True):
        await world.signal_all(victim, signal.SIGSTOP)
        await world.wait(PAUSE_PHASES * world.shape.seconds)
    await world.signal_all(victim, signal.SIGCONT)
    await world.wait_state("voting", victim)


async def freeze_enclave(world: World) -> None:
    """SIGSTOP of an enclave alone: its host can sign and execute nothing; the others go on."""
    (victim,) = await world.followers(1)
    enclave = world.node(victim).enclave()
    async with world.hurting(quorum=True):
        if enclave is not None:
            enclave.send(signal.SIGSTOP)
        await world.wait()
    if enclave is not None:
        enclave.send(signal.SIGCONT)
    await world.wait_state("voting", victim)


async def kill_in_a_row(world: World) -> None:
    """kill -9 of one node after the other, each before the last one is well again; sometimes of two
    at once."""
    async with world.hurting(quorum=False):
        for _ in range(max(2, world.shape.kills // 2)):
            victims = random.sample(world.names, random.choice((1, 1, 2)))
            await world.kill(*victims)
            await world.wait(random.uniform(0.0, SETTLE_SECONDS))
            await world.start(*victims)
            await world.wait(random.uniform(0.0, SETTLE_SECONDS))
    await world.wait_state("voting", *world.names)


async def kill_cut_off(world: World) -> None:
    """A node is cut off with payments that it took, killed, started: what only its log holds takes
    effect once."""
    (lone,) = await world.followers(1)
    async with world.hurting(quorum=True):
        world.network.cut([lone], [name for name in world.names if name != lone])
        await world.wait(SETTLE_SECONDS)
        await world.kill(lone)
        world.network.fair()
        await world.wait()
    await world.start(lone)
    await world.wait_state("voting", lone)


async def fall_behind(world: World) -> None:
    """A node is away for some phases and catches up under load."""
    loop = asyncio.get_running_loop()
    (victim,) = await world.followers(1)
    async with world.hurting(quorum=True):
        await world.kill(victim)
        first = max(world.watch.commits)
        await world.wait(AWAY_PHASES * world.shape.seconds)
    await world.start(victim)
    begins = loop.time()
    await world.wait_state("voting", victim)
    world.figures |= {
        "blocks_behind": max(world.watch.commits) - first,
        "caught_up_s": round(loop.time() - begins, 2),
    }


async def rotate_logs(world: World) -> None:
    """Logs of 64 KiB and segments of 256 KiB at every node, under load and kills: nothing that
    counts is forgotten."""
    for name in world.names:
        node = world.node(name)
        config = node.config()
        limits = replace(config.limits, wal_bytes_max=64 * KIB, segment_bytes_max=256 * KIB)
        await world.kill(name)
        node.layout.config.write_text(
            dumps(replace(config, limits=limits), base=node.layout.directory)
        )
        await world.start(name)
        await world.wait_state("voting", name)
    async with world.hurting(quorum=False):
        for turn in range(ROTATION_KILLS):
            victims = world.names if turn % 2 else random.sample(world.names, 1)
            for _ in range(ROTATION_LOOKS):
                await world.wait(world.shape.seconds / ROTATION_LOOKS)
                await asyncio.to_thread(world.remember_logs, world.names)
            await world.kill(*victims)
            await world.start(*victims)
    await world.wait_state("voting", *world.names)
    logs = [
        int(path.stem.removeprefix("wal-"))
        for name in world.names
        for path in world.node(name).layout.wal.iterdir()
    ]
    segments = [len(list(world.node(name).layout.ledger.iterdir())) for name in world.names]
    world.figures |= {"rotations": sum(logs) - len(world.names), "segments": sum(segments)}
    world.expect(min(logs) > 1, "a log was never rotated")


FAULTS = [
    Fault("kill-follower", kill_follower),
    Fault("kill-leader", kill_leader),
    Fault("kill-leader-when-quiet", kill_leader_when_quiet),
    Fault("kill-two", kill_two),
    Fault("kill-all", kill_all),
    Fault("kill-in-a-row", kill_in_a_row),
    Fault("kill-cut-off", kill_cut_off),
    Fault("kill-enclave", kill_enclave),
    Fault("terminate", terminate),
    Fault("freeze", freeze),
    Fault("freeze-enclave", freeze_enclave),
    Fault("fall-behind", fall_behind),
    Fault("rotate-logs", rotate_logs),
]
