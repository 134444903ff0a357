"""`strongroom admin …`: privileged access, per operation: asked, approved by others, begun once,
reported, on record (docs/privileged-access.md).

Owns options, words and JSON of these commands. What is signed and checked is node/client's; how a
`begin` is carried through, admin_beginning.py's.
"""

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    existing_directory,
)
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say

if TYPE_CHECKING:
    from strongroom.enclave.governance.document import Document
    from strongroom.enclave.governance.grant_document import GrantEntry

WAIT_SECONDS = 3600.0
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

admin_app = typer.Typer(
    name="admin",
    no_args_is_help=True,
    help="Privileged access: one begin, one operation, approved by members of other operators.",
)
AskerOption = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Identity of the folder's keys/ that asked.")
]
MemberOption = Annotated[
    str, typer.Option("--as", metavar="MEMBER", help="Identity of the folder's keys/.")
]
GrantArgument = Annotated[str, typer.Argument(metavar="ID", help="Of a grant, or how it begins.")]
OperationArgument = Annotated[
    str,
    typer.Argument(metavar="OPERATION", help="diagnostics, upgrade, restart or role:PROGRAM:ROLE."),
]
NodeOption = Annotated[str, typer.Option("--node", metavar="NODE", help="Name of the node.")]


@admin_app.command()
@guarded
def ask(
    operations: Annotated[
        list[str],
        typer.Argument(
            metavar="OPERATION...", help="diagnostics, upgrade, restart, role:PROGRAM:ROLE."
        ),
    ],
    reason: Annotated[str, typer.Option("--reason", help="20 characters or more: who decides.")],
    asker: MemberOption,
    nodes: Annotated[
        list[str] | None, typer.Option("--node", metavar="NODE", help="Where; may be repeated.")
    ] = None,
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="From the first begin on, like 30m.")
    ] = "1h",
    claim_by: Annotated[
        str, typer.Option("--claim-by", metavar="TIME", help="To be begun within, like 2h.")
    ] = "8h",
    emergency: Annotated[
        bool,
        typer.Option("--emergency", help="One approver, at most 1h, an alarm, to be reviewed."),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until it is approved (0) or not (1).")
    ] = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Ask for privileged access, for the operator that members say you act for.

    Example: strongroom admin ask diagnostics --node n1 --reason "n1 is slow since Monday" --as ops
    """
    existing_directory(directory)
    from strongroom.enclave.governance.public import ASK
    from strongroom.node.client.access import Asked

    kind = "emergency" if emergency else "planned"
    asked = Asked(
        tuple(operations),
        tuple(nodes or ()),
        reason,
        read_duration(claim_by),
        read_duration(duration),
        kind,
    )
    from strongroom.node.cli.admin_acting import Speaker

    speaker = Speaker(directory, asker, timeout, as_json)
    told = speaker.said(ASK, lambda state: asked.fields(state))
    id = told["value"][0]
    if not wait:
        speaker.show(
            f"asked: grant {id}; members of other operators approve it: admin approve {id}"
        )
        return
    _show_decided(directory, id, as_json, told)


@admin_app.command()
@guarded
def approve(
    id: GrantArgument,
    member: MemberOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Say yes, to exactly what is shown; a member who acts for another operator than the asker.

    Example: strongroom admin approve 5f3a --as member1
    """
    _about("approve", id, member, timeout, directory, as_json)


