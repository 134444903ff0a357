"""`./scripts/demo`: its options (INTERFACES, Set-up). What is shown stands in story.py and
replay.py."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cli.common import rooms_extra
from strongroom.node.cluster.plan import DEFAULT_NODES
from strongroom.node.cluster.temporary_cluster import Stage, running_cluster, tell_how_it_goes_on
from strongroom.node.demo.plant import tell_plant
from strongroom.node.demo.replay import opening_balances, replay
from strongroom.node.demo.story import tell
from strongroom.node.demo.table import (
    SCALE_MAX,
    BalanceColumns,
    Transfer,
    TransferColumns,
    read_balances,
    read_transfers,
)
from strongroom.node.machine.interrupts import cancelled_by_signals
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit
from strongroom.node.terminal.teller import StoryFails, Teller

app = typer.Typer(add_completion=False)
DATA = "Replay of real payments"


class Scenario(StrEnum):
    """What is shown."""

    PAYMENTS = "payments"
    PLANT = "plant"
    AML = "aml"
    OCCUPANCY = "occupancy"
    HEALTH = "health"


CLEAN_ROOMS = {
    Scenario.AML: "strongroom.node.demo.aml.story",
    Scenario.OCCUPANCY: "strongroom.node.demo.occupancy.story",
    Scenario.HEALTH: "strongroom.node.demo.health.story",
}
"""Scenarios of clean rooms (node/demo/clean_rooms): each module's `tell(stage, teller, report,
data)`; they need the extra `rooms`, so they are loaded when they are played."""


@dataclass(frozen=True, slots=True)
class Data:
    """What is to be replayed."""

    transfers: list[Transfer]
    opening: dict[str, int]
    dump: Path | None


@app.command(epilog="Exit codes: 0 all holds · 1 a promise does not hold · 2 a step failed.")
@guarded
def demo(
    file: Annotated[
        Path | None,
        typer.Option(
            "--input", metavar="FILE", help="CSV or TSV, gzip understood.", rich_help_panel=DATA
        ),
    ] = None,
    from_column: Annotated[str, typer.Option(help="Who pays.", rich_help_panel=DATA)] = "from",
    to_column: Annotated[str, typer.Option(help="Who is paid.", rich_help_panel=DATA)] = "to",
    amount_column: Annotated[str, typer.Option(help="How much.", rich_help_panel=DATA)] = "amount",
    scale: Annotated[
        int,
        typer.Option(
            min=0, max=SCALE_MAX, help="Decimals that count (half up).", rich_help_panel=DATA
        ),
    ] = 0,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many rows.", rich_help_panel=DATA)
    ] = None,
    balances: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Opening balances; else enough for all.", rich_help_panel=DATA
        ),
    ] = None,
    account_column: Annotated[str, typer.Option(help="Whose.", rich_help_panel=DATA)] = "account",
    balance_column: Annotated[
        str, typer.Option(help="What each opens with.", rich_help_panel=DATA)
    ] = "balance",
    dump_balances: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write id,balance lines at the end.", rich_help_panel=DATA
        ),
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, help="How many nodes.")] = DEFAULT_NODES,
    base_port: Annotated[
        int, typer.Option(help="Node i serves on base+i; 0 picks free ports.")
    ] = 0,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            metavar="DIR",
            help="The cluster's folder; it stays (default: a temporary one).",
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the cluster running.")] = False,
    scenario: Annotated[
        Scenario,
        typer.Option(
            "--scenario",
            help="The main job; a design printed at a plant; banks that find rings together (aml); "
            "a building's hours and nobody's movements (occupancy); hospitals that fit one "
            "diagnosis (health).",
        ),
    ] = Scenario.PAYMENTS,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write what was shown: lines as JSON (plant), a page of HTML (clean rooms).",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", help="Public data sets instead of made ones (clean rooms)."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the main job on real nodes, step by step; with --input, replay real payments and check
    every balance.

    Example: ./scripts/demo

    Example: ./scripts/demo --scenario plant --report plant.json

    Example: ./scripts/demo --scenario aml --report aml.html

    Example: ./scripts/demo --input payments.csv.gz --from-column payer --to-column payee --scale 2
    --limit 10000
    """
    _check_options(scenario, file, report, data)
    teller = Teller(to_stderr=as_json)
    stage = Stage(nodes, base_port, directory, keep)
    try:
        if scenario is Scenario.PLANT:
            facts = run(_with_signals(tell_plant(stage, teller, _writable(report))))
        elif scenario in CLEAN_ROOMS:
            tell_rooms = _clean_rooms(scenario)
            facts = run(_with_signals(tell_rooms(stage, teller, _writable(report), data)))
        elif file is None:
            facts = run(_with_signals(tell(stage, teller)))
        else:
            teller.step(f"Read {file}")
            columns = TransferColumns(from_column, to_column, amount_column)
            transfers = read_transfers(file, columns, scale=scale, limit=limit)
            columns_of_balances = BalanceColumns(account_column, balance_column)
            given = read_balances(balances, columns_of_balances, scale=scale) if balances else None
            replayed = Data(transfers, opening_balances(transfers, given), _writable(dump_balances))
            facts = run(_with_signals(_replay(stage, teller, replayed)))
    except StoryFails as failure:
        fail(str(failure), ExitCode.NO)
    if as_json:
        emit(facts, as_json)


def _check_options(
    scenario: Scenario, file: Path | None, report: Path | None, data: Path | None
) -> None:
    """Exit with a word about options that do not go together."""
    if scenario is not Scenario.PAYMENTS and file is not None:
        fail(f"--input replays payments: leave it out, or --scenario {scenario}", ExitCode.USAGE)
    if scenario is Scenario.PAYMENTS and report is not None:
        fail("--report is of the other scenarios: name one", ExitCode.USAGE)
    if data is not None and scenario not in CLEAN_ROOMS:
        fail(f"--data is of {', '.join(CLEAN_ROOMS)}: name one with --scenario", ExitCode.USAGE)
    if data is not None and not data.is_dir():
        fail(f"--data {data}: there is no such folder", ExitCode.USAGE)


def _clean_rooms(scenario: Scenario) -> Callable[..., Coroutine[Any, Any, dict[str, Any]]]:
    with rooms_extra():
        import duckdb  # noqa: F401
        import nanoarrow  # noqa: F401
    told: Callable[..., Coroutine[Any, Any, dict[str, Any]]]
    told = import_module(CLEAN_ROOMS[scenario]).tell
    return told


async def _replay(stage: Stage, teller: Teller, data: Data) -> dict[str, Any]:
    teller.line(f"{len(data.transfers):,} transfers between {len(data.opening):,} accounts")
    teller.step(f"Found a service and start {stage.nodes} nodes")
    async with running_cluster(stage, teller, fund=False) as cluster:
        figures = await replay(
            cluster.layout.directory, data.transfers, data.opening, teller, dump=data.dump
        )
    teller.step("Done")
    latency = ", ".join(f"{name} {value} ms" for name, value in figures["latency_ms"].items())
    teller.facts(
        {
            "transfers": (
                f"{figures['executed']:,} executed, {figures['failed']:,} "
                "failed (overdraft or amount)"
            ),
            "pace": f"{figures['transfers_per_second']:,} a second, {figures['seconds']} s in all",
            "latency": f"{latency} to the opened result",
        }
    )
    tell_how_it_goes_on(cluster, stage, teller)
    return figures


async def _with_signals(story: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Ctrl-C undoes everything that was begun before the process ends."""
    with cancelled_by_signals():
        return await story


def _writable(path: Path | None) -> Path | None:
    """Known before the long run, not after it. Raises OperatorFault."""
    if path is not None:
        try:
            path.touch()
        except OSError as fault:
            raise OperatorFault(f"{path} cannot be written: {fault.strerror}") from None
    return path
