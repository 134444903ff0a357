"""`strongroom gov simulate`: what changes would do, by the enclave's own code; nothing is signed or
sent.

Owns options and words. What is told is node/client/simulation.py's.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption, existing_directory
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say

if TYPE_CHECKING:
    from strongroom.enclave.governance.records import Changes
    from strongroom.node.client.identities import KeyFolder

WordsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CHANGE [KEY=VALUE]...]...",
        help="Like set_limit name=grace_ms value=5; names of keys/ are resolved. "
        "A word without = begins the next change.",
    ),
]
FileOption = Annotated[
    Path | None, typer.Option("--file", help="A TOML file of [[changes]], instead of words.")
]


@guarded
def simulate(
    words: WordsArgument = None,
    file: FileOption = None,
    proposal: Annotated[
        str | None,
        typer.Option("--proposal", metavar="ID", help="The changes and ballots of a proposal."),
    ] = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Try changes on the rules of now, by the enclave's own code: what would differ, who must
    agree, when. Nothing is signed or sent.

    Example: strongroom gov simulate remove_member name=member3
    """
    existing_directory(directory)
    document = run(_simulate(directory, words, file, proposal))
    emit(document, as_json, lambda: _show(document))
    if not document["ok"]:
        raise typer.Exit(int(ExitCode.NO))


def given_changes(
    words: list[str] | None, file: Path | None, keys: "KeyFolder | Path"
) -> "Changes":
    """The changes that a command names.

    Raises:
        ClientFault: words and a file, neither, or what is no change.
    """
    from strongroom.node.client.change_files import read_file, read_words
    from strongroom.node.client.identities import KeyFolder

    folder = KeyFolder(keys) if isinstance(keys, Path) else keys
    if file is not None and not words:
        return read_file(file, folder)
    if words and file is None:
        return read_words(words, folder)
    fail("name changes, or --file FILE with them: either of both", ExitCode.USAGE)


async def _simulate(
    directory: Path, words: list[str] | None, file: Path | None, id: str | None
) -> dict[str, Any]:
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.governing import find_proposal, read_public_state
    from strongroom.node.client.simulation import simulation
    from strongroom.node.client.trust.service import load_service

    service = load_service(directory)
    if id is None:
        changes = given_changes(words, file, service.keys)
    elif words or file:
        fail("name changes, or --proposal ID: either of both", ExitCode.USAGE)
    async with Reader(service) as reader:
        state = await read_public_state(reader)
    if id is None:
        return simulation(state, changes)
    found = find_proposal(state, id)
    return simulation(state, found.changes, found)


def _show(document: dict[str, Any]) -> None:
    if not document["ok"]:
        say(f"no: {document['error']['code']}: {document['error']['message']}")
        return
    _show_agreement(document)
    _show_nodes(document)
    _show_differences(document)
    for name in document["judged_in_the_enclave_only"]:
        say(f"note: what {name} does beside the rules, the enclave judges when it is proposed")
    for text in document["warnings"]:
        say(f"warning: {text}")


def _show_agreement(document: dict[str, Any]) -> None:
    needed, members = document["votes_needed"], document["members"]
    say(f"{document['change']} would be taken; {needed} of {members} members must agree")
    for one in document["classes"]:
        say(f"  class {one['class']} asks for {one['asks_for']}")
    if "proposal" in document:
        proposal, waiting = document["proposal"], ", ".join(document["not_voted"]) or "nobody"
        say(
            f"proposal {proposal['id']} is {proposal['status']}: {document['yes']} said yes, "
            f"{document['missing']} are missing; not voted: {waiting}"
        )


def _show_nodes(document: dict[str, Any]) -> None:
    wait = "at once"
    if document["delay_ms"]:
        why = ", ".join(document["waits_for"])
        wait = f"{document['delay_ms'] / 1000:g} s of block time later ({why} loosens)"
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


def _show_differences(document: dict[str, Any]) -> None:
    from strongroom.node.terminal.tables import table

    users = document["users"]
    if users["added"] or users["removed"]:
        say(f"users: {users['added']} admitted, {users['removed']} taken off")
    if document["differences"]:
        rows = [
            [one["thing"], _value(one["before"]), _value(one["after"])]
            for one in document["differences"]
        ]
        table(("what", "before", "after"), rows)
    else:
        say("no rule would differ")


def _value(value: Any) -> str:
    if value is None or value == []:
        return "-"
    texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return ", ".join(value) if texts else str(value)
