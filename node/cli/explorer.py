"""`strongroom explorer …`: what anyone can see of the ledger and its nodes, and, with --as, what an
identity may open.

Owns options and JSON of these commands; how they look as tables is in explorer_tables.py, and what
governance and epochs show in explorer_public.py, the vault in explorer_vault.py, clean rooms in
explorer_rooms.py. Documents are those of the JSON-RPC methods; the word of one node, except for
`verify`, which checks the chain against the pin.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault, ReceiptInvalid
from strongroom.node.cli import explorer_public, explorer_rooms, explorer_users, explorer_vault
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    DirectoryOption,
    ask_passphrase,
    existing_directory,
    read_id,
)
from strongroom.node.client.errors import Unreachable
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, note, say

if TYPE_CHECKING:
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.client import Client

BLOCKS_MAX = 100
OPENED_MAX = 256
"""Transactions of one block that are tried for an identity."""
OPEN_SECONDS = 60.0
UNREACHABLE = "unreachable"
"""State of a node whose endpoint does not answer."""

explorer_app = typer.Typer(
    name="explorer", no_args_is_help=True, help="The block explorer: ledger and nodes as seen."
)

AsOption = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help="Open what this identity of keys/ may open."),
]


@explorer_app.command()
@guarded
def status(directory: DirectoryOption = DEFAULT_DIR, as_json: JsonOption = False) -> None:
    """The service and each of its nodes.

    Example: strongroom explorer status
    """
    from strongroom.node.cli import explorer_tables

    document = run(_status(existing_directory(directory)))
    emit(document, as_json, lambda: explorer_tables.show_status(document))
    if all(node["state"] == UNREACHABLE for node in document["nodes"]):
        fail("no node answers: look at `strongroom cluster status`", ExitCode.UNREACHABLE)


async def _status(directory: Path) -> dict[str, Any]:
    from strongroom.node.cluster.cluster import executing_of

    async with _reader(directory) as reader:
        nodes = [
            {"endpoint": endpoint, **(answer or {"node": None, "state": UNREACHABLE})}
            for endpoint, answer in await reader.ask_each("node_status")
        ]
        answering = any(node["state"] != UNREACHABLE for node in nodes)
        info = await reader.ask("service_info") if answering else {}
        alarms = await _alarms(reader) if answering else []
    names = ("name", "height", "executed", "epoch", "simulated")
    return {
        "service": reader.service.pin,
        "chain": reader.service.chain.hex(),
        **{name: info.get(name) for name in names},
        **executing_of([{**node, "name": node["node"]} for node in nodes]),
        "alarms": alarms,
        "nodes": nodes,
    }


async def _alarms(reader: "Reader") -> list[dict[str, Any]]:
    """Alarms of privileged access; none while the node that is asked has read no governance."""
    from strongroom.node.faults import NotReady

    try:
        alarms: list[dict[str, Any]] = (await reader.ask("governance_access"))["alarms"]
    except (NotReady, Unreachable):
        return []
    return alarms


@explorer_app.command()
@guarded
def blocks(
    start: Annotated[
        int | None, typer.Option("--from", min=1, metavar="HEIGHT", help="First height.")
    ] = None,
    end: Annotated[
        int | None, typer.Option("--to", min=1, metavar="HEIGHT", help="Last height; newest.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=BLOCKS_MAX, help="How many, without --from.")
    ] = 20,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """The newest blocks, or a range of at most 100.

    Example: strongroom explorer blocks --limit 5
    """
    from strongroom.node.cli import explorer_tables

    found = run(_blocks(existing_directory(directory), start, end, limit))
    emit(found, as_json, lambda: explorer_tables.show_blocks(found))


async def _blocks(
    directory: Path, start: int | None, end: int | None, limit: int
) -> list[dict[str, Any]]:
    async with _reader(directory) as reader:
        if end is None:
            newest = int((await reader.ask("node_status"))["height"])
            end = newest if start is None else min(newest, start + BLOCKS_MAX - 1)
        if start is None:
            start = max(1, end - limit + 1)
        if end < start:
            return []
        found: list[dict[str, Any]] = await reader.ask(
            "ledger_blocks", **{"from": start, "to": end}
        )
        return found


@explorer_app.command()
@guarded
def block(
    height: Annotated[str, typer.Argument(metavar="H", help="Height, or digest of the header.")],
    identity: AsOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """One block: batches, transactions as anyone sees them, certificate, outcome.

    Example: strongroom explorer block 7 --as alice
    """
    from strongroom.node.cli import explorer_tables

    document = run(_block(existing_directory(directory), _height_or_hash(height), identity))
    emit(document, as_json, lambda: explorer_tables.show_block(document))


async def _block(directory: Path, height: int | str, identity: str | None) -> dict[str, Any]:
    async with _reader(directory) as reader:
        document: dict[str, Any] = await reader.ask("ledger_block", height=height)
    transactions = document["transactions"]
    if identity is None or not transactions:
        return document
    if len(transactions) > OPENED_MAX:
        note(
            f"only the first {OPENED_MAX} of {len(transactions)} "
            f"transactions are tried for {identity}"
        )
    async with _client(directory, identity) as client:
        for transaction in transactions[:OPENED_MAX]:
            opened = await _open(client, transaction["id"]) if transaction["code"] == 0 else None
            if opened is not None:
                transaction["opened"] = opened
    return document


@explorer_app.command()
@guarded
def tx(
    id: Annotated[str, typer.Argument(metavar="ID", help="Transaction id, 64 hex digits.")],
    identity: AsOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """One transaction: where it stands, what anyone sees of it, and its result for its sender.

    Example: strongroom explorer tx 4f5a…c2 --as alice
    """
    from strongroom.node.cli import explorer_tables

    read_id(id)
    document = run(_transaction(existing_directory(directory), id, identity))
    emit(document, as_json, lambda: explorer_tables.show_transaction(document))
    if document["status"] == "unknown":
        fail(
            f"no node that answers knows transaction {id}: check the id, or ask again later",
            ExitCode.NO,
        )
    if (
        identity is not None
        and document["status"] == "final"
        and document.get("code") == 0
        and not document["opened"]
    ):
        fail(
            f"{identity} did not send this transaction, so it may not open its result", ExitCode.NO
        )


async def _transaction(directory: Path, id: str, identity: str | None) -> dict[str, Any]:
    async with _reader(directory) as reader:
        document: dict[str, Any] = await reader.ask("ledger_transaction", id=id)
    if identity is not None:
        document["opened"] = None
        if document.get("status") == "final" and document.get("code") == 0:
            async with _client(directory, identity) as client:
                document["opened"] = await _open(client, id)
    return document


@explorer_app.command()
@guarded
def verify(
    height: Annotated[int, typer.Argument(metavar="H", min=1, help="Height.")],
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Check the chain that a node shows, from block H down to genesis, against the pin.

    Example: strongroom explorer verify 12
    """
    try:
        document, code = run(_verify(existing_directory(directory), height)), ExitCode.OK
    except ReceiptInvalid as fault:
        document = {"verdict": fault.verdict, "reason": str(fault), "height": height}
        code = ExitCode.CANNOT_CHECK if fault.verdict == "cannot check" else ExitCode.NO
    emit(document, as_json, lambda: say(f"{document['verdict']}: {document['reason']}"))
    if code:
        raise typer.Exit(int(code))


