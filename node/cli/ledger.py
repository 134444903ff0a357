"""`strongroom call | query | receipt | verify receipt`: transactions and their proofs.

Owns options, words and JSON of these commands (INTERFACES, "JSON of the commands"). Everything that does the work is
the client's and is loaded when a command runs.
"""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault, ReceiptInvalid
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    DirectoryOption,
    ExitCode,
    JsonOption,
    emit,
    existing_directory,
    fail,
    guarded,
    note,
    run,
)
from strongroom.node.cli.evidence import register as register_evidence
from strongroom.node.client.errors import ProgramFailed, TransactionRefused, Unreachable

if TYPE_CHECKING:
    from strongroom.node.client.calls import Done
    from strongroom.node.client.client import Client

TIMEOUT_SECONDS = 60.0
RECEIPT_POLL_SECONDS = 0.3

AsOption = Annotated[str, typer.Option("--as", metavar="NAME", help="Identity of the folder's keys/.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait before giving up.")]
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


# --- receipts -------------------------------------------------------------------------------------------------------


@guarded
def receipt(
    id: Annotated[str, typer.Argument(metavar="TXID", help="Transaction id, 64 hex digits.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to; TXID.receipt.json by default.")
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Fetch a transaction's receipt, verify it against the pin, write it to a file.

    Example: strongroom receipt 4f5a…c2 -o payment.json
    """
    existing_directory(directory)
    from strongroom.enclave.receipts import verify_receipt as check
    from strongroom.node.client.service import load_service
    from strongroom.node.ledger.files import write_atomic

    service = load_service(directory)
    transaction = read_id(id)
    fetched, text = run(_fetch_receipt(directory, transaction, timeout))
    verified = check(fetched, service.pin)
    if verified.id != transaction:
        raise ReceiptInvalid(f"the node gave the receipt of another transaction, {verified.id.hex()}")
    path = output or Path(f"{id}.receipt.json")
    write_atomic(path.absolute(), text.encode(), mode=0o644)
    document = {"file": str(path), **_verified_document(verified)}
    emit(document, as_json, lambda: typer.echo(f"{path}: {document['status']} at height {verified.height}, verified"))


async def _fetch_receipt(directory: Path, id: bytes, timeout: float) -> tuple[Any, str]:
    import asyncio
    import json

    from strongroom.enclave.receipt import Receipt
    from strongroom.node.client.reader import Reader
    from strongroom.node.client.service import load_service
    from strongroom.node.rpc.faults import NotYet

    async with Reader(load_service(directory)) as reader:
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            try:
                document = await reader.ask("ledger_receipt", id=id.hex())
                return Receipt.from_json(document), json.dumps(document, indent=1) + "\n"
            except NotYet:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(RECEIPT_POLL_SECONDS)


@guarded
def verify_receipt(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A receipt.")],
    pin: Annotated[
        str | None, typer.Option("--service", metavar="PIN", help="The service's pin (sr1-…); without it, no verdict.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a receipt offline: the file and the pin are all it takes.

    Example: strongroom verify receipt payment.json --service sr1-…
    """
    try:
        document, code = _judge(file, pin), ExitCode.OK
    except ReceiptInvalid as fault:
        document = {"verdict": fault.verdict, "reason": str(fault)}
        code = ExitCode.CANNOT_CHECK if fault.verdict == "cannot check" else ExitCode.NO
    emit(document, as_json, lambda: _show_verdict(document))
    if code:
        raise typer.Exit(int(code))


def _judge(file: Path, pin: str | None) -> dict[str, Any]:
    if pin is None:
        raise ReceiptInvalid("no pin: give the service's with --service", verdict="cannot check")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ReceiptInvalid(f"cannot read {file}: {error.strerror}", verdict="cannot check") from None
    from strongroom.enclave.receipt import Receipt
    from strongroom.enclave.receipts import verify_receipt as check

    verified = check(Receipt.from_json(data), pin)
    simulated = ", on a SIMULATED platform" if verified.simulated else ""
    reason = f"a quorum of {verified.service} certified it{simulated}"
    return {"verdict": "valid", "reason": reason, **_verified_document(verified)}


def _verified_document(verified: Any) -> dict[str, Any]:
    return {
        "id": verified.id.hex(),
        "height": verified.height,
        "index": verified.index,
        "status": verified.code.text,
        "result_digest": verified.result_digest.hex(),
        "anchor_height": verified.anchor_height,
        "time_ms": verified.time_ms,
        "service": verified.service,
        "pin": verified.pin,
        "simulated": verified.simulated,
    }


def _show_verdict(document: dict[str, Any]) -> None:
    typer.echo(f"{document['verdict']}: {document['reason']}")
    for name in ("id", "status", "height", "index", "anchor_height"):
        if name in document:
            typer.echo(f"  {name.replace('_', ' '):<14} {document[name]}")


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


def read_id(text: str) -> bytes:
    """A transaction id from its hex digits.

    Raises:
        ClientFault: it is none.
    """
    try:
        id = bytes.fromhex(text)
    except ValueError:
        id = b""
    if len(id) != 32 or id.hex() != text:
        raise ClientFault(f"{text!r} is no transaction id: 64 lowercase hex digits")
    return id


def ask_passphrase(name: str) -> str:
    """Ask the user, not showing what is typed."""
    text: str = typer.prompt(f"passphrase of {name}", hide_input=True, err=True)
    return text


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
