"""`strongroom explorer …`: what anyone can see of the ledger and its nodes, and, with --as, what an
identity may open.

Owns options and JSON of these commands; how they look as tables is in explorer_tables.py, and what
governance and epochs show in explorer_public.py, the vault in explorer_vault.py, clean rooms in
explorer_rooms.py, users in explorer_users.py. Documents are those of the JSON-RPC methods: the word
of one node, or what a ledger's files tell (--from-ledger); `verify` checks the chain against the
pin.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault, ReceiptInvalid
from strongroom.node.cli import (
    explorer_public,
    explorer_rooms,
    explorer_users,
    explorer_vault,
    explorer_watch,
    explorer_web,
)
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    DirectoryOption,
    ask_passphrase,
    existing_directory,
    read_id,
)
from strongroom.node.cli.explorer_source import (
    LATEST,
    LedgerOption,
    newest_height,
    read_height,
    source,
)
from strongroom.node.client.errors import NotTrusted, Unreachable
from strongroom.node.terminal.commands import FieldOption, JsonOption, fail, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, note

if TYPE_CHECKING:
    from strongroom.node.client.client import Client
    from strongroom.node.explorer.source import Source

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
def status(
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """The service and each of its nodes.

    Example: strongroom explorer status
    """
    from strongroom.node.cli import explorer_tables

    document = run(_status(directory, ledger))
    emit(document, as_json, lambda: explorer_tables.show_status(document))
    if all(node["state"] == UNREACHABLE for node in document["nodes"]):
        fail("no node answers: look at `strongroom cluster status`", ExitCode.UNREACHABLE)


async def _status(directory: Path, ledger: Path | None) -> dict[str, Any]:
    from strongroom.node.cluster.cluster import executing_of

    async with source(directory, ledger) as reader:
        nodes = [
            {"endpoint": endpoint, **(answer or {"node": None, "state": UNREACHABLE})}
            for endpoint, answer in await reader.ask_each("node_status")
        ]
        answering = any(node["state"] != UNREACHABLE for node in nodes)
        info = await reader.ask("service_info", genesis=False) if answering else {}
        _check_same_service(info, reader.service.pin)
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


def _check_same_service(info: dict[str, Any], pin: str) -> None:
    """A node's own word is enough to say that it is another service's.

    Raises:
        NotTrusted: it is.
    """
    shown = info.get("pin", pin)
    if shown != pin:
        raise NotTrusted(
            "pin",
            f"the nodes say that they are of {shown}, this folder pins {pin}: the service was "
            "founded anew, or this is another one. If you trust it, take its service.json from "
            "its operator",
        )


async def _alarms(reader: "Source") -> list[dict[str, Any]]:
    """Alarms of privileged access; none while the node that is asked has read no governance."""
    from strongroom.node.faults import NotReady

    try:
        alarms: list[dict[str, Any]] = (await reader.ask("governance_access"))["alarms"]
    except (NotReady, Unreachable):
        return []
    return alarms


@explorer_app.command()
@guarded
def search(
    text: Annotated[
        list[str], typer.Argument(metavar="TEXT", help="Height, id or its beginning, name, …")
    ],
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """What this names: a block, a transaction (an id's beginning: in the newest blocks), a node, a
    member, a proposal, a grant, an epoch, a region.

    Example: strongroom explorer search 2b88cd4e
    """
    from strongroom.node.cli import explorer_tables

    wanted = " ".join(text)
    found = run(_search(directory, ledger, wanted))
    if not found:
        fail(
            f"nothing here is called {wanted!r}: a whole id finds any transaction or block, its "
            "beginning one of the newest 100 blocks",
            ExitCode.NO,
        )
    emit(found, as_json, lambda: explorer_tables.show_found(found))


async def _search(directory: Path, ledger: Path | None, text: str) -> list[dict[str, Any]]:
    from strongroom.node.explorer.search import search as search_source

    async with source(directory, ledger) as reader:
        return await search_source(reader, text)


@explorer_app.command()
@guarded
def blocks(
    start: Annotated[
        int | None, typer.Option("--from", min=1, metavar="HEIGHT", help="First height.")
    ] = None,
    end: Annotated[
        str, typer.Option("--to", metavar="HEIGHT", help="Last height; latest without it.")
    ] = LATEST,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=BLOCKS_MAX, help="How many, without --from.")
    ] = 20,
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """The newest blocks, or a range of at most 100.

    Example: strongroom explorer blocks --limit 5
    """
    from strongroom.node.cli import explorer_tables

    last = read_height(end)
    if start is not None and last is not None and last < start:
        raise ClientFault(f"--from {start} --to {last}: write the lower height first")
    found = run(_blocks(directory, ledger, start, last, limit))
    if not found:
        note(f"no block from {start or 1} on is final yet: `strongroom explorer blocks --limit 1`")
    emit(found, as_json, lambda: explorer_tables.show_blocks(found))


async def _blocks(
    directory: Path, ledger: Path | None, start: int | None, end: int | None, limit: int
) -> list[dict[str, Any]]:
    async with source(directory, ledger) as reader:
        if end is None:
            newest = await newest_height(reader)
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
    height: Annotated[
        str, typer.Argument(metavar="H", help="Height, latest, or digest of the header.")
    ],
    identity: AsOption = None,
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """One block: batches, transactions as anyone sees them, certificate, outcome.

    Example: strongroom explorer block 7 --as alice
    """
    from strongroom.node.cli import explorer_tables

    document = run(_block(directory, ledger, _height_or_hash(height), identity))
    emit(document, as_json, lambda: explorer_tables.show_block(document))


async def _block(
    directory: Path, ledger: Path | None, height: int | str | None, identity: str | None
) -> dict[str, Any]:
    async with source(directory, ledger) as reader:
        asked = await newest_height(reader) if height is None else height
        document: dict[str, Any] = await reader.ask("ledger_block", height=asked)
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
    id: Annotated[
        str, typer.Argument(metavar="ID", help="Transaction id, 64 hex digits; or HEIGHT/INDEX.")
    ],
    identity: AsOption = None,
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """One transaction: where it stands, what anyone sees of it, and its result for its sender.

    Example: strongroom explorer tx 4f5a…c2 --as alice
    """
    from strongroom.node.cli import explorer_tables

    document = run(_transaction(directory, ledger, id, identity))
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


async def _transaction(
    directory: Path, ledger: Path | None, named: str, identity: str | None
) -> dict[str, Any]:
    height, slash, index = named.partition("/")
    if not slash:
        read_id(named)
    async with source(directory, ledger) as reader:
        id = await _id_at(reader, height, index) if slash else named
        document: dict[str, Any] = await reader.ask("ledger_transaction", id=id)
    if identity is not None:
        document["opened"] = None
        if document.get("status") == "final" and document.get("code") == 0:
            async with _client(directory, identity) as client:
                document["opened"] = await _open(client, id)
    return document


async def _id_at(reader: "Source", height: str, index: str) -> str:
    """The id of a transaction by its place."""
    at = read_height(height)
    if not (index.isascii() and index.isdigit() and len(index) < 10):
        raise ClientFault(f"{index!r} is no position in a block: write HEIGHT/INDEX, like 7/0")
    asked = await newest_height(reader) if at is None else at
    page = await reader.ask("ledger_transactions", height=asked, offset=int(index), limit=1)
    if not page["transactions"]:
        raise ClientFault(f"block {asked} has {page['count']} transactions, from 0 on")
    id: str = page["transactions"][0]["id"]
    return id


@explorer_app.command()
@guarded
def verify(
    height: Annotated[str, typer.Argument(metavar="H", help="Height, or latest.")],
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Check the chain that a node shows, from block H down to genesis, against the pin.

    With --from-ledger the pin is still that of the service in --dir.

    Example: strongroom explorer verify 12
    """
    from strongroom.node.cli import explorer_tables

    try:
        document, code = run(_verify(directory, ledger, read_height(height))), ExitCode.OK
    except ReceiptInvalid as fault:
        document = {"verdict": fault.verdict, "reason": str(fault), "height": read_height(height)}
        code = ExitCode.CANNOT_CHECK if fault.verdict == "cannot check" else ExitCode.NO
    emit(document, as_json, lambda: explorer_tables.show_verdict(document))
    if code:
        raise typer.Exit(int(code))


async def _verify(directory: Path, ledger: Path | None, asked: int | None) -> dict[str, Any]:
    from strongroom.node.cli.proofs import recovery_documents, recovery_words
    from strongroom.node.client.audit.chain import check_chain
    from strongroom.node.client.trust.service import load_service

    pin = load_service(existing_directory(directory)).pin
    async with source(directory, ledger) as reader:
        height = await newest_height(reader) if asked is None else asked
        checked = await check_chain(reader.ask_all, pin, height, lambda _: None)
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


def _height_or_hash(text: str) -> int | str | None:
    if len(text) == 64:
        return text
    try:
        return read_height(text)
    except ClientFault:
        raise ClientFault(
            f"{text!r}: expected a height, latest, or the 64 hex digits of a header's digest"
        ) from None


explorer_public.register(explorer_app)
explorer_vault.register(explorer_app)
explorer_rooms.register(explorer_app)
explorer_users.register(explorer_app)
explorer_watch.register(explorer_app)
explorer_web.register(explorer_app)
