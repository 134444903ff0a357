"""`strongroom data list | show | withdraw`: what one has brought, what was charged, taking back.

Owns options, words and columns of these commands.
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
    read_id,
)
from strongroom.node.cli.program_calls import AsOption, Caller, ask, show_result, transact
from strongroom.node.cli.rooms_parties import PAGE
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import emit, note, say
from strongroom.node.terminal.tables import facts, table

DataArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Of a data set of yours, or OWNER/NAME.")
]
SHOWN_VERSIONS = 20


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    app.command("list")(list_)
    for command in (show, withdraw):
        app.command()(command)


@guarded
def list_(
    identity: AsOption,
    room: Annotated[
        str, typer.Option("--room", metavar="ROOM", help="Assets of this clean room instead.")
    ] = "",
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """List your data sets, or the assets of a clean room of yours.

    Example: strongroom data list --as bank-a
    """
    caller = Caller(identity, directory, timeout, as_json)
    whose: dict[str, Any] = {"owner": read_id(room)} if room else {}
    found: list[dict[str, Any]] = []
    while True:
        after = {"after": found[-1]["name"] if found else "", "limit": PAGE}
        page = ask(caller, "rooms.data", whose | after)
        found += page
        if len(page) < PAGE:
            break
    emit(found, as_json, lambda: _show_list(found))


@guarded
def show(
    data: DataArgument,
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show one data set of yours: its versions, its terms, what jobs were charged.

    Example: strongroom data show transfers --as bank-a
    """
    from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms
    from strongroom.enclave.programs.framework import digest_text

    caller = Caller(identity, directory, timeout, as_json)
    document = ask(caller, "rooms.data_set", {"data": caller.key(data).base})
    terms = DataTerms.decode(document["terms"])
    document["terms"] = {
        "columns": _columns(terms.columns),
        "epsilon_job": terms.epsilon_job,
        "epsilon_life": terms.epsilon_life,
        "runs": terms.runs,
        "recipients": [digest_text(one) for one in terms.recipients],
        "programs": list(terms.programs),
        "purposes": list(terms.purposes),
        "until_ms": terms.until_ms,
        "keep_results": terms.keep,
    }
    emit(document, as_json, lambda: _show_one(document))


@guarded
def withdraw(
    data: DataArgument,
    identity: AsOption,
    yes: YesOption = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Withdraw a data set at once and for good, as one of its owners: no run, no report that
    counts, no opening of a result that goes with it. `data erase` makes its key be forgotten.

    Example: strongroom data withdraw transfers --yes --as bank-a
    """
    confirmed(yes, f"withdraw the data set {data} for good", as_json)
    caller = Caller(identity, directory, timeout, as_json)
    account = caller.key(data).base

    async def act(client: Any) -> tuple[Any, dict[str, Any]]:
        return await withdrawn(client, account)

    def human(document: dict[str, Any]) -> None:
        show_result(document, f"{data} is withdrawn, {document['results_ended']} results with it")
        say("  next  its key is left behind when the epoch ends: `strongroom data erase`")

    transact(caller, act, human)


async def withdrawn(client: Any, account: tuple[bytes, str]) -> tuple[Any, dict[str, Any]]:
    """Withdraw a data set, and every result that goes with it, however many transactions it takes;
    (the last of them, facts)."""
    ended = 0
    while True:
        done = await client.call("rooms.withdraw_data", data=account)
        ended += done.result["results"]
        if not done.result["left"]:
            return done, {"results_ended": ended}


def _columns(encoded: bytes) -> list[dict[str, Any]]:
    """Columns as people read them; none where reviewed programs alone may read."""
    from strongroom.enclave.room.analytics.policy import DataPolicy

    if not encoded:
        return []
    return [
        {
            "name": one.name,
            "type": str(one.type),
            "uses": sorted(use.name.lower() for use in one.uses),
        }
        for one in DataPolicy.decode(encoded).columns
    ]


def _show_list(found: list[dict[str, Any]]) -> None:
    if not found:
        note("no data set: bring one with `strongroom data put FILE`")
        return
    rows = [
        [
            one["name"],
            one["state"],
            str(one["version"]),
            f"{one['epsilon']} of {one['epsilon_life']}",
            str(one["runs"]),
        ]
        for one in found
    ]
    table(("name", "state", "version", "epsilon/10⁶", "runs of a version"), rows)


def _show_one(document: dict[str, Any]) -> None:
    terms = document["terms"]
    facts(
        [
            ("data set", document["name"]),
            ("owner", document["owner"]),
            ("state", document["state"]),
            ("purposes", ", ".join(terms["purposes"]) or "none"),
            ("programs", ", ".join(terms["programs"]) or "none"),
            ("recipients", ", ".join(terms["recipients"]) or "nobody"),
            ("epsilon/10⁶", f"{document['epsilon']} charged of {terms['epsilon_life']}"),
            ("results", "kept" if terms["keep_results"] else "withdrawn with it"),
        ]
    )
    rows = [
        [
            str(one["version"]),
            str(one["height"]),
            str(one["chunks"]),
            f"{one['runs']} of {terms['runs']}",
            one["root"].hex(),
        ]
        for one in document["versions"][-SHOWN_VERSIONS:]
    ]
    table(("version", "height", "chunks", "runs", "root"), rows)
    columns = [
        [one["name"], one["type"], ", ".join(one["uses"]) or "-"] for one in terms["columns"]
    ]
    table(("column", "type", "uses"), columns)
