"""Faults of disks: torn, damaged, deleted, put back, full; and a second process on one folder."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from scripts.fault_matrix.disk_space import limited_disk
from scripts.fault_matrix.fault import Fault
from scripts.fault_matrix.world import World

from strongroom.node.cluster.cluster import state_of
from strongroom.node.cluster.node_process import NodeProcess
from strongroom.node.ledger.frames import Purpose, read_frames
from strongroom.node.ledger.segments import HEIGHT_SIZE, Kind

SECOND_SECONDS_MAX = 180.0


async def tear_log(world: World) -> None:
    """The log of a killed node ends in half a record, as a power loss leaves it: it is cut off, the
    node votes."""
    async with _stopped(world) as node:
        path = _newest(node.layout.wal)
        *_, last = read_frames(path, Purpose.LOG, int(path.stem.removeprefix("wal-")))
        data = path.read_bytes()
        path.write_bytes(data + data[last.offset : last.offset + last.size // 2])
    await world.start(node.name)
    await world.wait_state("voting", node.name)


async def damage_log(world: World) -> None:
    """A flipped bit in the middle of a log: refused with its offset, until the intact file is put
    back."""
    async with _stopped(world) as node:
        path = _newest(node.layout.wal)
        frames = list(read_frames(path, Purpose.LOG, int(path.stem.removeprefix("wal-"))))
        middle = frames[len(frames) // 2]
        with _flipped(path, middle.offset + middle.size - 1):
            await world.refuses_to_start(node.name, path.name, f"byte {middle.offset}")
    await world.start(node.name)
    await world.wait_state("voting", node.name)


async def damage_block(world: World) -> None:
    """A flipped bit in a stored block: the node refuses to start and names the height, until the
    bit is right again."""
    async with _stopped(world) as node:
        path, offset, height = _middle_block(node)
        with _flipped(path, offset):
            await world.refuses_to_start(node.name, path.name, f"height {height}")
    await world.start(node.name)
    await world.wait_state("voting", node.name)


async def damage_block_read(world: World) -> None:
    """A flipped bit in a stored block of a running node: it halts once somebody reads it, and names
    the height."""
    (victim,) = await world.followers(1)
    node = world.node(victim)
    async with world.hurting(quorum=True):
        path, offset, height = _middle_block(node)
        with _flipped(path, offset):
            reading = asyncio.create_task(
                world.watch.doors[victim].ask("ledger_block", height=height)
            )
            await world.ends_by_itself(victim, path.name, f"height {height}")
            await asyncio.gather(reading, return_exceptions=True)
        await world.wait()
    await world.start(victim)
    await world.wait_state("voting", victim)


async def delete_log(world: World) -> None:
    """A deleted log: the node observes until the epoch that its refresh opens, and votes there."""
    async with _stopped(world) as node:
        world.remember_logs([node.name])
        alive = next(name for name in world.names if name != node.name)
        before = (await world.status(alive))["epoch"]
        shutil.rmtree(node.layout.wal)
    await world.start(node.name)
    await world.wait_state("voting", node.name)
    world.expect(
        (await world.status(node.name))["epoch"] > before,
        f"{node.name} votes in the epoch of its lost log",
    )
    await world.wait()


async def put_back_log_and_ledger(world: World) -> None:
    """Log and ledger put back as they were some seconds before: the node says nothing twice."""
    await _put_back(world, ("wal", "ledger", "index"))


async def put_back_folder(world: World) -> None:
    """A node's whole folder put back as it was some seconds before, as of a virtual machine's
    snapshot."""
    await _put_back(world, ("wal", "ledger", "index", "sealed"))


async def run_twice(world: World) -> None:
    """A second process on one folder: it is refused and names the first, which does not notice."""
    (name,) = await world.followers(1)
    node = world.node(name)
    host = node.host()
    async with world.hurting(quorum=True):
        command = [
            sys.executable,
            "-m",
            "strongroom.node",
            "run",
            "--config",
            str(node.layout.config),
        ]
        run = asyncio.to_thread(
            subprocess.run,
            command,
            capture_output=True,
            text=True,
            timeout=SECOND_SECONDS_MAX,
            check=False,
        )
        done = await run
        world.expect(done.returncode == 2, f"a second process ended with {done.returncode}")
        world.expect(
            host is not None and str(host.pid) in done.stderr,
            f"it does not name the first: {done.stderr}",
        )
        await world.wait()
    world.expect(node.host() == host, f"{name} is not the process that it was")


async def fill_disk(world: World) -> None:
    """No space on a node's disk: it halts and says so, the others go on; with space again it starts
    and catches up."""
    (victim,) = await world.followers(1)
    node = world.node(victim)
    async with limited_disk(world, node) as disk:
        async with world.hurting(quorum=True):
            disk.fill()
            await world.ends_by_itself(victim, disk.words)
            await world.wait()
            disk.make_room()
        await world.start(victim)
        await world.wait_state("voting", victim)


# --- pieces ---------------------------------------------------------------------------------------


@asynccontextmanager
async def _stopped(world: World) -> AsyncIterator[NodeProcess]:
    """A node that was killed; the fault lasts until the body is through and a phase is over."""
    (victim,) = await world.followers(1)
    async with world.hurting(quorum=True):
        await world.kill(victim)
        yield world.node(victim)
        await world.wait()


async def _put_back(world: World, parts: tuple[str, ...]) -> None:
    (victim,) = await world.followers(1)
    folder = world.node(victim).layout.directory
    await world.kill(victim)
    with tempfile.TemporaryDirectory(dir=folder.parent) as kept:
        for part in parts:
            shutil.copytree(folder / part, Path(kept) / part)
        await world.start(victim)
        await world.wait_state("voting", victim)
        await world.wait()
        async with world.hurting(quorum=True):
            await world.kill(victim)
            world.remember_logs([victim])
            for part in parts:
                shutil.rmtree(folder / part)
                shutil.copytree(Path(kept) / part, folder / part)
            await world.start(victim)
            await world.wait()
    node, settled = world.node(victim), ("voting", "suspended", "syncing")
    await world.until(
        lambda: state_of(node) in settled, f"{victim} to be one of {', '.join(settled)}"
    )
    world.figures["state_after"] = state_of(node)


@contextmanager
def _flipped(path: Path, offset: int) -> Iterator[None]:
    """One bit is wrong, and afterwards right again."""
    _flip(path, offset)
    try:
        yield
    finally:
        _flip(path, offset)


def _flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def _newest(folder: Path) -> Path:
    return sorted(folder.glob("*.log"))[-1]


def _middle_block(node: NodeProcess) -> tuple[Path, int, int]:
    """File, offset of a byte and height of a block in the middle of a ledger."""
    path = _newest(node.layout.ledger)
    frames = read_frames(path, Purpose.BLOCKS, int(path.stem.removeprefix("blocks-")))
    blocks = [frame for frame in frames if frame.kind == Kind.BLOCK]
    middle = blocks[len(blocks) // 2]
    return (
        path,
        middle.offset + middle.size - 1,
        int.from_bytes(middle.payload[:HEIGHT_SIZE], "big"),
    )


FAULTS = [
    Fault("tear-log", tear_log),
    Fault("damage-log", damage_log),
    Fault("damage-block", damage_block),
    Fault("damage-block-read", damage_block_read),
    Fault("run-twice", run_twice),
    Fault("fill-disk", fill_disk),
    Fault("delete-log", delete_log, spoils=True),
    Fault("put-back-log-and-ledger", put_back_log_and_ledger, spoils=True),
    Fault("put-back-folder", put_back_folder, spoils=True),
]
