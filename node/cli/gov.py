"""`strongroom gov …`: members propose, vote, withdraw; anybody looks, and tries a change without
making it.

Owns options, words and JSON of these commands. Signing and checking is node/client/governing.py's.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    ask_passphrase,
    existing_directory,
)
from strongroom.node.cli.fate import Fate, fate_told, show_settled
from strongroom.node.cli.ledger import read_arguments
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run, run_submission
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, note, say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from strongroom.enclave.governance.document import Document, ProposalEntry
    from strongroom.node.client.governing import Decided, Member

gov_app = typer.Typer(
    name="gov",
    no_args_is_help=True,
    help="Governance: signed, public, counted votes of the members.",
)
MemberOption = Annotated[
    str, typer.Option("--as", metavar="MEMBER", help="Identity of the folder's keys/.")
]
ChangeArgument = Annotated[
    str, typer.Argument(metavar="CHANGE", help="Like allow_chip, add_member, rotate, set_limit.")
]
ValuesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...", help="What the change takes; names of keys/ are resolved."
    ),
]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Of a proposal, or how it begins.")]


@gov_app.command()
@guarded
def propose(
    change: ChangeArgument,
    member: MemberOption,
    values: ValuesArgument = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Propose a change; the proposer's own yes is counted.

    Example: strongroom gov propose set_limit name=epoch_blocks value=1000 --as member0
    """
    existing_directory(directory)
    from strongroom.node.client.governing import read_change
    from strongroom.node.client.identities import KeyFolder
    from strongroom.node.layout import ClusterLayout

    arguments = read_change(
        change, read_arguments(values), KeyFolder(ClusterLayout(directory).keys)
    )
    _act(directory, member, timeout, as_json, lambda one, _: one.propose(change, arguments))


