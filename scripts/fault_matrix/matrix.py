"""The matrix: one fault after the other on running clusters, a row of figures for each.

Owns the order of a row: measure, hurt, measure, check; and when a new cluster is needed.
"""

import asyncio
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.fault_matrix import disks, epochs, kills, outages
from scripts.fault_matrix.fault import Act, Fault
from scripts.fault_matrix.world import Shape, World, running_world

from strongroom.consensus.errors import StrongroomError
from strongroom.node.cluster.cluster import Say

FAULTS = [*kills.FAULTS, *epochs.FAULTS, *outages.FAULTS, *disks.FAULTS]
RECOVER_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """What one fault did, and what held."""

    fault: str
    before: float | None = None
    """Payments acknowledged a second, before, during and after the fault."""
    during: float | None = None
    after: float | None = None
    recovered_s: float | None = None
    """From the fault's beginning (its end, when no quorum was left) to the next commit."""
    broken: list[str] = field(default_factory=list)
    """Invariants that do not hold, and expectations of the fault that were not met, in words."""
    figures: dict[str, Any] = field(default_factory=dict)


async def run_matrix(
    faults: Iterable[Fault], shape: Shape, say: Say, tell: Callable[[Row], None]
) -> list[Row]:
    """Run faults, each on a cluster in which all nodes vote; `tell` gets each row as it is
    ready."""
    rows: list[Row] = []
    waiting = list(faults)
    while waiting:
        with tempfile.TemporaryDirectory(
            prefix="strongroom-faults-", ignore_cleanup_errors=True
        ) as folder:
            async with running_world(Path(folder) / "cluster", shape, say) as world:
                while waiting:
                    fault = waiting.pop(0)
                    say(f"{fault.name}: {fault.words}")
                    rows.append(row := await _row(world, fault))
                    tell(row)
                    if fault.spoils or row.broken:
                        break
    return rows


async def hurt(world: World, act: Act) -> list[str]:
    """Do one fault, and check; what does not hold, in words."""
    world.wrong, world.figures = [], {}
    failure = await _act(world, act)
    return [*world.wrong, failure] if failure else [*world.wrong, *await world.checks.all()]


async def _act(world: World, act: Act) -> str:
    """Why a fault did not run its course; empty if it did."""
    try:
        await act(world)
    except (StrongroomError, OSError, TimeoutError) as failure:
        world.network.fair()
        return f"the fault did not run its course: {type(failure).__name__}: {failure}"
    return ""


async def _row(world: World, fault: Fault) -> Row:
    loop = asyncio.get_running_loop()
    world.wrong, world.figures = [], {}
    await world.load.spread()
    begins = loop.time()
    await world.wait()
    before = world.load.rate_between(begins, loop.time())
    failure = await _act(world, fault.act)
    if failure:
        return Row(fault.name, before, broken=[*world.wrong, failure], figures=world.figures)
    during = world.load.rate_between(world.began, world.ended)
    begins = loop.time()
    await world.wait()
    after = world.load.rate_between(begins, loop.time())
    broken = [*world.wrong, *await world.checks.all()]
    first = world.watch.first_after(world.recovers_from)
    recovered = None if first is None else round(first - world.recovers_from, 3)
    if first is None:
        broken.append("no commit after the fault")
    return Row(
        fault.name,
        round(before, 1),
        round(during, 1),
        round(after, 1),
        recovered,
        broken,
        world.figures,
    )
