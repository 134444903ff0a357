"""`./scripts/leaks`: twins that differ only in secrets, compared in everything that a host can see
(T08, T09, T10).

Owns the options, the order of the runs and the table. In leak_hunt/ stands what a twin does
(twin.py), what differs between twins (secrets_of_twins.py), what is compared (sightings.py), and
the canary hunt (hunting.py).
"""

import asyncio
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from scripts.leak_hunt.comparing import Row, compare, lasting
from scripts.leak_hunt.hunting import Search, hunt_control, hunt_running, hunt_stopped
from scripts.leak_hunt.secrets_of_twins import Secrets, loud_twin, quiet_twin
from scripts.leak_hunt.sightings import Sightings, collect
from scripts.leak_hunt.twin import play, watched_cluster

from strongroom.node.cluster.cluster import Say, open_cluster
from strongroom.node.cluster.creation import create
from strongroom.node.cluster.plan import Plan
from strongroom.node.machine.interrupts import cancelled_by_signals
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit
from strongroom.node.terminal.teller import Teller

RUNS_MAX = 3
"""How often the same twins run until what differs is called a leak."""
TWINS = ("twin-a", "twin-b")
"""Their folders; of one length, for a path may be seen too."""

app = typer.Typer(add_completion=False)


@dataclass(slots=True)
class Verdict:
    """What both sizes of cluster came to."""

    rows: list[Row] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)

    @property
    def leaks(self) -> list[str]:
        """Everything that must not be."""
        differing = [
            f"{row.what}{row.where}: {row.first} against {row.second}"
            for row in self.rows
            if row.is_leak
        ]
        found = [f"{search.place}: {where}" for search in self.searches for where in search.found]
        blind = [
            f"{search.place}: the search is blind: {search.blind}"
            for search in self.searches
            if search.blind
        ]
        return differing + found + blind


@app.command(
    epilog=(
        "Exit codes: 0 nothing differs but what is declared · 1 a leak · 2 usage, or a step failed."
    )
)
@guarded
def leaks(
    nodes: Annotated[
        list[int] | None,
        typer.Option("--nodes", min=1, max=10, help="How many nodes; may be repeated (1 and 4)."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the secrets, to run the same again.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run twins that differ only in secrets, compare all that hosts see, and hunt the secrets where
    they must not be.

    Example: ./scripts/leaks

    Example: ./scripts/leaks --nodes 1 --json
    """
    teller = Teller(to_stderr=as_json)
    chosen = int.from_bytes(os.urandom(4), "big") if seed is None else seed
    verdict = run(_leaks(nodes or [1, 4], chosen, teller))
    document = _document(verdict, chosen, teller)
    emit(document, as_json, lambda: _tell(verdict, document, teller))
    if verdict.leaks:
        raise typer.Exit(ExitCode.NO)


async def _leaks(sizes: list[int], seed: int, teller: Teller) -> Verdict:
    verdict = Verdict()
    with cancelled_by_signals():
        for size in sizes:
            teller.step(f"Twins on {size} node{'s' if size > 1 else ''}, seed {seed}")
            with teller.under_way() as say:
                rows = await _twins(size, seed, verdict, say)
                for _ in range(1, RUNS_MAX):
                    if any(row.is_leak for row in rows):
                        say(
                            "something differs: the same twins once more, "
                            "to tell a secret from the clock"
                        )
                        rows = lasting(rows, await _twins(size, seed, verdict, say))
            verdict.rows += [replace(row, what=f"{size}-node twins, {row.what}") for row in rows]
    return verdict


async def _twins(nodes: int, seed: int, verdict: Verdict, say: Say) -> list[Row]:
    """Two copies of one new cluster, one after the other, each with its own secrets."""
    chance = random.Random(seed)
    scratch = Path(tempfile.mkdtemp(prefix="strongroom-leaks-"))
    try:
        control = f"control-{chance.randbytes(8).hex()}"
        first = await create(
            scratch / TWINS[0], Plan(nodes=nodes, base_port=0, service_name=control), say=say
        )
        shutil.copytree(first.layout.directory, scratch / TWINS[1])
        sightings = []
        for folder, make in zip(TWINS, (quiet_twin, loud_twin), strict=True):
            secrets = make(chance)
            say(f"the {secrets.name} twin")
            sightings.append(await _one_twin(scratch / folder, secrets, control, verdict, say))
        verdict.searches.append(await asyncio.to_thread(hunt_control, scratch, control))
        return compare(*sightings)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


async def _one_twin(
    folder: Path, secrets: Secrets, control: str, verdict: Verdict, say: Say
) -> Sightings:
    canaries = secrets.canaries
    async with watched_cluster(open_cluster(folder), say) as cluster:
        await play(cluster, secrets)
        searches = await asyncio.to_thread(hunt_running, cluster, canaries, control)
    searches += await asyncio.to_thread(hunt_stopped, cluster, canaries, control)
    verdict.searches += searches
    return await asyncio.to_thread(collect, cluster)


def _document(verdict: Verdict, seed: int, teller: Teller) -> dict[str, Any]:
    return {
        "leaks": verdict.leaks,
        "declared": [asdict(row) for row in verdict.rows if row.differs and row.declared],
        "compared": len(verdict.rows),
        "searched_bytes": sum(search.bytes_searched for search in verdict.searches),
        "seed": seed,
        "seconds": round(teller.seconds, 1),
    }


def _tell(verdict: Verdict, document: dict[str, Any], teller: Teller) -> None:
    teller.step("What differs between the twins")
    differing = [row for row in verdict.rows if row.differs]
    cells = [
        [row.what + row.where, row.first, row.second, "declared" if row.declared else "LEAK"]
        for row in differing
    ]
    teller.table(["what hosts see", "quiet twin", "loud twin", "verdict"], cells)
    same = len(verdict.rows) - len(differing)
    teller.line(
        f"{same} other things are the same: lengths, counts, codes, orders, files, events, frames"
    )
    teller.line(
        "declared in DESIGN: when and how often; and size "
        "classes, within one of which the twins stay"
    )
    teller.step("The hunt for every memo, label and amount: raw, hex, base64, digits, bytes")
    shown = [
        [search.place, f"{search.bytes_searched / 2**20:.1f} MiB", _finding(search)]
        for search in verdict.searches
    ]
    teller.table(["searched", "size", "finding"], shown)
    _summarise(document, teller.line)


def _finding(search: Search) -> str:
    if search.blind:
        return f"BLIND: {search.blind}"
    if search.is_control:
        return "found, as it must be"
    return f"FOUND: {'; '.join(search.found[:2])}" if search.found else "nothing"


def _summarise(document: dict[str, Any], line: Callable[[str], None]) -> None:
    for leak in document["leaks"]:
        line(f"LEAK {leak}")
    verdict = (
        f"{len(document['leaks'])} leaks"
        if document["leaks"]
        else "nothing differs but what DESIGN declares"
    )
    searched = f"{document['searched_bytes'] / 2**20:.0f} MiB searched in {document['seconds']} s"
    line(
        f"leaks: {verdict}; {document['compared']} things "
        f"compared, {searched} (seed {document['seed']})"
    )


if __name__ == "__main__":
    app()
