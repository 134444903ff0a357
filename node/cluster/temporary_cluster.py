"""A script's own cluster: made in a temporary folder, gone at the end, whatever happens.

Owns the life of that folder and of its processes; `--keep` and `--dir` are the only ways to leave
something.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.up import bring_up
from strongroom.node.layout import dir_option
from strongroom.node.terminal.teller import Teller


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a script plays."""

    nodes: int
    base_port: int
    """0 picks free ones."""
    directory: Path | None = None
    """A folder that the user named; it stays, with its nodes stopped."""
    keep: bool = False
    """Leave the nodes running, and the folder."""


@asynccontextmanager
async def running_cluster(
    stage: Stage, teller: Teller, *, fund: bool, limits: tuple[tuple[str, int], ...] = ()
) -> AsyncIterator[Cluster]:
    """A cluster that answers; its processes end with the context, unless it ends well and is to be
    kept. Limits: of governance, of a new one."""
    temporary = None if stage.directory else Path(tempfile.mkdtemp(prefix="strongroom-"))
    directory = stage.directory or Path(str(temporary)) / "cluster"
    ended_well = False
    try:
        with teller.under_way() as say:
            cluster = await bring_up(
                directory,
                say=say,
                nodes=stage.nodes,
                base_port=stage.base_port,
                fund=fund,
                limits=limits,
            )
        try:
            yield cluster
            ended_well = True
        finally:
            if not (stage.keep and ended_well):
                with teller.under_way() as say:
                    say("stopping all nodes")
                    await cluster.down()
    finally:
        if temporary is not None and not (stage.keep and ended_well):
            shutil.rmtree(temporary, ignore_errors=True)


def tell_how_it_goes_on(cluster: Cluster, stage: Stage, teller: Teller) -> None:
    """What the user can do with what was kept, or that nothing was."""
    behind = dir_option(cluster.layout.directory)
    if stage.keep:
        teller.line(f"the nodes run on: strongroom cluster status{behind}")
        teller.line(f"to end them:      strongroom cluster down{behind}")
    elif stage.directory:
        teller.line(f"the nodes are stopped; to start them again: strongroom cluster up{behind}")
    else:
        teller.line("no process and no folder is left; --keep leaves the cluster running")
