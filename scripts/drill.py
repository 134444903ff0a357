"""`./scripts/drill`: what happens after a disaster, with real processes (VAULT §7, P9; T45, T5B).

Owns options and the order of the steps: on a cluster of its own, or on a copy of one that was made
elsewhere (`--ledger`). A step is what an operator or a member types: the commands of `strongroom
recover`, each member's in a folder of its own (recovery_drill/). Short: tests/integration/
test_recovery_drill.py.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from scripts.recovery_drill.around import (
    join_again,
    lose_a_disk,
    restart_all,
    share,
    verify_across,
)
from scripts.recovery_drill.coming_back import lose_all_keys
from scripts.recovery_drill.drill import Broken, Drill
from scripts.recovery_drill.members import find_members, set_apart

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cluster.cluster import open_cluster
from strongroom.node.cluster.temporary_cluster import Stage, running_cluster
from strongroom.node.machine.interrupts import cancelled_by_signals
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit
from strongroom.node.terminal.teller import Teller

THRESHOLD = 2
GIB = 2**30
SMALL_BYTES = 64 * 1024 * 1024
"""Of a smaller ledger, the start of processes is measured, and no seconds per GiB are said."""

app = typer.Typer(add_completion=False)


# --- the order of the steps -----------------------------------------------------------------------


async def play(drill: Drill, *, nodes: int) -> None:
    """All steps, in their order."""
    receipt = drill.directory / "before.json"
    with drill.step(f"{drill.payments} payments"):
        await drill.pay(drill.payments)
    with drill.step("members take shares"):
        await share(drill)
    if nodes > 1:
        await lose_a_disk(drill)
        with drill.step("shares anew, for a validator has gone"):
            await share(drill, turn=1)
    await restart_all(drill)
    older = drill.directory / "older-ledger"
    shutil.copytree(drill.cluster.node(drill.cluster.names[0]).layout.ledger, older)
    paid = await drill.pay_with_receipt()
    await drill.command("receipt", paid, "-o", str(receipt), *drill.in_cluster())
    seen = await drill.command("query", "payments.balance", "--as", "bob", *drill.in_cluster())
    members = set_apart(drill.directory, drill.directory / "apart")
    await lose_all_keys(drill, members, older=older, known=int(seen["height"]))
    await verify_across(drill, receipt)
    await join_again(drill, max(1, nodes - 1))


async def play_on(drill: Drill, member_folders: list[Path]) -> None:
    """The disaster alone, on a cluster that was made elsewhere."""
    folders = [folder.absolute() for folder in member_folders]
    members = find_members(folders) or set_apart(drill.directory, drill.directory / "apart")
    if len(members) < 2:
        raise OperatorFault(
            f"{drill.directory}/keys has recovery keys of {len(members)} members: name the folders "
            "of at least k of them, and of two, with --member"
        )
    with drill.step("the nodes start, and say what everybody has"):
        await drill.start_all()
        drill.balances = await drill.read_balances()
        drill.figures["nodes"] = len(drill.cluster.members)
    await lose_all_keys(drill, members)
    await verify_across(drill, None)
    await join_again(drill, 1)


# --- the command ----------------------------------------------------------------------------------


@app.command(
    epilog="Exit codes: 0 all of it held · 1 something did not · 2 usage or a step failed."
)
@guarded
def drill(
    payments: Annotated[
        int, typer.Option(min=1, help="Transactions on the ledger before the disaster.")
    ] = 1_000,
    nodes: Annotated[
        int, typer.Option(min=1, max=7, help="How many nodes: one, or four and more.")
    ] = 4,
    directory: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Stays; by default a temporary one.")
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(
            "--ledger",
            metavar="DIR",
            help="On a copy of this cluster's folder: stopped, of `cluster up --recovery K`.",
        ),
    ] = None,
    member: Annotated[
        list[Path] | None,
        typer.Option(
            "--member", metavar="DIR", help="With --ledger: a member's folder, if keys lie apart."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Lose a disk, restart all, lose every enclave's keys, and bring the service back by k of n
    members; print the seconds of each step.

    Example: ./scripts/drill --payments 10000
    """
    if nodes in (2, 3):
        fail("with 2 or 3 nodes none may fail: choose 1, or 4 and more", ExitCode.USAGE)
    teller = Teller(to_stderr=as_json)
    document = run(
        _drill(payments, nodes, directory, teller)
        if ledger is None
        else _drill_on(ledger, directory, member or [], teller)
    )
    emit(document, as_json, lambda: _tell(document, teller))
    if document["broken"]:
        raise typer.Exit(int(ExitCode.NO))


async def _drill(
    payments: int, nodes: int, directory: Path | None, teller: Teller
) -> dict[str, Any]:
    stage = Stage(nodes=nodes, base_port=0, directory=directory)
    limits = (("recovery_threshold", THRESHOLD),)
    broken = ""
    with cancelled_by_signals():
        async with running_cluster(stage, teller, fund=True, limits=limits) as cluster:
            one = Drill(cluster, payments, teller)
            try:
                await play(one, nodes=nodes)
            except (Broken, OperatorFault) as fault:
                broken = str(fault)
            finally:
                await open_cluster(one.directory).down()
    return _document(one, broken) | {"nodes": nodes, "payments": payments}


async def _drill_on(
    ledger: Path, directory: Path | None, members: list[Path], teller: Teller
) -> dict[str, Any]:
    original = open_cluster(ledger)
    if running := original.running():
        raise OperatorFault(
            f"{running[0].name} of {ledger} runs, and its copy would answer in its place: stop it "
            f"with `strongroom cluster down --dir {ledger}`; the drill changes nothing there"
        )
    temporary = None if directory else tempfile.mkdtemp(prefix="strongroom-drill-")
    copy = directory or Path(str(temporary)) / "cluster"
    if copy.exists():
        raise OperatorFault(f"{copy} is there already: name another --dir for the copy")
    broken = ""
    try:
        with cancelled_by_signals():
            shutil.copytree(ledger, copy)
            one = Drill(open_cluster(copy), 0, teller)
            try:
                await play_on(one, members)
            except (Broken, OperatorFault) as fault:
                broken = str(fault)
            finally:
                await open_cluster(copy).down()
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return _document(one, broken)


def _document(drill: Drill, broken: str) -> dict[str, Any]:
    return {
        "threshold": drill.threshold,
        "seconds": drill.seconds,
        **drill.figures,
        "seconds_per_gib": _per_gib(drill),
        "balances": drill.balances,
        "broken": broken,
    }


def _per_gib(drill: Drill) -> dict[str, float]:
    """Of the steps that read the whole ledger, if it is not a small one."""
    size = drill.figures.get("ledger_bytes", 0)
    long = ("recover begin", "recover open")
    return {
        name: round(seconds / (size / GIB), 1)
        for name, seconds in drill.seconds.items()
        if size >= SMALL_BYTES and name.startswith(long)
    }


def _tell(document: dict[str, Any], teller: Teller) -> None:
    size = document.get("ledger_bytes", 0)
    for name, seconds in document["seconds_per_gib"].items():
        teller.line(f"{seconds:8.1f} s per GiB  {name}")
    if size and not document["seconds_per_gib"]:
        teller.line(f"no seconds per GiB: a ledger of {size / 2**20:.1f} MiB shows starts alone")
    if document["broken"]:
        print(f"drill: DOES NOT HOLD: {document['broken']}")
        return
    print(
        f"drill: all held; {document['nodes']} nodes, recovered at height "
        f"{document['recovered_at']} by {', '.join(document['members'])}"
    )


if __name__ == "__main__":
    app()
