"""`strongroom gov …`: members propose, vote, withdraw; anybody looks.

Owns options, words and JSON of these commands. Signing and checking is node/client/governing.py's;
trying changes without making them, gov_simulate.py's.
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
from strongroom.node.cli.gov_simulate import FileOption, WordsArgument, given_changes, simulate
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
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Of a proposal, or how it begins.")]
LIFETIME_SECONDS_MIN, LIFETIME_SECONDS_MAX = 1.0, 366 * 86_400.0
gov_app.command()(simulate)


@gov_app.command()
@guarded
def propose(
    member: MemberOption,
    words: WordsArgument = None,
    file: FileOption = None,
    lifetime: Annotated[
        float | None,
        typer.Option("--lifetime", help="Seconds in which it must be decided; else the limit."),
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Propose a change, or several that take effect together or not at all; the proposer's own yes
    is counted.

    Example: strongroom gov propose set_limit name=epoch_blocks value=1000 --as member0
    """
    existing_directory(directory)
    from strongroom.node.layout import ClusterLayout

    changes = given_changes(words, file, ClusterLayout(directory).keys)
    if lifetime is not None and not LIFETIME_SECONDS_MIN <= lifetime <= LIFETIME_SECONDS_MAX:
        least, most = LIFETIME_SECONDS_MIN, LIFETIME_SECONDS_MAX
        fail(f"--lifetime: expected {least:g}..{most:g} seconds", ExitCode.USAGE)
    lifetime_ms = round((lifetime or 0) * 1_000)
    _act(
        directory,
        member,
        timeout,
        as_json,
        lambda one, _: one.propose_all(changes, lifetime_ms=lifetime_ms),
    )


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
    """Vote on a proposal: on exactly the changes and the arguments that are shown.

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
    """Show proposals: what they change, who said what, whose yes is missing, until when, and when
    they take effect.

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


def _found(state: "Document", id: str) -> "ProposalEntry":
    from strongroom.node.client.governing import find_proposal

    return find_proposal(state, id)
