"""`strongroom users …`: who may speak here, by a member's word, and what each may do.

Owns options, files of identities and tables of these commands. Whom a member brings stands in a
sealed call: nobody but it and the enclaves learn whom. What everybody may know: `explorer users`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption
from strongroom.node.cli.program_calls import AsOption, Caller, answered, ask, transact
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import emit, note, say
from strongroom.node.terminal.tables import facts

if TYPE_CHECKING:
    from strongroom.node.client.calls.calls import Done
    from strongroom.node.client.client import Client

_SECONDS = 60.0
_SHOWN_MAX = 1 << 20
users_app = typer.Typer(
    name="users", no_args_is_help=True, help="Users of the service: a member's own, and oneself."
)
UsersArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[USER]...", help="Names in keys/, or ids as id:HEX."),
]
FileOption = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="A user a line, beside those named.")
]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=1.0, help="Seconds to wait.")]


@users_app.command()
@guarded
def bring(
    identity: AsOption,
    users: UsersArgument = None,
    file: FileOption = None,
    timeout: TimeoutOption = _SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Bring users onto the roster, as a member: sealed, so that no host learns whom.

    Example: strongroom users bring alice id:4f5a…c2 --as member0
    """
    _say("roster.bring", "brought", Caller(identity, directory, timeout, as_json), users, file)


@users_app.command()
@guarded
def dismiss(
    identity: AsOption,
    users: UsersArgument = None,
    file: FileOption = None,
    timeout: TimeoutOption = _SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Take users back whom this member brought: they open no further session.

    Example: strongroom users dismiss alice --as member0
    """
    _say("roster.dismiss", "dismissed", Caller(identity, directory, timeout, as_json), users, file)


@users_app.command("list")
@guarded
def list_(
    identity: AsOption,
    timeout: TimeoutOption = _SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """List the users whom this member brought. Nobody is shown another's.

    Example: strongroom users list --as member0
    """
    caller = Caller(identity, directory, timeout, as_json)
    found = answered(caller, _all_of(caller), program="roster")

    def human() -> None:
        for user in found:
            say(user)
        if not found:
            note("no user: bring one with `strongroom users bring USER --as MEMBER`")

    emit(found, as_json, human)


@users_app.command()
@guarded
def standing(
    identity: AsOption,
    timeout: TimeoutOption = _SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show on whose word this identity may speak, its roles, and what it may add to the state.

    Example: strongroom users standing --as alice
    """
    told = ask(Caller(identity, directory, timeout, as_json), "roster.standing", {})
    emit(told, as_json, lambda: _show(told))


@users_app.command()
@guarded
def issuer(
    name: Annotated[str, typer.Argument(metavar="ISSUER", help="As members marked it.")],
    identity: AsOption,
    timeout: TimeoutOption = _SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show to a member what all whom an issuer's tokens admit did together, and what they may.

    Example: strongroom users issuer https://login.example.org --as member0
    """
    told = ask(Caller(identity, directory, timeout, as_json), "roster.issuer", {"issuer": name})

    def human() -> None:
        facts([("issuer", name), ("admits", "yes" if told["admitting"] else "no")])
        facts(_amounts(told, told["most"]))

    emit(told, as_json, human)


def _say(
    operation: str, did: str, caller: Caller, names: list[str] | None, file: Path | None
) -> None:
    from strongroom.enclave.programs.roster_tables import MANY_MAX

    named = [*(names or []), *_read(file)]
    found = list(dict.fromkeys(f"id:{caller.resolve(name).hex()}" for name in named))
    if not found:
        raise ClientFault("name a user, or a file of users with --file")

    async def act(client: "Client") -> tuple["Done", dict[str, Any]]:
        for start in range(0, len(found), MANY_MAX):
            done = await client.call(operation, users=found[start : start + MANY_MAX])
        return done, {"users": len(found)}

    def human(document: dict[str, Any]) -> None:
        say(f"{did} {len(found)}; of this member's there are {document['result']['users']}")

    transact(caller, act, human, program="roster")


def _read(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as fault:
        raise ClientFault(f"{file} cannot be read: {fault}") from None
    words = (line.partition("#")[0].strip() for line in lines)
    return [word for word in words if word]


async def _all_of(caller: Caller) -> list[str]:
    from strongroom.enclave.programs.roster_tables import MANY_MAX

    found: list[str] = []
    after: str | None = ""
    async with caller.client() as client:
        while after is not None and len(found) < _SHOWN_MAX:
            page = (await client.query("roster.users", after=after, limit=MANY_MAX)).value
            found += page["users"]
            after = page["next"]
    return found


def _show(told: dict[str, Any]) -> None:
    from strongroom.node.cli.explorer_tables import time_text

    until = "" if told["until_ms"] is None else f", until {time_text(told['until_ms'])}"
    facts(
        [
            ("admitted", f"{told['admitted']}{until}" if told["admitted"] else "no"),
            ("roles", ", ".join(told["roles"]) or "none"),
            ("sessions", f"{told['sessions_max']} in an epoch, at most"),
            ("entries", f"{told['entries']} of {told['entries_max']}"),
            ("bytes", f"{told['bytes']} of {told['bytes_max']}"),
        ]
    )
    if told["member"]:
        facts([("users", f"{told['users']} of {told['users_max']}")])
        say("all whom this member brought, together:")
        facts(_amounts(told["together"], told["together_max"]))
    elif told["sponsored"]:
        say("all of the same sponsor, together, at most:")
        facts([(name, str(most)) for name, most in sorted(told["together_max"].items())])


def _amounts(done: dict[str, Any], most: dict[str, Any]) -> list[tuple[str, object]]:
    return [(name, f"{done[name]} of {most[name]}") for name in ("sessions", "entries", "bytes")]
