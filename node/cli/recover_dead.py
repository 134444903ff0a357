"""`strongroom recover begin | plan | join | give | take | open`: a dead service comes back by k of
n members.

Owns options and words of these commands. On a node of the dead service: node/membership/
recovering.py; on a member's side: enclave/outside/recovery_giving.py. How members come to have
shares: recover.py.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault, OperatorFault, StrongroomError
from strongroom.consensus.types import Height
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    DirectoryOption,
    PinDescriptorOption,
    PinFileOption,
    ask_passphrase,
    existing_directory,
)
from strongroom.node.cli.recover_token import TokenPin
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, note, say

if TYPE_CHECKING:
    from strongroom.enclave.outside.recovery_giving import JudgedOffer
    from strongroom.node.enclave_client.recovery_calls import RecoveryProgress
    from strongroom.node.layout import NodeLayout

NodeOption = Annotated[
    Path,
    typer.Option(
        "--ledger", metavar="DIR", help="A node's folder: its ledger, its chip, no sealed keys."
    ),
]
GenesisOption = Annotated[
    Path | None,
    typer.Option("--genesis", metavar="FILE", help="By default the one beside the node's folder."),
]
FILE_BYTES_MAX = 64 * 1024 * 1024
PROGRESS_HEIGHTS = 1_000


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

    layout, document = _layout(ledger), _genesis(ledger, genesis)

    async def steps() -> dict[str, Any]:
        folder = recovering.RecoveryFolder(layout)
        if not folder.state.exists():
            await recovering.begin(layout, document, progress=_Progress())
        if together:
            return {"evidence": str(folder.evidence), "offer": None}
        offer = await recovering.plan(layout, document, [])
        return {
            "evidence": str(folder.evidence),
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
        say(f"evidence {shown['evidence']}: bring it to the other nodes, then `recover plan`")
        return
    say(f"height    {shown['height']}")
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

    layout, document = _layout(ledger), _genesis(ledger, genesis)
    shown = [_read(path) for path in evidence]
    run(recovering.plan(layout, document, shown))
    offer = str(recovering.RecoveryFolder(layout).offer)
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

    layout = _layout(ledger)
    run(recovering.join(layout, _genesis(ledger, genesis), _read(offer)))
    emit({"joined": layout.name}, as_json, lambda: say(f"{layout.name} takes part in this plan"))


@guarded
def give(
    offer: Annotated[Path, typer.Argument(metavar="OFFER", help="Of the node that leads.")],
    member: Annotated[
        str, typer.Option("--as", metavar="NAME", help="A member: its key, its recovery key.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="By default NAME.share.")
    ] = None,
    receipt: Annotated[
        list[Path] | None,
        typer.Option(
            "--receipt", metavar="FILE", help="Further receipts of yours to compare with."
        ),
    ] = None,
    at_least: Annotated[
        int, typer.Option("--at-least", min=0, metavar="HEIGHT", help="A height that you know.")
    ] = 0,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Although you agreed to another offer: whoever has both can show that you did.",
        ),
    ] = False,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """A member checks an offer against the pin and against what it saw itself, agrees, and seals
    its share to the enclave that asks.

    Refused: another service's, a forged one, an enclave that the members' policy does not name, and
    one whose ledger is older than what this member knows (older-than-you-know).

    Example: strongroom recover give offer --as member0
    """
    from strongroom.enclave.outside.recovery_giving import check_newest, judge_offer
    from strongroom.node.client.recovery_giving import give_share, known_height
    from strongroom.node.client.trust.service import load_service

    existing_directory(directory)
    service = load_service(directory)
    judged = judge_offer(_read(offer), service.pin)
    known = known_height(directory, service, [_read(path) for path in receipt or []])
    check_newest(judged, Height(max(known, at_least)))
    pin = TokenPin(member, pin_file, pin_fd)
    given = give_share(
        directory, service, member, judged, again=again, ask=ask_passphrase, openers=pin.opener
    )
    path = out or Path(f"{member}.share")
    _write(path, given.encode())
    document = _offer_document(judged) | {"share": str(path), "known": known}
    emit(document, as_json, lambda: _show_given(document))


def _offer_document(judged: "JudgedOffer") -> dict[str, Any]:
    plan = judged.plan
    return {
        "height": int(judged.height),
        "hash": plan.head.header.digest.hex(),
        "root": plan.opening.anchor.root.hex(),
        "generation": plan.rules.generation,
        "threshold": plan.rules.threshold,
        "nodes": [
            {
                "name": one.claims.node,
                "operator": one.operator,
                "region": one.region,
                "measurement": one.measurement.hex(),
                "simulated": one.simulated,
            }
            for one in judged.enclaves
        ],
    }


def _show_given(document: dict[str, Any]) -> None:
    say(f"height    {document['height']} (you know {document['known']})")
    say(f"hash      {document['hash']}")
    for node in document["nodes"]:
        say(
            f"node      {node['name']} of {node['operator']} in {node['region']}, code "
            f"{node['measurement'][:16]}…{', SIMULATED chip' if node['simulated'] else ''}"
        )
    say(f"share     {document['share']}: bring it to the node that asks; it opens there alone")


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
    layout = _layout(ledger)
    document = run(_take(layout, _genesis(ledger, genesis), shares))
    emit(document, as_json, lambda: _show_taken(document))
    if document["refused"]:
        raise typer.Exit(int(ExitCode.NO))


async def _take(layout: "NodeLayout", genesis: bytes, shares: list[Path]) -> dict[str, Any]:
    from strongroom.node.membership import recovering

    progress, told = await recovering.take(
        layout, genesis, [(path.name, _read(path)) for path in shares]
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


def show_status(ledger: Path, as_json: bool) -> None:
    """Who gave, and who is missing, of the recovery that is under way on a node."""
    from strongroom.node.membership import recovering

    layout = _layout(ledger)
    document = progress_document(run(recovering.progress_of(layout, _genesis(ledger, None))))
    emit(document, as_json, lambda: show_progress(document))


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
        list[Path] | None, typer.Argument(metavar="[SHARE]...", help="Taken first.")
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
    from strongroom.node.membership import recovering

    layout, document = _layout(ledger), _genesis(ledger, genesis)

    async def steps() -> dict[str, Any]:
        taken: dict[str, Any] = {"taken": [], "refused": []}
        if shares:
            taken = await _take(layout, document, shares)
        handed_over = None if handed is None else _read(handed)
        made = await recovering.open_ledger(layout, document, handed_over, progress=_Progress())
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


# --- files ---


class _Progress:
    """Tells how far long work is, now and then."""

    def __init__(self) -> None:
        self._told = ("", 0)

    def __call__(self, what: str, done: int, of: int) -> None:
        name, height = self._told
        if name != what or done >= height + PROGRESS_HEIGHTS or done == of:
            self._told = (what, done)
            note(f"{what}: height {done} of {of}")


def _layout(folder: Path) -> "NodeLayout":
    from strongroom.node.layout import NodeLayout

    layout = NodeLayout(folder.absolute())
    if not layout.config.is_file() or not layout.chip.is_dir():
        raise OperatorFault(f"{folder} is no node's folder: name one with its node.toml and chip")
    return layout


def _genesis(folder: Path, given: Path | None) -> bytes:
    from strongroom.node.client.audit.ledger_files import read_genesis

    try:
        return read_genesis(folder.absolute() / "ledger", given)
    except StrongroomError as error:
        raise OperatorFault(str(error)) from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
    if len(data) > FILE_BYTES_MAX:
        raise ClientFault(f"{path} is longer than anything that a recovery hands over")
    return data


def _write(path: Path, data: bytes) -> None:
    from strongroom.node.machine.durable_files import write_atomic

    try:
        write_atomic(path, data)
    except OSError as error:
        raise OperatorFault(f"cannot write {path}: {error.strerror}") from None