@admin_app.command()
@guarded
def deny(
    id: GrantArgument,
    member: MemberOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Say no.

    Example: strongroom admin deny 5f3a --as member1
    """
    _about("deny", id, member, timeout, directory, as_json)


@admin_app.command()
@guarded
def review(
    id: GrantArgument,
    member: MemberOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Say that you have looked at an emergency that was used; until enough have, nobody may ask
    once 72 hours are over.

    Example: strongroom admin review 5f3a --as member2
    """
    _about("review", id, member, timeout, directory, as_json)


@admin_app.command()
@guarded
def revoke(
    id: GrantArgument,
    member: MemberOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Take a grant back: its asker or one who approved it at once, other members together. What was
    begun and not acted upon is stopped.

    Example: strongroom admin revoke 5f3a --as member1
    """
    existing_directory(directory)
    from strongroom.enclave.governance.public import REVOKE_GRANT
    from strongroom.node.cli.admin_acting import Speaker

    speaker = Speaker(directory, member, timeout, as_json)
    told = speaker.said(REVOKE_GRANT, lambda state: (_found(state, id).id,))
    speaker.show(_status_text(told))


@admin_app.command()
@guarded
def begin(
    id: GrantArgument,
    operation: OperationArgument,
    asker: AskerOption,
    node: NodeOption = "",
    measurement: Annotated[
        str,
        typer.Option("--measurement", metavar="HEX", help="Of an upgrade: the other code's."),
    ] = "",
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Begin one operation at one node, once. Diagnostics are fetched, opened, shown and reported by
    this one command; run it again if it was interrupted.

    Example: strongroom admin begin 5f3a diagnostics --node n1 --as ops
    """
    existing_directory(directory)
    from strongroom.node.cli import admin_beginning

    place = admin_beginning.Place(id, operation, node, measurement)
    admin_beginning.begin(place, directory, asker, timeout, as_json)


@admin_app.command()
@guarded
def finish(
    id: GrantArgument,
    operation: OperationArgument,
    outcome: Annotated[str, typer.Option("--outcome", help="What came of it, in a line.")],
    asker: AskerOption,
    node: NodeOption = "",
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Its SHA-256 goes on record, like of a log."),
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Report what came of a begin, within an hour; a role ends with it.

    Example: strongroom admin finish 5f3a restart --node n1 --outcome "kernel patched" --as ops
    """
    existing_directory(directory)
    from strongroom.enclave.governance.public import FINISH
    from strongroom.node.cli.admin_acting import Speaker

    try:
        digest = bytes(32) if file is None else sha256(file.read_bytes()).digest()
    except OSError as error:
        fail(f"{file}: {error.strerror}", ExitCode.USAGE)
    speaker = Speaker(directory, asker, timeout, as_json)
    speaker.said(FINISH, lambda state: (_found(state, id).id, operation, node, outcome, digest))
    speaker.show(f"reported: {operation}{' at ' + node if node else ''}: {outcome}")


@admin_app.command("list")
@guarded
def list_(
    id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One grant; all without.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="With ID: until it is approved (0) or not (1).")
    ] = False,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show grants, events and alarms, as one node tells them.

    Example: strongroom admin list
    """
    existing_directory(directory)
    if wait:
        if id is None:
            fail("--wait takes the ID of a grant", ExitCode.USAGE)
        _show_decided(directory, id, as_json)
        return
    from strongroom.node.cli.admin_acting import read_state

    show_access(run(read_state(directory)), id, as_json)


def show_access(state: "Document", id: str | None, as_json: bool) -> None:
    """`admin list` and `explorer grants`."""
    from strongroom.node.api.access_state import access_document, grant_document
    from strongroom.node.cli import admin_tables
    from strongroom.node.client.access import check_shown

    if id is None:
        for shown in state.access.grants:
            check_shown(shown)
        document = access_document(state)
        emit(document, as_json, lambda: admin_tables.show_access(document))
        return
    one = grant_document(_found(state, id))
    emit(one, as_json, lambda: admin_tables.show_grant(one))


def read_duration(text: str) -> int:
    """Milliseconds of a text like 30m.

    Raises:
        typer.Exit: it is none.
    """
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and len(number) < 8 and unit in _UNITS):
        fail(f"{text!r}: a time is a whole number and s, m, h or d, like 30m", ExitCode.USAGE)
    return int(number) * _UNITS[unit]


def _about(
    action: str, id: str, member: str, timeout: float, directory: Path, as_json: bool
) -> None:
    existing_directory(directory)
    from strongroom.node.cli.admin_acting import Speaker

    speaker = Speaker(directory, member, timeout, as_json)

    named: list[GrantEntry] = []

    def fields(state: Any) -> tuple[Any, ...]:
        named[:] = [_found(state, id)]
        return named[0].id, named[0].digest

    told = speaker.said(action, fields)
    (grant,) = named
    speaker.settle({"digest": grant.digest.hex()})
    if action == "review":
        left = told["value"][1]
        status = f"reviewed; {left} more members must" if left else "reviewed by enough members"
    else:
        status = _status_text(told)
    speaker.show(f"{_asked_text(grant)}\n{status}")


def _asked_text(grant: "GrantEntry") -> str:
    """What a word was about: all that the digest covers, but the times."""
    place = f" at {', '.join(grant.nodes)}" if grant.nodes else ""
    return (
        f"{grant.kind}: {', '.join(grant.operations)}{place}, {grant.duration_ms / 60_000:g} min, "
        f"asked by {grant.asker.hex()} for {grant.operator}: {grant.reason}"
    )


def _status_text(told: dict[str, Any]) -> str:
    id, status = told["value"]
    return f"grant {id} is {status}, proven by a receipt at height {told['height']}"


def _show_decided(
    directory: Path, id: str, as_json: bool, told: dict[str, Any] | None = None
) -> None:
    from strongroom.node.api.access_state import grant_document
    from strongroom.node.cli.admin_acting import decided

    grant = run(decided(directory, id, WAIT_SECONDS))
    document = {**(told or {}), "grant": grant_document(grant)}
    emit(document, as_json, lambda: say(f"grant {grant.id} is {grant.status}"))
    if grant.status != "approved":
        raise typer.Exit(int(ExitCode.NO))


def _found(state: Any, id: str) -> "GrantEntry":
    from strongroom.node.client.access import find_grant

    return find_grant(state, id)
