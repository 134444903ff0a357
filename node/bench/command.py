"""`./scripts/bench`, also `strongroom bench`: options in, one document or a table out.

Owns the options, and loads nothing else, so that their help is quick. What is done: doing.py.
"""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.node.bench.bounds import OUTSTANDING_MAX, PAYMENT_SIZES, REPEATS_MAX
from strongroom.node.terminal.commands import JsonOption, guarded


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
        bool,
        typer.Option(
            "--soak",
            help="Ten minutes at 3,000 a second: is memory flat? --rate and --seconds change it.",
        ),
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
    tables: Annotated[
        Path | None,
        typer.Option(
            "--tables",
            metavar="FILE.md",
            help="Suite: write its table and the README's there, after each row.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure sealed transactions on a cluster of its own on this machine.

    Example: strongroom bench --rate 2000 --seconds 20 --json (also ./scripts/bench)

    Exit codes: 0 measured, all replicas agree and everything adds up · 1 they do not · 2 a step
    failed.
    """
    from strongroom.node.bench.doing import Wanted, run_bench

    run_bench(
        Wanted(
            nodes=nodes,
            clients=clients,
            rate=rate,
            seconds=seconds,
            warmup=warmup,
            size=size,
            program=program,
            rooms=rooms,
            beat=beat,
            full=full,
            processes=processes,
            outstanding=outstanding,
            one_shot=one_shot,
            suite=suite,
            long=long,
            flames=flames,
            markdown=markdown,
            compare_with=compare_with,
            repeat=repeat,
            peer=peer,
            tables=tables,
            as_json=as_json,
        )
    )


def main() -> None:
    """The script."""
    typer.run(bench)


if __name__ == "__main__":
    main()
