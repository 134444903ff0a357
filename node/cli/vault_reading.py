"""`strongroom vault keys | show | leases | lease | records`: what the ledger tells of keys to those
who may read them.

Owns options and JSON of these commands; how they look is in vault_tables.py, what is new in
node/vault/watching.py. Answers are sealed queries, the word of a quorum's state at one node.
"""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    existing_directory,
)
from strongroom.node.cli.program_calls import AsOption, Caller, KeyArgument, answered, ask, asking
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import emit
from strongroom.node.vault.names import read_duration, read_lease

if TYPE_CHECKING:
    from strongroom.node.client.client import Client

PAGE = 100
OwnerArgument = Annotated[
    str | None, typer.Argument(metavar="[OWNER]", help="Whose: NAME or id:HEX; yours without.")
]
OneKeyArgument = Annotated[
    str | None,
    typer.Argument(metavar="[KEY]", help="NAME or OWNER/NAME; all of yours without."),
]


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (keys, show, leases, lease, records):
        app.command()(command)


@guarded
def keys(
    identity: AsOption,
    owner: OwnerArgument = None,
    after: Annotated[str, typer.Option("--after", help="Names behind this one.")] = "",
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """List keys that you may read: yours, or those of an owner who names you.

    Example: strongroom vault keys --as maker
    """
    from strongroom.node.cli import vault_tables

    caller = Caller(identity, directory, timeout, as_json)
    found = ask(caller, "vault.keys", {"owner": owner, "after": after, "limit": PAGE})
    emit(found, as_json, lambda: vault_tables.show_keys(found))


@guarded
def show(
    key: KeyArgument,
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show one key: its state, terms, versions, what waits for consent, who is frozen.

    Example: strongroom vault show bear --as maker
    """
    from strongroom.node.cli import vault_tables

    caller = Caller(identity, directory, timeout, as_json)
    document = ask(caller, "vault.key", {"key": caller.key(key).account})
    emit(document, as_json, lambda: vault_tables.show_key(document))


@guarded
def lease(
    lease: Annotated[str, typer.Argument(metavar="LEASE", help="Its id, 32 hex digits.")],
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show one lease, and what its room could still do if you revoked the key now.

    Example: strongroom vault lease 5f3a09c2d41b7e6688aa01b2c3d4e5f6 --as maker
    """
    from strongroom.node.cli import vault_tables

    caller = Caller(identity, directory, timeout, as_json)
    document = ask(caller, "vault.lease", {"lease": read_lease(lease)})
    emit(document, as_json, lambda: vault_tables.show_lease(document))


@guarded
def records(
    key: KeyArgument,
    identity: AsOption,
    after: Annotated[int, typer.Option("--after", min=0, help="Records behind this number.")] = 0,
    refusals: Annotated[bool, typer.Option("--refusals", help="What was refused.")] = False,
    mistakes: Annotated[
        bool, typer.Option("--mistakes", help="Which calls were wrong in themselves.")
    ] = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show what happened to a key, what was refused, or which calls were wrong in themselves, with
    the digest of the chain over it all.

    Example: strongroom vault records bear --refusals --as maker
    """
    from strongroom.node.cli import vault_tables

    caller = Caller(identity, directory, timeout, as_json)
    arguments = {"key": caller.key(key).base, "after": after, "limit": PAGE}
    arguments |= {"refusals": refusals, "mistakes": mistakes}
    document = ask(caller, "vault.records", arguments)
    emit(document, as_json, lambda: vault_tables.show_records(document))


@guarded
def leases(
    identity: AsOption,
    key: OneKeyArgument = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Tell what happens, a line each, until Ctrl-C.")
    ] = False,
    every: Annotated[
        str, typer.Option("--every", metavar="DURATION", help="How often to look.")
    ] = "1s",
    last: Annotated[
        int, typer.Option("--last", min=0, max=100, help="Records from before, first.")
    ] = 0,
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="End by itself after this.")
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """List the leases of a key, or of all your keys; with --watch tell each ask, refusal, beat, use
    and end as it comes (with --json a document a line).

    Example: strongroom vault leases bear --watch --as maker
    """
    from strongroom.node.cli import vault_tables

    existing_directory(directory)
    caller = Caller(identity, directory, timeout, as_json)
    named = None if key is None else caller.key(key).base
    if watch:
        seconds = None if lasting is None else read_duration(lasting) / 1000
        answered(caller, _watch(caller, named, read_duration(every) / 1000, last, seconds))
        return
    found = answered(caller, _leases(caller, named))
    emit(found, as_json, lambda: vault_tables.show_leases(found))


async def _leases(caller: Caller, key: tuple[bytes, str] | None) -> list[dict[str, Any]]:
    from strongroom.node.vault.watching import newest_leases

    async with caller.client() as client:
        wanted = await _keys(client, key)
        return [one for own in wanted for one in await newest_leases(asking(client), own)]


async def _watch(
    caller: Caller,
    key: tuple[bytes, str] | None,
    every: float,
    last: int,
    seconds: float | None,
) -> None:
    import asyncio

    from strongroom.node.cli import vault_tables
    from strongroom.node.vault.watching import Watch

    async with caller.client(one_shot=False) as client:
        watch = Watch(asking(client), await _keys(client, key), last=last)
        loop = asyncio.get_running_loop()
        ends = None if seconds is None else loop.time() + seconds
        while True:
            if key is None:
                watch.follow(await _keys(client, None))
            for news in await watch.look():
                emit(news.to_json(), caller.as_json, partial(vault_tables.show_news, news))
            if ends is not None and loop.time() + every > ends:
                return
            await asyncio.sleep(every)


async def _keys(client: "Client", key: tuple[bytes, str] | None) -> list[tuple[bytes, str]]:
    """The one that was named, or all of the caller's."""
    if key is not None:
        return [key]
    found = (await client.query("vault.keys", limit=PAGE)).value
    return [(b"", one["key"]) for one in found]
