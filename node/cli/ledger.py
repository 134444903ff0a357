"""`strongroom call | query`: transactions and questions; `register` mounts the proofs (proofs.py) beside them.

Owns options, words and JSON of these commands (INTERFACES, "JSON of the commands"). Everything that does the work is
the client's and is loaded when a command runs.
"""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    ExitCode,
    JsonOption,
    TimeoutOption,
    ask_passphrase,
    emit,
    existing_directory,
    fail,
    guarded,
    note,
    run,
)
from strongroom.node.cli.evidence import register as register_evidence
from strongroom.node.cli.proofs import receipt, verify_ledger, verify_receipt
from strongroom.node.client.errors import ProgramFailed, TransactionRefused, Unreachable

if TYPE_CHECKING:
    from strongroom.node.client.calls import Done
    from strongroom.node.client.client import Client

AsOption = Annotated[str, typer.Option("--as", metavar="NAME", help="Identity of the folder's keys/.")]
ArgumentsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Arguments, parsed by the program's schema.")
]


class Wait(StrEnum):
    """What a call waits for."""

    NONE = "none"
    COMMIT = "commit"
    RECEIPT = "receipt"


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    app.command("call")(call)
    app.command("query")(query)
    app.command("receipt")(receipt)
    verify = typer.Typer(name="verify", no_args_is_help=True, help="Offline checks, against nothing but a pin.")
    verify.command("receipt")(verify_receipt)
    verify.command("ledger")(verify_ledger)
    register_evidence(verify)
    app.add_typer(verify)


# --- call -----------------------------------------------------------------------------------------------------------


@guarded
def call(
    name: Annotated[str, typer.Argument(metavar="PROGRAM.TRANSACTION", help="Like payments.transfer.")],
    identity: AsOption,
    arguments: ArgumentsArgument = None,
    wait: Annotated[Wait, typer.Option("--wait", help="What to wait for.")] = Wait.COMMIT,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """One transaction: sealed, ordered, executed, its result opened.

    Example: strongroom call payments.transfer to=bob amount=5 --as alice
    """
    existing_directory(directory)
    texts = read_arguments(arguments)
    try:
        document = run(_call(directory, identity, name, texts, wait, timeout))
    except ProgramFailed as fault:
        _emit_failure(fault, {"code": fault.code, "message": fault.message}, as_json)
    except TransactionRefused as fault:
        _emit_failure(fault, {"code": "refused", "message": fault.reason}, as_json)
    except Unreachable as fault:
        if fault.id is None:
            raise
        if as_json:
            emit({"id": fault.id.hex()}, as_json)
        fail(f"{fault}; ask later: strongroom explorer tx {fault.id.hex()} --as {identity}", ExitCode.UNREACHABLE)
    else:
        emit(document, as_json, lambda: _show_call(document))


async def _call(
    directory: Path, identity: str, name: str, texts: dict[str, str], wait: Wait, timeout: float
) -> dict[str, Any]:
    async with _client(directory, identity, timeout, one_shot=True) as client:
        if wait is Wait.NONE:
            return {"id": (await client.submit_texts(name, texts)).hex()}
        done = await client.call_texts(name, texts)
        remember_height(directory, identity, client.height)
        document = _done_document(done)
        if wait is Wait.RECEIPT:
            document["receipt"] = (await done.receipt()).to_json()
        return document


def _done_document(done: "Done") -> dict[str, Any]:
    return {"id": done.id.hex(), "height": done.height, "index": done.index, "ok": True, "result": done.result}


def _show_call(document: dict[str, Any]) -> None:
    typer.echo(f"id      {document['id']}")
    if "height" in document:
        typer.echo(f"height  {document['height']} (index {document['index']})")
        typer.echo(f"result  {_plain_text(document['result'])}")
    if "receipt" in document:
        typer.echo("receipt verified against the pin (write it with `strongroom receipt`)")


def _emit_failure(fault: ProgramFailed | TransactionRefused, error: dict[str, str], as_json: bool) -> None:
    id = None if fault.id is None else fault.id.hex()
    if as_json:
        emit({"id": id, "height": fault.height, "index": fault.index, "ok": False, "error": error}, as_json)
    fail(f"{fault} (transaction {id}, height {fault.height})", ExitCode.NO)


# --- query ----------------------------------------------------------------------------------------------------------


@guarded
def query(
    name: Annotated[str, typer.Argument(metavar="PROGRAM.QUERY", help="Like payments.balance.")],
    identity: AsOption,
    arguments: ArgumentsArgument = None,
    at_least: Annotated[
        int | None, typer.Option("--at-least", min=0, metavar="HEIGHT", help="By default the newest you have seen.")
    ] = None,
    linearizable: Annotated[
        bool, typer.Option("--linearizable", help="After all that is final now, as a quorum knows it.")
    ] = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """One sealed query on executed state.

    Example: strongroom query payments.balance --as alice
    """
    existing_directory(directory)
    texts = read_arguments(arguments)
    document = run(_query(directory, identity, name, texts, at_least, linearizable, timeout))

    def human() -> None:
        typer.echo(_plain_text(document["result"]))
        note(f"height {document['height']}, from {document['node']}")

    emit(document, as_json, human)


async def _query(
    directory: Path,
    identity: str,
    name: str,
    texts: dict[str, str],
    at_least: int | None,
    linearizable: bool,
    timeout: float,
) -> dict[str, Any]:
    async with _client(directory, identity, timeout, one_shot=True) as client:
        client.height = seen_height(directory, identity)
        answer = await client.query_texts(name, texts, at_least=at_least, linearizable=linearizable)
        remember_height(directory, identity, answer.height)
        return {"result": answer.value, "height": answer.height, "root": answer.root.hex(), "node": answer.node}


# --- shared ---------------------------------------------------------------------------------------------------------


def read_arguments(texts: list[str] | None) -> dict[str, str]:
    """KEY=VALUE texts as a mapping.

    Raises:
        ClientFault: one is not of that form, or a key stands twice.
    """
    arguments: dict[str, str] = {}
    for text in texts or []:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise ClientFault(f"{text!r}: write KEY=VALUE, like amount=5")
        if key in arguments:
            raise ClientFault(f"{key} is given twice")
        arguments[key] = value
    return arguments


def seen_height(directory: Path, identity: str) -> int:
    """The newest height in any answer to this identity, over all runs of the command (T06); 0 when there is none."""
    from strongroom.node.layout import ClusterLayout

    try:
        return max(0, int(ClusterLayout(directory).seen(identity).read_text()))
    except (OSError, ValueError):
        return 0


def remember_height(directory: Path, identity: str, height: int) -> None:
    """Keep the newest height; never an older one."""
    from strongroom.node.layout import ClusterLayout
    from strongroom.node.ledger.files import write_atomic

    if height > seen_height(directory, identity):
        write_atomic(ClusterLayout(directory).seen(identity), f"{height}\n".encode())


def _client(directory: Path, identity: str, timeout: float, *, one_shot: bool) -> "Client":
    from strongroom.node.client.client import Client

    on_waiting: Callable[[str], None] = note
    return Client.connect(
        directory, identity, passphrase=ask_passphrase, timeout=timeout, on_waiting=on_waiting, one_shot=one_shot
    )


def _plain_text(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=bytes.hex)
