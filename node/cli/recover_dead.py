"""`strongroom recover begin | plan | join | take | open`: a dead service comes back by k of n
members, on a node of it.

Owns options and words of these commands; what they do: node/membership/recovering.py and
recovering_end.py. A member's side: recover_giving.py. How members come to have shares: recover.py.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.node.cli.recover_files import (
    GenesisOption,
    NodeOption,
    ProgressLine,
    genesis_of,
    node_layout,
    read_handed,
)
from strongroom.node.cli.recover_giving import give
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say, warn

if TYPE_CHECKING:
    from strongroom.node.enclave_client.recovery_calls import RecoveryProgress
    from strongroom.node.layout import NodeLayout
    from strongroom.node.membership.recovering_ledger import LedgerEnd


def register(app: typer.Typer) -> None:
    """Mount these commands beside those of recover.py."""
    for command in (begin, plan, join, give, take):
        app.command()(command)
    app.command("open")(open_)


@guarded
def begin(
    ledger: NodeOption,
    together: Annotated[
        bool,
        typer.Option(
            "--together",
            help="Other nodes take part too: `recover plan` comes next, at one of them.",
        ),
    ] = False,
    genesis: GenesisOption = None,
    as_json: JsonOption = False,
) -> None:
    """On a node of a dead service: an enclave without keys follows the ledger, and offers to bring
    the service back.

    The offer stands in `recovery/offer` of the node's folder: bring it to the members.

    Example: strongroom recover begin --ledger strongroom-data/n0
    """
    from strongroom.node.membership import recovering
    from strongroom.node.membership.recovering_folder import RecoveryFolder

    layout, document = node_layout(ledger), genesis_of(ledger, genesis)

    async def steps() -> dict[str, Any]:
        folder = RecoveryFolder(layout)
        end = await recovering.begin(layout, document, progress=ProgressLine())
        begun = {"evidence": str(folder.evidence), "offer": None, **end_document(end)}
        if together:
            return begun
        offer = await recovering.plan(layout, document, [])
        return begun | {
            "offer": str(folder.offer),
            "height": int(offer.plan.head.header.height),
            "hash": offer.plan.head.header.digest.hex(),
            "root": offer.plan.opening.anchor.root.hex(),
            "threshold": offer.plan.rules.threshold,
            "members": [name for name, _ in offer.plan.rules.members],
        }

    shown = run(steps())
    emit(shown, as_json, lambda: _show_begun(shown))


def _show_begun(shown: dict[str, Any]) -> None:
    if shown["offer"] is None:
        show_end(shown)
        say(f"evidence  {shown['evidence']}: for `recover plan`, on the node that leads")
        return
    show_end(shown)
    say(f"hash      {shown['hash']}")
    say(f"root      {shown['root']}")
    say(f"needed    {shown['threshold']} of {', '.join(shown['members'])}")
    say(f"offer     {shown['offer']}: each member runs `strongroom recover give` with it")


@guarded
def plan(
    evidence: Annotated[
        list[Path], typer.Argument(metavar="EVIDENCE...", help="`recovery/evidence` of the nodes.")
    ],
    ledger: NodeOption,
    genesis: GenesisOption = None,
    as_json: JsonOption = False,
) -> None:
    """With several nodes: plan the next epoch with all of them, on the one that leads.

    Example: strongroom recover plan n1.evidence n2.evidence --ledger strongroom-data/n0
    """
    from strongroom.node.membership import recovering
    from strongroom.node.membership.recovering_folder import RecoveryFolder

    layout, document = node_layout(ledger), genesis_of(ledger, genesis)
    shown = [read_handed(path, "`recovery/evidence` of a node") for path in evidence]
    run(recovering.plan(layout, document, shown))
    offer = str(RecoveryFolder(layout).offer)
    emit(
        {"offer": offer},
        as_json,
        lambda: say(f"offer {offer}: for `recover join` of the other nodes, then for the members"),
    )


@guarded
def join(
    offer: Annotated[Path, typer.Argument(metavar="OFFER", help="Of the node that leads.")],
    ledger: NodeOption,
    genesis: GenesisOption = None,
    as_json: JsonOption = False,
) -> None:
    """With several nodes: take part in the plan of the one that leads.

    Example: strongroom recover join offer --ledger strongroom-data/n1
    """
    from strongroom.node.membership import recovering

    layout = node_layout(ledger)
    run(
        recovering.join(
            layout,
            genesis_of(ledger, genesis),
            read_handed(offer, "`recovery/offer` of the node that leads"),
        )
    )
    emit({"joined": layout.name}, as_json, lambda: say(f"{layout.name} takes part in this plan"))


@guarded
def take(
    shares: Annotated[list[Path], typer.Argument(metavar="SHARE...", help="Of members.")],
    ledger: NodeOption,
    genesis: GenesisOption = None,
    as_json: JsonOption = False,
) -> None:
    """On the node that leads: count shares. One that does not count is refused by name, alone.

    Exit status 1 when one was refused.

    Example: strongroom recover take member0.share member2.share --ledger strongroom-data/n0
    """
    layout = node_layout(ledger)
    document = run(_take(layout, genesis_of(ledger, genesis), shares))
    emit(document, as_json, lambda: _show_taken(document))
    if document["refused"]:
        raise typer.Exit(int(ExitCode.NO))


async def _take(layout: "NodeLayout", genesis: bytes, shares: list[Path]) -> dict[str, Any]:
    from strongroom.node.membership import recovering

    progress, told = await recovering.take(
        layout, genesis, [(path.name, read_handed(path, "a member's share")) for path in shares]
    )
    return progress_document(progress) | {
        "taken": [{"file": file, "member": member} for file, member, fault in told if not fault],
        "refused": [{"file": file, "why": fault} for file, _, fault in told if fault],
    }


def _show_taken(document: dict[str, Any]) -> None:
    for one in document["taken"]:
        say(f"taken     {one['file']}: of {one['member']}")
    for one in document["refused"]:
        say(f"refused   {one['file']}: {one['why']}")
    show_progress(document)


def show_status(ledger: Path, genesis: Path | None, as_json: bool) -> None:
    """Who gave, and who is missing, of the recovery that is under way on a node; where its ledger
    ends, when none is."""
    from strongroom.node.membership import recovering
    from strongroom.node.membership.recovering_folder import RecoveryFolder

    layout = node_layout(ledger)
    folder = RecoveryFolder(layout)
    if folder.done.exists():
        text = f"the recovery in {layout.recovery} is through: start the node"
        emit({"done": True}, as_json, lambda: say(text))
        return
    if not folder.state.exists():
        found = end_document(recovering.look(layout)) | {"begun": False}
        emit(found, as_json, lambda: show_end(found))
        return
    document = progress_document(
        run(recovering.progress_of(layout, genesis_of(ledger, genesis)))
    ) | {"begun": True}
    emit(document, as_json, lambda: show_progress(document))


def end_document(end: "LedgerEnd") -> dict[str, Any]:
    """Where a ledger ends, for JSON."""
    return {
        "certified": int(end.certified),
        "executed": int(end.executed),
        "newest_block": int(end.newest_block),
        "newest_outcome": int(end.newest_outcome),
        "ordered": end.ordered,
        "uncertified": end.uncertified,
        "notes": list(end.notes),
    }


def show_end(document: dict[str, Any]) -> None:
    """The same in words."""
    say(f"certified to height {document['certified']}, executed to height {document['executed']}")
    for text in document["notes"]:
        warn(text)


def progress_document(progress: "RecoveryProgress") -> dict[str, Any]:
    """How far a recovery is, for JSON."""
    return {
        "height": int(progress.height),
        "planned": progress.planned,
        "threshold": progress.threshold,
        "members": list(progress.members),
        "given": list(progress.given),
        "missing": progress.missing,
    }


def show_progress(document: dict[str, Any]) -> None:
    """The same in words."""
    if not document["planned"]:
        say("planned   nothing yet: `strongroom recover plan` comes next, at the node that leads")
        return
    say(f"given     {', '.join(document['given']) or 'nobody yet'}")
    left = [name for name in document["members"] if name not in document["given"]]
    missing = document["missing"]
    if missing:
        say(f"missing   {missing} of {', '.join(left)}")
    elif document["planned"]:
        say("missing   none: `strongroom recover open` comes next")


@guarded
def open_(
    ledger: NodeOption,
    shares: Annotated[
        list[Path] | None, typer.Argument(metavar="SHARE", help="Members' shares, taken first.")
    ] = None,
    handed: Annotated[
        Path | None,
        typer.Option("--handed", metavar="FILE", help="With several nodes: `for-KEY` of the lead."),
    ] = None,
    genesis: GenesisOption = None,
    as_json: JsonOption = False,
) -> None:
    """With k shares: open the ledger, apply it, end the lost epoch, and become a node again. After
    a kill, run it again.

    Then start the node (`strongroom cluster up` or `node run`), and let others join.

    Example: strongroom recover open member1.share --ledger strongroom-data/n0
    """
    from strongroom.node.membership.recovering_end import open_ledger
    from strongroom.node.membership.recovering_folder import RecoveryFolder

    layout, document = node_layout(ledger), genesis_of(ledger, genesis)

    async def steps() -> dict[str, Any]:
        taken: dict[str, Any] = {"taken": [], "refused": []}
        if shares and not RecoveryFolder(layout).end.exists():  # opened, nobody counts them again
            taken = await _take(layout, document, shares)
        handed_over = (
            None if handed is None else read_handed(handed, "`recovery/for-KEY` of the lead")
        )
        made = await open_ledger(layout, document, handed_over, progress=ProgressLine())
        return {
            "taken": taken["taken"],
            "refused": taken["refused"],
            "height": int(made.opening.height),
            "recovered_at": int(made.head.header.height),
            "members": list(made.members),
            "epoch": int(made.description.epoch),
            "nodes": len(made.description.validators),
        }

    shown = run(steps())
    emit(shown, as_json, lambda: _show_opened(shown))


def _show_opened(shown: dict[str, Any]) -> None:
    for one in shown["refused"]:
        say(f"refused   {one['file']}: {one['why']}")
    say(f"recovered at height {shown['recovered_at']} by {', '.join(shown['members'])}")
    say(f"epoch     {shown['epoch']} begins after height {shown['height']}; start the node now")
