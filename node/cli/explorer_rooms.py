"""`strongroom explorer rooms | room | contracts | job`: clean rooms, as a party or an
auditor of theirs may see them.

Owns what is put together on one page: a room with its newest contracts, jobs and events, a job with
all that happened to it. Answers are sealed queries; who may read a room, the program says. What
acts is `strongroom rooms`.
"""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    read_id,
)
from strongroom.node.cli.program_calls import AsOption, Caller, ask, ask_together, asking
from strongroom.node.cli.rooms_jobs import JobArgument
from strongroom.node.cli.rooms_parties import PAGE, AfterOption, RoomArgument, every_room
from strongroom.node.terminal.commands import FieldOption, JsonOption, guarded
from strongroom.node.terminal.printing import emit, note
from strongroom.node.terminal.tables import paragraph

if TYPE_CHECKING:
    from strongroom.node.client.client import Client

NEWEST = 20
NewestOption = Annotated[
    int,
    typer.Option("--newest", min=1, max=PAGE, help="Contracts, jobs and events, of each so many."),
]


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (rooms, room, contracts, job):
        app.command()(command)


@guarded
def rooms(
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """The clean rooms of which you are a party or an auditor.

    Example: strongroom explorer rooms --as regulator
    """
    from strongroom.node.cli.rooms_tables import show_rooms

    caller = Caller(identity, directory, timeout, as_json)
    found = every_room(caller)
    emit(found, as_json, lambda: show_rooms(found))


@guarded
def room(
    room: RoomArgument,
    identity: AsOption,
    newest: NewestOption = NEWEST,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """One clean room on one page: parties, newest contracts, jobs and events.

    Example: strongroom explorer room ROOM --as regulator
    """
    caller = Caller(identity, directory, timeout, as_json)
    document = ask_together(
        caller, partial(_room, room=read_id(room), newest=newest), program="rooms"
    )
    emit(document, as_json, lambda: _show_room(document))


@guarded
def contracts(
    room: RoomArgument,
    identity: AsOption,
    after: AfterOption = 0,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """A clean room's contracts, in the order in which they were proposed.

    Example: strongroom explorer contracts ROOM --as regulator
    """
    from strongroom.node.cli.rooms_tables import show_contracts

    caller = Caller(identity, directory, timeout, as_json)
    arguments = {"room": read_id(room), "after": after, "limit": PAGE}
    found = ask(caller, "rooms.contracts", arguments)
    emit(found, as_json, lambda: show_contracts(found))


@guarded
def job(
    job: JobArgument,
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """One job: its contract, inputs, executors, outputs, and all that happened to it.

    Example: strongroom explorer job JOB --as regulator
    """
    caller = Caller(identity, directory, timeout, as_json)
    document = ask_together(caller, partial(_job, job=read_id(job)), program="rooms")
    emit(document, as_json, lambda: _show_job(document))


async def _room(client: "Client", room: bytes, newest: int) -> dict[str, Any]:
    ask = asking(client)
    found = await ask("rooms.room", room=room)

    async def last(what: str, total: int) -> Any:
        return await ask(f"rooms.{what}", room=room, after=max(0, total - newest), limit=newest)

    total = (await ask("rooms.events", room=room, limit=1))["total"]
    return {
        "room": found,
        "contracts": await last("contracts", found["contracts"]),
        "jobs": await last("jobs", found["jobs"]),
        "happened": await last("events", total),
    }


async def _job(client: "Client", job: bytes) -> dict[str, Any]:
    from strongroom.enclave.formats.clean_rooms.contract import Contract

    ask = asking(client)
    found = await ask("rooms.job", job=job)
    contract = await ask("rooms.contract", contract=found["contract"])
    room = Contract.decode(contract["text"]).room
    events, head, after = [], b"", 0
    while True:
        page = await ask("rooms.events", room=room, after=after, limit=PAGE)
        events += [one for one in page["events"] if one["about"] == job]
        head = page["head"]
        if len(page["events"]) < PAGE:
            break
        after = page["events"][-1]["number"]
    named = {name: contract[name] for name in ("name", "purpose", "profile", "state")}
    happened = {"events": events, "total": page["total"], "head": head}
    return {"job": found, "room": room, "contract": named, "happened": happened}


def _show_room(document: dict[str, Any]) -> None:
    from strongroom.node.cli.rooms_tables import show_contracts, show_events, show_jobs, show_room

    show_room(document["room"])
    for what, show in (("contracts", show_contracts), ("jobs", show_jobs)):
        shown, total = len(document[what]), document["room"][what]
        if shown < total:
            note(f"the newest {shown} of {total} {what}: `strongroom rooms {what}` lists all")
        show(document[what])
    show_events(document["happened"])


def _show_job(document: dict[str, Any]) -> None:
    from strongroom.node.cli.rooms_tables import show_events, show_job

    contract = document["contract"]
    paragraph(f"{contract['name']} ({contract['profile']}, for {contract['purpose']})")
    show_job(document["job"])
    show_events(document["happened"])
