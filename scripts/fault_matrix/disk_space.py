"""One node's disk with an end: a small tmpfs where this user may mount one, else a limit on the
size of its files.

Owns making such a disk, filling it, and putting the node's folder back where it was.
"""

import resource
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from scripts.fault_matrix.world import World

from strongroom.node.cluster.node_process import NodeProcess

DISK_MIB = 512
LAST_WORDS_BYTES = 256 * 1024
_BALLAST = "ballast"
_PIECE = bytes(2**20)


class Disk(Protocol):
    """A disk that can be full."""

    def fill(self) -> None:
        """From now on nothing can be written."""
        ...

    def make_room(self) -> None:
        """There is space again."""
        ...

    @property
    def words(self) -> str:
        """What the node's log must say of it."""
        ...


class SmallFileSystem:
    """A tmpfs; full when a file of ballast takes the rest."""

    def __init__(self, directory: Path) -> None:
        self._ballast = directory / _BALLAST

    def fill(self) -> None:
        """Write until nothing more fits, and give back what a last word in a log takes."""
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while file.write(_PIECE):
                    pass
            except OSError:
                file.truncate(max(0, file.tell() - LAST_WORDS_BYTES))

    def make_room(self) -> None:
        """Remove the ballast."""
        self._ballast.unlink()

    @property
    def words(self) -> str:
        """It notices before nothing fits any more."""
        return "MiB are free"


class SmallFiles:
    """A limit on the size of the files that the running host may write (setrlimit(2),
    RLIMIT_FSIZE)."""

    def __init__(self, node: NodeProcess) -> None:
        self._node = node

    def fill(self) -> None:
        """No file of the host grows beyond what its log has now."""
        host = self._node.host()
        size = max(path.stat().st_size for path in self._node.layout.wal.glob("*.log"))
        if host is not None:
            resource.prlimit(host.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def make_room(self) -> None:
        """The next process has no limit."""

    @property
    def words(self) -> str:
        """EFBIG, in words."""
        return "File too large"


@asynccontextmanager
async def limited_disk(world: World, node: NodeProcess) -> AsyncIterator[Disk]:
    """The node's folder on a disk that can be filled; the node is restarted on it, and moved back
    at the end."""
    folder = node.layout.directory
    aside = folder.with_name(f"{folder.name}.aside")
    await world.kill(node.name)
    folder.rename(aside)
    folder.mkdir(mode=0o700)
    mounted = _mount(folder)
    if not mounted:
        folder.rmdir()
        aside.rename(folder)
        await world.start(node.name)
        await world.wait_state("voting", node.name)
        yield SmallFiles(node)
        return
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        await world.start(node.name)
        await world.wait_state("voting", node.name)
        yield SmallFileSystem(folder)
    finally:
        await world.kill(node.name)
        shutil.rmtree(aside)
        shutil.copytree(folder, aside)
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()
        aside.rename(folder)
        await world.start(node.name)
        await world.wait_state("voting", node.name)


def _mount(folder: Path) -> bool:
    command = [
        "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size={DISK_MIB}m,mode=0700",
        "strongroom-small-disk",
        str(folder),
    ]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
