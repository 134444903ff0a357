"""`./scripts/bench`, also `strongroom bench`: options in, one document or a table out."""

import json
from pathlib import Path
from typing import Annotated

import typer

from strongroom.node.bench.report import Document, lines_of, summary_of
from strongroom.node.bench.run import OUTSTANDING_MAX, SIZES, Load, measure
from strongroom.node.bench.suite import compare, run_suite, table_of
from strongroom.node.cli.common import ExitCode, JsonOption, fail, guarded, run
from strongroom.node.cli.teller import Teller
from strongroom.node.interrupts import cancelled_by_signals


@guarded
def bench(
    nodes: Annotated[int, typer.Option(min=1, max=10, help="Replicas.")] = 4,
    clients: Annotated[int, typer.Option(min=1, max=256, help="Clients, each with a session of its own.")] = 4,
    rate: Annotated[str, typer.Option(metavar="R|max", help="Payments a second in all (open loop), or max.")] = "max",
    seconds: Annotated[float, typer.Option(min=1.0, help="Measured time.")] = 10.0,
    warmup: Annotated[float, typer.Option(min=0.0, help="Load before it is measured, in seconds.")] = 3.0,
    size: Annotated[int, typer.Option(help="Size class of the envelopes, in bytes: 256 or 512.")] = SIZES[0],
    program: Annotated[str, typer.Option(help="What is called; payments is what there is.")] = "payments",
    processes: Annotated[int, typer.Option(min=1, max=16, help="Load processes.")] = 1,
    outstanding: Annotated[int, typer.Option(min=1, max=OUTSTANDING_MAX, help="Per client, in a closed loop.")] = 500,
    one_shot: Annotated[bool, typer.Option("--one-shot", help="A session for each payment.")] = False,
    suite: Annotated[
        bool, typer.Option("--suite", help="All rows of the README's table, one after the other.")
    ] = False,
    compare_with: Annotated[Path | None, typer.Option("--compare", help="A suite's JSON from before.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure sealed payments on a cluster of its own on this machine.

    Example: ./scripts/bench --rate 2000 --seconds 20 --json

    Exit codes: 0 measured, all replicas agree and balances add up · 1 they do not · 2 a step failed.
    """
    teller = Teller(to_stderr=True)
    if program != "payments":
        fail(f"--program {program}: payments is what there is", ExitCode.USAGE)
    if size not in SIZES:
        fail(f"--size {size}: payments fill envelopes of {' or '.join(map(str, SIZES))} bytes", ExitCode.USAGE)
    if suite:
        _suite(seconds, teller, compare_with, as_json)
        return
    load = Load(
        nodes=nodes,
        clients=clients,
        processes=processes,
        rate=_rate(rate),
        outstanding=outstanding,
        seconds=seconds,
        warmup=warmup,
        size=size,
        one_shot=one_shot,
    )
    report = run(_measured(load, teller))
    typer.echo(json.dumps(report) if as_json else "\n".join(lines_of(report)))
    raise typer.Exit(ExitCode.OK if report["agreement"] else ExitCode.NO)


async def _measured(load: Load, teller: Teller) -> Document:
    with cancelled_by_signals():
        return await measure(load, teller)


def _suite(seconds: float, teller: Teller, compare_with: Path | None, as_json: bool) -> None:
    earlier = json.loads(compare_with.read_text()) if compare_with else {}
    reports = run(_all_rows(seconds, teller))
    if as_json:
        typer.echo(json.dumps(dict(reports)))
    else:
        typer.echo("\n".join(table_of(reports)))
    for line in compare(dict(reports), earlier):
        typer.echo(line, err=as_json)
    good = all(report["agreement"] for _, report in reports)
    typer.echo(f"{len(reports)} rows, " + ("all replicas agree" if good else "REPLICAS DISAGREE"), err=as_json)
    raise typer.Exit(ExitCode.OK if good else ExitCode.NO)


async def _all_rows(seconds: float, teller: Teller) -> list[tuple[str, Document]]:
    with cancelled_by_signals():
        reports = []
        async for name, report in run_suite(seconds, teller):
            teller.line(f"{name}: {summary_of(report)}")
            reports.append((name, report))
        return reports


def _rate(text: str) -> float | None:
    if text == "max":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if rate <= 0:
        fail(f"--rate {text}: a number above 0, or max", ExitCode.USAGE)
    return rate


def main() -> None:
    """The script."""
    typer.run(bench)


if __name__ == "__main__":
    main()
