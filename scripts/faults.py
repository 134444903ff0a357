"""`./scripts/faults`: the fault matrix of PROTOCOL §10 on running clusters of real processes
(INTERFACES).

Owns the options and the table. What a fault does stands in fault_matrix/kills.py, outages.py and
disks.py, what must hold after each in fault_matrix/checks.py.
"""

import os
from dataclasses import asdict
from typing import Annotated, Any

import typer
from scripts.fault_matrix.matrix import FAULTS, Row, run_matrix
from scripts.fault_matrix.world import Shape

from strongroom.node.machine.interrupts import cancelled_by_signals
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit
from strongroom.node.terminal.teller import Teller

DEFAULT = Shape()

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Exit codes: 0 all invariants hold · 1 one does not · 2 usage, or a step failed."
)
@guarded
def faults(
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this fault; may be repeated.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.5, help="How long each phase is measured.")
    ] = DEFAULT.seconds,
    nodes: Annotated[int, typer.Option(min=4, max=10, help="How many nodes.")] = DEFAULT.nodes,
    rate: Annotated[float, typer.Option(min=1.0, help="Payments a second.")] = DEFAULT.rate,
    kills: Annotated[
        int, typer.Option(min=1, help="How often the leader is killed.")
    ] = DEFAULT.kills,
    list_only: Annotated[
        bool, typer.Option("--list", help="Name the faults and what each does.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Hurt running clusters in every way of the fault matrix, under load, and check what must hold
    after each.

    Example: ./scripts/faults --only kill-leader --only kill-all --seconds 3
    """
    teller = Teller(to_stderr=as_json)
    known = {fault.name: fault for fault in FAULTS}
    if list_only:
        emit({name: fault.words for name, fault in known.items()}, as_json, lambda: _list(teller))
        return
    unknown = [name for name in only or [] if name not in known]
    if unknown:
        fail(f"no fault {', '.join(unknown)}: --list names them", ExitCode.USAGE)
    chosen = [known[name] for name in only] if only else FAULTS
    shape = Shape(nodes=nodes, payers=nodes, rate=rate, seconds=seconds, kills=kills)
    teller.step(f"{len(chosen)} faults, {nodes} nodes, {rate:g} payments a second")
    rows = run(_run(chosen, shape, teller))
    broken = [row.fault for row in rows if row.broken]
    document = {
        "faults": [asdict(row) for row in rows],
        "broken": broken,
        "nodes": nodes,
        "cores": _cores(),
    }
    emit(document, as_json, lambda: _tell(rows, broken, teller))
    if broken:
        raise typer.Exit(ExitCode.NO)


async def _run(chosen: list[Any], shape: Shape, teller: Teller) -> list[Row]:
    with cancelled_by_signals(), teller.under_way() as say:
        return await run_matrix(chosen, shape, say, lambda row: _tell_one(row, teller))


def _tell_one(row: Row, teller: Teller) -> None:
    for text in row.broken:
        teller.line(f"{row.fault}: DOES NOT HOLD: {text}")


def _tell(rows: list[Row], broken: list[str], teller: Teller) -> None:
    teller.step("Payments a second before, during and after each fault; seconds to the next commit")
    teller.table(
        ["fault", "before", "during", "after", "recovered", "invariants"],
        [_cells(row) for row in rows],
    )
    for row in rows:
        for name, value in row.figures.items():
            teller.line(f"{row.fault}: {name} {value}")
    verdict = "all invariants hold" if not broken else f"invariants broken in {', '.join(broken)}"
    leader = next(
        (row.figures for row in rows if row.fault == "kill-leader" and "kills" in row.figures), None
    )
    shown = ""
    if leader is not None:
        next_commit, gap = leader["next_commit_s"], leader["longest_gap_s"]
        shown = (
            f"; killed leader to next commit p50 {next_commit['p50']} s, p99 {next_commit['p99']} "
            f"s, longest gap p50 {gap['p50']} s, p99 {gap['p99']} s"
        )
    print(f"{len(rows)} faults: {verdict}{shown}; {_cores()} cores")


def _cells(row: Row) -> list[str]:
    numbers = (row.before, row.during, row.after, row.recovered_s)
    held = "hold" if not row.broken else f"BROKEN ({len(row.broken)})"
    return [row.fault, *("–" if number is None else f"{number:g}" for number in numbers), held]


def _list(teller: Teller) -> None:
    for fault in FAULTS:
        teller.line(f"{fault.name:<26}{fault.words}")


def _cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    app()
