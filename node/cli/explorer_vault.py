"""`strongroom explorer keys | leases | custodians`: the vault, as an owner, an approver, a
custodian or an auditor may see it.

Owns options and JSON of these commands. Answers are sealed queries; who may read a key, the program
says. What acts is `strongroom vault`.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
)
from strongroom.node.cli.program_calls import AsOption, Caller, ask_together, asking
from strongroom.node.terminal.commands import FieldOption, JsonOption, guarded
from strongroom.node.terminal.printing import emit

if TYPE_CHECKING:
    from strongroom.node.client.client import Client

KEYS_SHOWN_MAX = 500
RECORDS_AT_ONCE = CUSTODIANS_ASKED_MAX = 500
OwnerArgument = Annotated[
    str | None,
    typer.Argument(metavar="[OWNER]", help="Whose keys: NAME or id:HEX; your own without."),
]


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (keys, leases, custodians):
        app.command()(command)


@guarded
def keys(
    identity: AsOption,
    owner: OwnerArgument = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Keys of an owner that you may read: state, custody, units, leases.

    Example: strongroom explorer keys maker --as auditor
    """
    from strongroom.node.cli.vault_tables import show_keys

    _show(Caller(identity, directory, timeout, as_json), owner, _keys, show_keys)


@guarded
def leases(
    identity: AsOption,
    owner: OwnerArgument = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """The newest leases of each key of an owner.

    Example: strongroom explorer leases maker --as auditor
    """
    from strongroom.node.cli.vault_tables import show_leases

    _show(Caller(identity, directory, timeout, as_json), owner, _leases, show_leases)


@guarded
def custodians(
    identity: AsOption,
    owner: OwnerArgument = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Custodians that announced themselves or that an owner's keys name, and what hangs on each.

    Example: strongroom explorer custodians maker --as auditor
    """
    from strongroom.node.cli.vault_tables import show_custodians

    _show(Caller(identity, directory, timeout, as_json), owner, _custodians, show_custodians)


def _show(
    caller: Caller,
    owner: str | None,
    read: Callable[["Client", str | None], Awaitable[list[dict[str, Any]]]],
    show: Callable[[list[dict[str, Any]]], None],
) -> None:
    found = ask_together(caller, lambda client: read(client, owner))
    emit(found, caller.as_json, lambda: show(found))


async def _keys(client: "Client", owner: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        await client.query("vault.keys", owner=owner, limit=KEYS_SHOWN_MAX)
    ).value
    return found


async def _leases(client: "Client", owner: str | None) -> list[dict[str, Any]]:
    from strongroom.node.vault.watching import newest_leases

    return [
        lease
        for key in await _keys(client, owner)
        for lease in await newest_leases(asking(client), _account(key))
    ]


async def _custodians(client: "Client", owner: str | None) -> list[dict[str, Any]]:
    nothing: dict[str, Any] = {
        "endpoint": None,
        "customer": "",
        "since_ms": None,
        "released_ms": None,
    }
    found = {one["custodian"]: nothing | one | {"keys": []} for one in await _announced(client)}
    for listed in await _keys(client, owner):
        if listed["custody"] == "ledger":
            continue
        key = (await client.query("vault.key", key=_account(listed))).value
        named = key["terms"]["custodian"]
        one = found.setdefault(named, nothing | {"custodian": named, "keys": []})
        one["keys"].append(
            {name: listed[name] for name in ("key", "owner", "version", "state", "custody")}
        )
        released = await _released_ms(client, _account(listed))
        one["released_ms"] = max(filter(None, (one["released_ms"], released)), default=None)
    return list(found.values())


async def _announced(client: "Client") -> list[dict[str, Any]]:
    """What custodians say of themselves; the first ones, in order of identity."""
    found: list[dict[str, Any]] = (
        await client.query("vault.custodians", limit=CUSTODIANS_ASKED_MAX)
    ).value
    return found


async def _released_ms(client: "Client", key: tuple[bytes, str]) -> int | None:
    """When the key's custodian last recorded a release, among the records that are kept."""
    newest: int | None = None
    after = 0
    while True:
        page = (
            await client.query("vault.records", key=key, after=after, limit=RECORDS_AT_ONCE)
        ).value
        for record in page["records"]:
            after = record["number"]
            newest = record["time_ms"] if record["what"] == "release" else newest
        if len(page["records"]) < RECORDS_AT_ONCE:
            return newest


def _account(key: dict[str, Any]) -> tuple[bytes, str]:
    return bytes.fromhex(key["owner"].removeprefix("id:")), key["key"]
