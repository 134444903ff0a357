"""What `strongroom bench` does once its options are read: which load, and what is printed of it.

Owns the order of a run, and exit codes. Options stand in command.py, what is measured in run.py,
suite.py, vault.py and rooms.py.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from strongroom.consensus.errors import OperatorFault
from strongroom.node.bench.aims import aims_of
from strongroom.node.bench.bounds import PAYMENT_SIZES
from strongroom.node.bench.flat_memory import grows
from strongroom.node.bench.peer_etcd import beside, etcd, measure_etcd
from strongroom.node.bench.profile import sampler
from strongroom.node.bench.repeated import together
from strongroom.node.bench.report import Document, is_good, lines_of, summary_of
from strongroom.node.bench.run import Load, measure
from strongroom.node.bench.suite import compare, run_suite, soak
from strongroom.node.bench.suite_tables import markdown_of, tables_text
from strongroom.node.bench.vault import VaultLoad, measure_vault, vault_lines
from strongroom.node.bench.work import CONTENTS_MAX, Payments, Records, Work
from strongroom.node.machine.interrupts import cancelled_by_signals
from strongroom.node.terminal.commands import fail, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.teller import Teller

VAULT, ROOMS = "vault", "rooms"
ETCD = "etcd"
ROOMS_PER_NODE_MAX = 400
"""Well below the connections that a node takes from one address."""
SECONDS = 10.0
"""Measured, unless said otherwise."""
SOAK_BYTES = 1000
"""On each node's disk for each payment, with room for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options of one call, as command.py explains them."""

    nodes: int
    clients: int
    rate: str
    seconds: float | None
    warmup: float
    size: int
    program: str
    rooms: int
    beat: float
    full: bool
    processes: int
    outstanding: int
    one_shot: bool
    suite: bool
    long: bool
    flames: Path | None
    markdown: bool
    compare_with: Path | None
    repeat: int
    peer: str | None
    tables: Path | None
    as_json: bool


def run_bench(wanted: Wanted) -> None:
    """Measure what is wanted, and print it.

    Raises:
        typer.Exit: always: 0 when all replicas agree.
    """
    teller = Teller(to_stderr=True)
    if wanted.peer not in (None, ETCD):
        fail(f"--peer {wanted.peer}: {ETCD} is what there is", ExitCode.USAGE)
    if wanted.peer is not None:
        etcd()
    if wanted.suite:
        _suite(wanted, teller)
        return
    if wanted.flames is not None:
        sampler()
    if wanted.program == VAULT:
        _vault(
            VaultLoad(nodes=wanted.nodes, rooms=wanted.rooms, beat_seconds=wanted.beat),
            wanted.seconds,
            teller,
            wanted.as_json,
        )
    if wanted.program == ROOMS:
        _rooms(wanted.nodes, teller, full=wanted.full, as_json=wanted.as_json)
    load = Load(
        nodes=wanted.nodes,
        clients=wanted.clients,
        processes=wanted.processes,
        rate=_rate(wanted.rate),
        outstanding=wanted.outstanding,
        seconds=wanted.seconds or SECONDS,
        warmup=wanted.warmup,
        work=_work(wanted.program, wanted.size),
        one_shot=wanted.one_shot,
    )
    if wanted.long:
        steady = soak(load.rate, wanted.seconds).load
        load = replace(load, rate=steady.rate, seconds=steady.seconds)
        _enough_disk(load)
    report = run(_measured(load, wanted, teller))
    lines = lines_of(report)
    if wanted.markdown:
        lines = markdown_of([(load.work.operation, report)], "--soak" if wanted.long else "…")
    typer.echo(json.dumps(report) if wanted.as_json else "\n".join(lines))
    good = is_good(report) and not (wanted.long and grows(report["memory"]))
    raise typer.Exit(ExitCode.OK if good else ExitCode.NO)


def _enough_disk(load: Load) -> None:
    """A soak that fills the disk after half an hour would say nothing of memory.

    Raises:
        OperatorFault: there is not enough where its cluster will be.
    """
    needed = (load.rate or 0.0) * load.seconds * load.nodes * SOAK_BYTES
    folder = tempfile.gettempdir()
    if (free := shutil.disk_usage(folder).free) < needed:
        raise OperatorFault(
            f"{load.seconds:g} s at {load.rate:g} a second take {needed / 2**30:.0f} GiB in "
            f"{folder}, which has {free / 2**30:.0f}: make room, lower --rate or set TMPDIR"
        )


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


async def _measured(load: Load, wanted: Wanted, teller: Teller) -> Document:
    with cancelled_by_signals():
        runs = []
        for _ in range(wanted.repeat):
            report = await measure(load, teller, flames=wanted.flames)
            if wanted.peer is not None:
                with teller.under_way() as say:
                    say(f"etcd beside it, {load.seconds:g} s")
                    report = beside(report, await measure_etcd(load.seconds, load.warmup))
            runs.append(report)
        return together(runs)


def _suite(wanted: Wanted, teller: Teller) -> None:
    compare_with, as_json = wanted.compare_with, wanted.as_json
    earlier = json.loads(compare_with.read_text()) if compare_with else {}
    reports = run(_all_rows(wanted, teller))
    if as_json:
        typer.echo(json.dumps({**dict(reports), "aims": aims_of(dict(reports))}))
    else:
        typer.echo("\n".join(markdown_of(reports)))
    for line in compare(dict(reports), earlier):
        typer.echo(line, err=as_json)
    good = all(is_good(report) for _, report in reports)
    typer.echo(
        f"{len(reports)} rows, " + ("all replicas agree" if good else "NOT ALL ARE GOOD"),
        err=as_json,
    )
    raise typer.Exit(ExitCode.OK if good else ExitCode.NO)


async def _all_rows(wanted: Wanted, teller: Teller) -> list[tuple[str, Document]]:
    with cancelled_by_signals():
        reports = []
        measuring = run_suite(
            wanted.seconds or SECONDS, teller, repeat=wanted.repeat, peer=wanted.peer is not None
        )
        async for name, report in measuring:
            teller.line(f"{name}: {summary_of(report)}")
            reports.append((name, report))
            if wanted.tables is not None:
                wanted.tables.write_text(tables_text(reports), encoding="utf-8")
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