async def _verify(directory: Path, height: int) -> dict[str, Any]:
    from strongroom.node.cli.proofs import recovery_documents, recovery_words
    from strongroom.node.client.audit.chain import check_chain

    async with _reader(directory) as reader:
        checked = await check_chain(reader.ask_all, reader.service.pin, height, lambda _: None)
    simulated = ", on a SIMULATED platform" if checked.genesis.simulated else ""
    who = "members" if checked.by_members else "validators"
    return {
        "verdict": "valid",
        "reason": (
            f"{checked.certified.height} headers lead to the pinned genesis; {checked.signers} of "
            f"{checked.members} {who} of {checked.genesis.constitution.name} signed block "
            f"{checked.certified.height}{simulated}"
            + "".join(f"; {words}" for words in recovery_words(checked.recoveries))
        ),
        "height": height,
        "hash": checked.header.digest.hex(),
        "certified_height": checked.certified.height,
        "signers": checked.signers,
        "recoveries": recovery_documents(checked.recoveries),
        "epoch": checked.certified.epoch,
        "pin": checked.genesis.pin,
        "simulated": checked.genesis.simulated,
    }


# --- shared ---------------------------------------------------------------------------------------


def _reader(directory: Path) -> "Reader":
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.trust.service import load_service

    return Reader(load_service(directory))


def _client(directory: Path, identity: str) -> "Client":
    from strongroom.node.client.client import Client

    return Client.connect(
        directory, identity, passphrase=ask_passphrase, timeout=OPEN_SECONDS, on_waiting=note
    )


async def _open(client: "Client", id: str) -> dict[str, Any] | None:
    """A transaction's result, if this identity sent it."""
    from strongroom.node.client.errors import ProgramFailed

    try:
        answer = await client.query("system.result", id=bytes.fromhex(id))
    except ProgramFailed:
        return None
    names = ("ok", "result", "error")
    return {name: answer.value[name] for name in names if name in answer.value}


def _height_or_hash(text: str) -> int | str:
    if text.isascii() and text.isdigit() and len(text) < 20:
        return int(text)
    if len(text) != 64:
        raise ClientFault(f"{text!r}: expected a height, or the 64 hex digits of a header's digest")
    return text


explorer_public.register(explorer_app)
explorer_vault.register(explorer_app)
explorer_rooms.register(explorer_app)
explorer_users.register(explorer_app)
