"""`strongroom vault suspend | resume | revoke | destroy | confirm | approve | resolve | end`: one
word of an owner or an approver.

Owns options and words of these commands.
"""

from typing import Annotated, Any

import typer

from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    YesOption,
    confirmed,
)
from strongroom.node.cli.program_calls import AsOption, Caller, KeyArgument, call, show_result
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.vault.names import read_lease


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (suspend, resume, revoke, destroy, confirm, approve, resolve, end):
        app.command()(command)


@guarded
def suspend(
    key: KeyArgument,
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Stop a key for a while: from the next block on no lease, no beat, no piece.

    Example: strongroom vault suspend bear --as maker
    """
    _turn("suspend", key, Caller(identity, directory, timeout, as_json))


@guarded
def resume(
    key: KeyArgument,
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Let a suspended key be used again.

    Example: strongroom vault resume bear --as maker
    """
    _turn("resume", key, Caller(identity, directory, timeout, as_json))


@guarded
def revoke(
    key: KeyArgument,
    identity: AsOption,
    yes: YesOption = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Stop a key, or one version of it, for good: no further piece from the next block on.

    Example: strongroom vault revoke bear --yes --as maker
    """
    confirmed(yes, f"revoke {key} for good", as_json)
    _turn("revoke", key, Caller(identity, directory, timeout, as_json))


@guarded
def destroy(
    key: KeyArgument,
    identity: AsOption,
    yes: YesOption = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Revoke, and leave nothing of the secret behind: once the epoch's input secret is erased,
    nobody opens it. Your own file in keys/ is yours to delete.

    Example: strongroom vault destroy bear@1 --yes --as maker
    """
    confirmed(yes, f"destroy {key} for good", as_json)
    _turn("destroy", key, Caller(identity, directory, timeout, as_json))


@guarded
def confirm(
    key: KeyArgument,
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Let a key be used again that lived in an epoch which ended as compromised; else rotate it.

    Example: strongroom vault confirm bear --as maker
    """
    _turn("confirm", key, Caller(identity, directory, timeout, as_json))


@guarded
def approve(
    change: Annotated[str, typer.Argument(metavar="CHANGE", help="Its id, 32 hex digits.")],
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Consent to a change of a key that names you as an approver: `vault show KEY` prints it.

    Example: strongroom vault approve 5f3a09c2d41b7e6688aa01b2c3d4e5f6 --as auditor
    """
    caller = Caller(identity, directory, timeout, as_json)

    def human(document: dict[str, Any]) -> None:
        result = document["result"]
        missing = f", {result['missing']} more must consent" if result.get("missing") else ""
        show_result(document, f"consented; the change is {result['state']}{missing}")

    call(caller, "vault.approve", {"change": read_lease(change)}, human)


@guarded
def resolve(
    key: KeyArgument,
    keep: Annotated[int, typer.Option("--keep", min=1, metavar="BOOT", help="Which start stays.")],
    room: Annotated[str, typer.Option("--room", metavar="NAME", help="Which room.")],
    identity: AsOption,
    session: Annotated[
        str | None, typer.Option("--session", metavar="ID", help="Of two with one boot: which.")
    ] = None,
    machine: Annotated[
        str | None,
        typer.Option("--machine", metavar="HEX", help="Of several with such a room: which."),
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Say which of two starts of one room is yours, after both were frozen as clones.

    Example: strongroom vault resolve bear --room printer --keep 4 --as maker
    """
    caller = Caller(identity, directory, timeout, as_json)
    arguments: dict[str, Any] = {"key": caller.key(key).base, "room": room, "keep": keep}
    named = {"session": session, "machine": machine}
    for name, digest in named.items():
        if digest is not None:
            arguments[name] = f"id:{digest.removeprefix('id:')}"
    call(caller, "vault.resolve", arguments, lambda one: show_result(one, f"boot {keep} stays"))


@guarded
def end(
    lease: Annotated[str, typer.Argument(metavar="LEASE", help="Its id, 32 hex digits.")],
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """End a lease of a key of yours: nothing comes back, for only its room knows what it made.

    Example: strongroom vault end 5f3a09c2d41b7e6688aa01b2c3d4e5f6 --as maker
    """
    caller = Caller(identity, directory, timeout, as_json)

    arguments = {"lease": read_lease(lease), "used": 0}
    call(caller, "vault.end", arguments, lambda one: show_result(one, f"lease {lease} is ended"))


def _turn(what: str, key: str, caller: Caller) -> None:
    """A transaction that takes nothing but the key."""

    def human(document: dict[str, Any]) -> None:
        show_result(document, f"{key} is {document['result']['state']}")

    call(caller, f"vault.{what}", {"key": caller.key(key).account}, human)
