"""`./scripts/bench`, also `strongroom bench`: options in, one document or a table out."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from strongroom.node.bench.peer_etcd import beside, etcd, measure_etcd
from strongroom.node.bench.profile import sampler
from strongroom.node.bench.repeated import REPEATS_MAX, together
from strongroom.node.bench.report import Document, lines_of, summary_of
from strongroom.node.bench.run import OUTSTANDING_MAX, Load, measure
from strongroom.node.bench.suite import compare, markdown_of, run_suite, soak, table_of
from strongroom.node.bench.vault import VaultLoad, measure_vault, vault_lines
from strongroom.node.bench.work import CONTENTS_MAX, PAYMENT_SIZES, Payments, Records, Work
from strongroom.node.machine.interrupts import cancelled_by_signals
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.teller import Teller

VAULT, ROOMS = "vault", "rooms"
ETCD = "etcd"
ROOMS_PER_NODE_MAX = 400
"""Well below the connections that a node takes from one address."""
SECONDS = 10.0
"""Measured, unless said otherwise."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How long, how often, and beside what."""

    seconds: float
    repeat: int
    peer: bool


def register(app: typer.Typer) -> None:
    """Mount this command."""
    app.command("bench")(bench)


@guarded
def bench(
    nodes: Annotated[int, typer.Option(min=1, max=10, help="Replicas.")] = 4,
    clients: Annotated[
        int, typer.Option(min=1, max=256, help="Clients, each with a session of its own.")
    ] = 4,
    rate: Annotated[
        str, typer.Option(metavar="R|max", help="Payments a second in all (open loop), or max.")
    ] = "max",
    seconds: Annotated[
        float | None, typer.Option(min=1.0, help="Measured time; 10 by default, vault 30.")
    ] = None,
    warmup: Annotated[
        float, typer.Option(min=0.0, help="Load before it is measured, in seconds.")
    ] = 3.0,
    size: Annotated[
        int,
        typer.Option(
            help="Payments: size class of the envelopes, 256 or 512. Records: bytes of an entry."
        ),
    ] = PAYMENT_SIZES[0],
    program: Annotated[
        str,
        typer.Option(help="What is called: payments, records; vault or rooms for their rows."),
    ] = "payments",
    rooms: Annotated[int, typer.Option(min=1, help="Vault: sessions of rooms that beat.")] = 1000,
    beat: Annotated[
        float, typer.Option(min=0.1, help="Vault: seconds between two beats of a room.")
    ] = 10.0,
    full: Annotated[
        bool, typer.Option("--full", help="Rooms: ten million rows and a gigabyte too.")
    ] = False,
    processes: Annotated[int, typer.Option(min=1, max=16, help="Load processes.")] = 1,
    outstanding: Annotated[
        int, typer.Option(min=1, max=OUTSTANDING_MAX, help="Per client, in a closed loop.")
    ] = 500,
    one_shot: Annotated[
        bool, typer.Option("--one-shot", help="A session for each payment.")
    ] = False,
    suite: Annotated[
        bool, typer.Option("--suite", help="All rows of the README's table, one after the other.")
    ] = False,
    long: Annotated[
        bool, typer.Option("--soak", help="Ten minutes at 3,000 a second, for memory's sake.")
    ] = False,
    flames: Annotated[
        Path | None,
        typer.Option(
            "--profile", metavar="FILE.svg", help="Write flame graphs of a host and an enclave."
        ),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The result as a table for a document.")
    ] = False,
    compare_with: Annotated[
        Path | None, typer.Option("--compare", help="A suite's JSON from before.")
    ] = None,
    repeat: Annotated[
        int,
        typer.Option(
            min=1, max=REPEATS_MAX, help="Measure so often: the run in the middle, 95 % intervals."
        ),
    ] = 1,
    peer: Annotated[
        str | None,
        typer.Option(metavar="etcd", help="Measure this machine's etcd beside it; its ratios."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure sealed transactions on a cluster of its own on this machine.

    Example: strongroom bench --rate 2000 --seconds 20 --json (also ./scripts/bench)

    Exit codes: 0 measured, all replicas agree and everything adds up · 1 they do not · 2 a step
    failed.
    """
    teller = Teller(to_stderr=True)
    if peer not in (None, ETCD):
        fail(f"--peer {peer}: {ETCD} is what there is", ExitCode.USAGE)
    if peer is not None:
        etcd()
    wanted = _Wanted(seconds or SECONDS, repeat=repeat, peer=peer is not None)
    if suite:
        _suite(wanted, teller, compare_with, as_json, markdown)
        return
    if flames is not None:
        sampler()
    if program == VAULT:
        _vault(VaultLoad(nodes=nodes, rooms=rooms, beat_seconds=beat), seconds, teller, as_json)
    if program == ROOMS:
        _rooms(nodes, teller, full=full, as_json=as_json)
    load = Load(
        nodes=nodes,
        clients=clients,
        processes=processes,
        rate=_rate(rate),
        outstanding=outstanding,
        seconds=seconds or SECONDS,
        warmup=warmup,
        work=_work(program, size),
        one_shot=one_shot,
    )
    if long:
        steady = soak(load.rate, seconds).load
        load = replace(load, rate=steady.rate, seconds=steady.seconds)
    report = run(_measured(load, wanted, teller, flames))
    lines = markdown_of([(load.work.operation, report)]) if markdown else lines_of(report)
    typer.echo(json.dumps(report) if as_json else "\n".join(lines))
    raise typer.Exit(ExitCode.OK if report["agreement"] else ExitCode.NO)


def _vault(load: VaultLoad, seconds: float | None, teller: Teller, as_json: bool) -> None:
    if load.rooms > ROOMS_PER_NODE_MAX * load.nodes:
        fail(
            f"--rooms {load.rooms}: at most {ROOMS_PER_NODE_MAX} for each of --nodes {load.nodes}",
            ExitCode.USAGE,
        )
    report = run(_vault_measured(replace(load, seconds=seconds or load.seconds), teller))
    typer.echo(json.dumps(report) if as_json else "\n".join(vault_lines(report)))
    raise typer.Exit(ExitCode.OK if report["agreement"] else ExitCode.NO)


def _rooms(nodes: int, teller: Teller, *, full: bool, as_json: bool) -> None:
    try:
        from strongroom.node.bench.rooms import CSV_ROWS_FULL, RoomsLoad, measure_rooms, rooms_lines
    except ModuleNotFoundError as error:
        fail(f"{error.name} is missing: pip install 'strongroom[rooms]'", ExitCode.USAGE)
    load = RoomsLoad(nodes=nodes)
    if full:
        load = replace(load, full=True, csv_rows=CSV_ROWS_FULL)

    async def measured() -> Document:
        with cancelled_by_signals():
            return await measure_rooms(load, teller)

    report = run(measured())
    typer.echo(json.dumps(report) if as_json else "\n".join(rooms_lines(report)))
    raise typer.Exit(ExitCode.OK if report["agreement"] else ExitCode.NO)


async def _vault_measured(load: VaultLoad, teller: Teller) -> Document:
    with cancelled_by_signals():
        return await measure_vault(load, teller)


def _work(program: str, size: int) -> Work:
    if program == "payments":
        if size not in PAYMENT_SIZES:
            fail(
                f"--size {size}: payments fill envelopes of "
                f"{PAYMENT_SIZES[0]} or {PAYMENT_SIZES[1]}",
                ExitCode.USAGE,
            )
        return Payments(size)
    if program != "records":
        fail(
            f"--program {program}: payments, records, vault and rooms are what there is",
            ExitCode.USAGE,
        )
    if not 1 <= size <= CONTENTS_MAX:
        fail(f"--size {size}: records of 1 to {CONTENTS_MAX} bytes are measured", ExitCode.USAGE)
    return Records(size)


async def _measured(load: Load, wanted: _Wanted, teller: Teller, flames: Path | None) -> Document:
    with cancelled_by_signals():
        report = together(
            [await measure(load, teller, flames=flames) for _ in range(wanted.repeat)]
        )
        if not wanted.peer:
            return report
        with teller.under_way() as say:
            say(f"etcd beside it, {load.seconds:g} s")
            return beside(report, await measure_etcd(load.seconds, load.warmup))


def _suite(
    wanted: _Wanted, teller: Teller, compare_with: Path | None, as_json: bool, markdown: bool
) -> None:
    earlier = json.loads(compare_with.read_text()) if compare_with else {}
    reports = run(_all_rows(wanted, teller))
    if as_json:
        typer.echo(json.dumps(dict(reports)))
    else:
        typer.echo("\n".join(markdown_of(reports) if markdown else table_of(reports)))
    for line in compare(dict(reports), earlier):
        typer.echo(line, err=as_json)
    good = all(report["agreement"] for _, report in reports)
    typer.echo(
        f"{len(reports)} rows, " + ("all replicas agree" if good else "REPLICAS DISAGREE"),
        err=as_json,
    )
    raise typer.Exit(ExitCode.OK if good else ExitCode.NO)


async def _all_rows(wanted: _Wanted, teller: Teller) -> list[tuple[str, Document]]:
    with cancelled_by_signals():
        reports = []
        measuring = run_suite(wanted.seconds, teller, repeat=wanted.repeat, peer=wanted.peer)
        async for name, report in measuring:
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
