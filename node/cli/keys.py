"""`strongroom keys …`: identities in the folder's `keys/`.

Owns options and words of these commands; the files' form stands in node/client/identities.py.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption
from strongroom.node.layout import PASSPHRASE_VARIABLE, ClusterLayout
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.printing import emit, note, say

if TYPE_CHECKING:
    from strongroom.node.client.identities import IdentityFile, KeyFolder

keys_app = typer.Typer(
    name="keys", no_args_is_help=True, help="Identities: who calls, queries and votes."
)
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Letters, digits, '_', '-' and '.'.")
]


@keys_app.command()
@guarded
def new(
    name: NameArgument,
    directory: DirectoryOption = DEFAULT_DIR,
    passphrase: Annotated[
        bool,
        typer.Option(
            "--passphrase", help=f"Seal the key file; asks, or takes {PASSPHRASE_VARIABLE}."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an identity; its key file is for its owner only (mode 0600).

    Example: strongroom keys new dave --passphrase
    """
    text = new_passphrase() if passphrase else ""
    made = _folder(directory).new(name, passphrase=text)
    _bring(directory, made)
    emit(_document(made), as_json, lambda: _show(made))


@keys_app.command("list")
@guarded
def list_(directory: DirectoryOption = DEFAULT_DIR, as_json: JsonOption = False) -> None:
    """List the identities of this folder.

    Example: strongroom keys list --json
    """
    found = _folder(directory).list()

    def human() -> None:
        width = max((len(entry.name) for entry in found), default=0)
        for entry in found:
            say(
                f"{entry.name:<{width}}  "
                f"id:{entry.id.hex()}{'  (passphrase)' if entry.sealed else ''}"
            )
        if not found:
            note(f"no identity in {directory}: make one with `strongroom keys new NAME`")

    emit([_document(entry) for entry in found], as_json, human)


@keys_app.command()
@guarded
def show(
    name: NameArgument, directory: DirectoryOption = DEFAULT_DIR, as_json: JsonOption = False
) -> None:
    """Show what anyone may know of one identity.

    Example: strongroom keys show alice
    """
    found = _folder(directory).show(name)
    emit(_document(found), as_json, lambda: _show(found))


def _folder(directory: Path) -> "KeyFolder":
    from strongroom.node.client.identities import KeyFolder

    return KeyFolder(ClusterLayout(directory).keys)


def _bring(directory: Path, made: "IdentityFile") -> None:
    """In the folder of a local cluster that runs, its first member brings the new identity onto the
    roster; in an organisation's folder its own member is named, who does so knowingly."""
    from strongroom.consensus.errors import StrongroomError
    from strongroom.node.client.bringing import bring
    from strongroom.node.cluster.cluster import open_cluster
    from strongroom.node.cluster.plan import BRINGER
    from strongroom.node.terminal.printing import note

    if not ClusterLayout(directory).service.is_file():
        return
    if own := _members_of(directory):
        if made.name not in own:
            note(
                f"{made.name} is not admitted yet: {' or '.join(own)} brings it with `strongroom "
                f"users bring {made.name} --as {own[0]}`"
            )
        return
    try:
        if not ClusterLayout(directory).nodes():
            raise OperatorFault("no node of this service runs from this folder")
        if open_cluster(directory).running():
            run(bring(directory, [made.id], member=BRINGER))
    except StrongroomError as fault:
        note(
            f"{made.name} is not admitted yet: {fault}; a member brings it with "
            f"`strongroom users bring id:{made.id.hex()} --as MEMBER`"
        )


def _members_of(directory: Path) -> list[str]:
    """Who governs for the organisation whose nodes stand in this folder, by their cards; empty for
    a local cluster."""
    from strongroom.consensus.errors import StrongroomError
    from strongroom.node.cli.found_given import cards_in
    from strongroom.node.membership.ceremony_card_judging import judge_card
    from strongroom.node.membership.ceremony_party import read

    found: set[str] = set()
    for card in cards_in(directory):
        with suppress(StrongroomError):
            found.add(judge_card(read(card, "")).member)
    return sorted(found)


def new_passphrase() -> str:
    """A passphrase for a new file: from STRONGROOM_PASSPHRASE, or asked for twice."""
    text: str = os.environ.get(PASSPHRASE_VARIABLE) or typer.prompt(
        "passphrase", hide_input=True, confirmation_prompt=True, err=True
    )
    return text


def _document(entry: "IdentityFile") -> dict[str, Any]:
    return {
        "name": entry.name,
        "id": f"id:{entry.id.hex()}",
        "public": entry.public.hex(),
        "passphrase": entry.sealed,
    }


def _show(entry: "IdentityFile") -> None:
    say(f"name        {entry.name}")
    say(f"id          id:{entry.id.hex()}")
    say(f"public key  {entry.public.hex()} (Ed25519)")
    say(f"key file    {'sealed with a passphrase' if entry.sealed else 'in the clear, mode 0600'}")