@gov_app.command()
@guarded
def vote(
    id: IdArgument,
    answer: Annotated[str, typer.Argument(metavar="yes|no")],
    member: MemberOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Vote on a proposal: on exactly the change and the arguments that are shown.

    Example: strongroom gov vote 5f3a yes --as member1
    """
    if answer not in ("yes", "no"):
        fail(f"{answer!r}: vote yes or no", ExitCode.USAGE)
    _act(
        directory,
        member,
        timeout,
        as_json,
        lambda one, state: one.vote(_found(state, id), yes=answer == "yes"),
    )


@gov_app.command()
@guarded
def withdraw(
    id: IdArgument,
    member: MemberOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Take back one's own open proposal.

    Example: strongroom gov withdraw 5f3a --as member0
    """
    _act(directory, member, timeout, as_json, lambda one, state: one.withdraw(_found(state, id).id))


@gov_app.command()
@guarded
def show(
    id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One proposal; all without.")
    ] = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show proposals: what they change, who said what, when they take effect.

    Example: strongroom gov show
    """
    from strongroom.node.api.public_state import proposal_document
    from strongroom.node.cli import governance_tables

    state = run(_state(existing_directory(directory)))
    if id is None:
        documents = [proposal_document(one) for one in state.proposals]
        emit(documents, as_json, lambda: governance_tables.show_proposals(documents))
        return
    document = proposal_document(_found(state, id))
    emit(document, as_json, lambda: governance_tables.show_proposal(document))


@gov_app.command()
@guarded
def simulate(
    change: ChangeArgument,
    values: ValuesArgument = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Try a change on the rules of now, by the enclave's own code; nothing is signed or sent.

    Example: strongroom gov simulate remove_member name=member3
    """
    existing_directory(directory)
    document = run(_simulate(directory, change, read_arguments(values)))
    emit(document, as_json, lambda: _show_simulated(document))
    if not document["ok"]:
        raise typer.Exit(int(ExitCode.NO))


# --- inside ---------------------------------------------------------------------------------------


def _act(
    directory: Path,
    member: str,
    timeout: float,
    as_json: bool,
    action: "Callable[[Member, Document], Awaitable[Decided]]",
) -> None:
    fate = Fate(member, ask_later="strongroom explorer tx {id}")
    with fate_told(fate, as_json):
        try:
            document = run_submission(
                _acted(existing_directory(directory), member, timeout, fate, action)
            )
        except ProgramFailed as fault:
            id = None if fault.id is None else fault.id.hex()
            error = {"code": fault.code, "message": fault.message}
            place = {"id": id, "height": fault.height, "index": fault.index}
            fate.settled({**place, "ok": False, "error": error}, ExitCode.NO)
            if as_json:
                show_settled(fate, as_json, None)
            fail(str(fault), ExitCode.NO)
        at = document["height"]
        text = (
            f"proposal {document['proposal']} is {document['status']}, "
            f"proven by a receipt at height {at}"
        )
        show_settled(fate, as_json, lambda: say(text))


async def _acted(
    directory: Path,
    member: str,
    timeout: float,
    fate: Fate,
    action: "Callable[[Member, Document], Awaitable[Decided]]",
) -> dict[str, Any]:
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.governing import Member, read_public_state
    from strongroom.node.client.trust.service import load_service

    service = load_service(directory)
    identity = service.keys.load(member, ask_passphrase)
    async with Reader(service) as reader:
        signing = Member(reader, identity, timeout=timeout, on_sealed=fate.sealed, on_waiting=note)
        decided = await action(signing, await read_public_state(reader))
    proposal, status = decided.value
    place = {"id": decided.id.hex(), "height": decided.height, "index": decided.index}
    fate.settled({**place, "ok": True, "proposal": proposal, "status": status})
    return fate.document or {}


async def _state(directory: Path) -> "Document":
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.governing import read_public_state
    from strongroom.node.client.trust.service import load_service

    async with Reader(load_service(directory)) as reader:
        return await read_public_state(reader)


async def _simulate(directory: Path, change: str, texts: dict[str, str]) -> dict[str, Any]:
    from strongroom.enclave.governance.changes import change_named
    from strongroom.enclave.programs.framework import ProgramError
    from strongroom.node.client.effects import effects_on_nodes, epochs_needed
    from strongroom.node.client.governing import read_change
    from strongroom.node.client.trust.service import load_service

    arguments = read_change(change, texts, load_service(directory).keys)
    state = await _state(directory)
    before, row = state.member_rules(), change_named(change)
    try:
        after = state.simulate(change, arguments)
    except ProgramError as error:
        return {
            "ok": False,
            "change": change,
            "error": {"code": error.code, "message": error.message},
        }
    needed = len(before.members) // 2 + 1
    effects = effects_on_nodes(state, change, arguments, after)
    return {
        "ok": True,
        "change": change,
        "votes_needed": needed,
        "members": len(before.members),
        "delay_ms": before.limit("activation_delay_ms") if row.waits(before, arguments) else 0,
        "effect": row.effect.name.lower().replace("_", " "),
        "rules_change": before != after,
        "nodes": [one.to_json() for one in effects],
        "epochs": epochs_needed(effects, state),
    }


def _found(state: "Document", id: str) -> "ProposalEntry":
    from strongroom.node.client.governing import find_proposal

    return find_proposal(state, id)


def _show_simulated(document: dict[str, Any]) -> None:
    if not document["ok"]:
        say(f"no: {document['error']['code']}: {document['error']['message']}")
        return
    wait = (
        f"{document['delay_ms'] / 1000:g} s of block time later"
        if document["delay_ms"]
        else "at once"
    )
    say(
        f"{document['change']} would be taken; {document['votes_needed']} of "
        f"{document['members']} members must agree"
    )
    nodes = document["nodes"]
    say(f"it takes effect {wait}; effect on nodes: {'as follows' if nodes else document['effect']}")
    for one in nodes:
        kind = "validator" if one["validator"] else "node"
        say(f"  {kind} {one['node']}: {one['what']} ({one['when']}; {one['why']})")
    if document["epochs"]:
        say(
            "validators that must go are gone after "
            f"{document['epochs']} more epochs, a share in each"
        )
