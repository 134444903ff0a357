"""`strongroom rooms create | join | list | show | events | close`: who takes part in a clean room.

Owns options and words of these commands. What a party may do, the program says.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    YesOption,
    confirmed,
    existing_directory,
    read_id,
)
from strongroom.node.cli.program_calls import AsOption, Caller, answered, ask, call, show_result
from strongroom.node.terminal.commands import JsonOption, fail, guarded
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, emit_event, say

PAGE = 100
RoomArgument = Annotated[
    str, typer.Argument(metavar="ROOM", help="Its id, 64 hex digits, as `rooms list` shows it.")
]
AfterOption = Annotated[int, typer.Option("--after", min=0, help="Those behind this number.")]


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (create, join, show, events, close):
        app.command()(command)
    app.command("list")(list_)


@guarded
def create(
    terms: Annotated[Path, typer.Argument(metavar="FILE", help="Terms of the room (TOML).")],
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Make a clean room of these terms: it is open once every party has joined.

    Example: strongroom rooms create rings.toml --as bank-a
    """
    from strongroom.node.clean_rooms.agreement_files import read_terms

    caller = Caller(identity, directory, timeout, as_json)
    read = read_terms(terms, caller.resolve)

    def human(document: dict[str, Any]) -> None:
        result = document["result"]
        show_result(document, f"made clean room {result['name']}")
        say(f"  room   {result['room'].hex()}")
        say(f"  next   each other party: strongroom rooms join {result['room'].hex()} --as NAME")

    call(caller, "rooms.create", {"terms": read.encode()}, human)


@guarded
def join(
    room: RoomArgument,
    identity: AsOption,
    terms: Annotated[
        Path | None,
        typer.Option("--terms", metavar="FILE", help="Join only if the room has these terms."),
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Join a clean room whose terms name you; its id is the digest of its terms, so read them
    first: `strongroom rooms show ROOM`.

    Example: strongroom rooms join ROOM --terms rings.toml --as bank-b
    """
    caller = Caller(identity, directory, timeout, as_json)
    id = read_id(room)
    if terms is not None:
        _demand_same(caller, id, terms)
    call(caller, "rooms.join", {"room": id}, _show_state)


@guarded
def close(
    room: RoomArgument,
    identity: AsOption,
    yes: YesOption = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Close a clean room, as one of its owners: no further contract, job or opening.

    Example: strongroom rooms close ROOM --yes --as bank-a
    """
    confirmed(yes, f"close the room {room[:16]} for good", as_json)
    caller = Caller(identity, directory, timeout, as_json)
    call(caller, "rooms.close", {"room": read_id(room)}, _show_state)


@guarded
def list_(
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """List the clean rooms of which you are a party.

    Example: strongroom rooms list --as bank-a
    """
    from strongroom.node.cli.rooms_tables import show_rooms

    caller = Caller(identity, directory, timeout, as_json)
    found = every_room(caller)
    emit(found, as_json, lambda: show_rooms(found))


def every_room(caller: Caller) -> list[dict[str, Any]]:
    """All clean rooms of which the caller is a party, page by page."""
    found: list[dict[str, Any]] = []
    while page := ask(caller, "rooms.list", {"after": found[-1]["room"] if found else b""}):
        found += page
        if len(page) < PAGE:
            break
    return found


@guarded
def show(
    room: RoomArgument,
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show one clean room: its terms, who has joined, its contracts and data.

    Example: strongroom rooms show ROOM --as bank-b
    """
    from strongroom.node.cli.rooms_tables import show_room

    caller = Caller(identity, directory, timeout, as_json)
    document = ask(caller, "rooms.room", {"room": read_id(room)})
    emit(document, as_json, lambda: show_room(document))


@guarded
def events(
    room: RoomArgument,
    identity: AsOption,
    after: AfterOption = 0,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on, a line for each event, until Ctrl-C.")
    ] = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show what happened in a clean room, with the digest of the chain over it all.

    Example: strongroom rooms events ROOM --watch --as regulator
    """
    from strongroom.node.cli.rooms_tables import show_events

    caller = Caller(identity, directory, timeout, as_json)
    if watch:
        existing_directory(directory)
        answered(caller, _watched(caller, read_id(room), after))
    arguments = {"room": read_id(room), "after": after, "limit": PAGE}
    document = ask(caller, "rooms.events", arguments)
    emit(document, as_json, lambda: show_events(document))


async def _watched(caller: Caller, room: bytes, after: int) -> None:
    from strongroom.node.clean_rooms.watching import MISSED, happenings
    from strongroom.node.cli.explorer_tables import time_text

    async with caller.client() as client:
        async for one in happenings(client, room, after):
            if caller.as_json:
                emit_event(one)
            elif one["what"] == MISSED:
                say(f"{one['number']} events went by unseen")
            else:
                about = f" {one['about'].hex()[:16]}" if one["about"] else ""
                say(f"{time_text(one['time_ms'])}  {one['what']}{about}  {one['who']}")


def _demand_same(caller: Caller, room: bytes, file: Path) -> None:
    """Check that a room's terms are those of a file.

    Raises:
        typer.Exit: they are others (status 1).
    """
    from strongroom.node.clean_rooms.agreement_files import read_terms

    found = ask(caller, "rooms.room", {"room": room})["terms"]
    if found != read_terms(file, caller.resolve).encode():
        fail(f"the room's terms are not those of {file}: `strongroom rooms show`", ExitCode.NO)


def _show_state(document: dict[str, Any]) -> None:
    result = document["result"]
    joined = f"{result['joined']} of {result['parties']} have joined"
    show_result(document, f"clean room {result['name']} is {result['state']}, {joined}")
