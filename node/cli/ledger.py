"""`strongroom call | query`: transactions and questions; `register` mounts the proofs (proofs.py)
beside them.

Owns options, words and JSON of these commands (INTERFACES, "JSON of the commands"). Everything that
does the work is the client's and is loaded when a command runs.
"""

from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from strongroom.consensus.errors import ClientFault, StrongroomError
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    ask_passphrase,
    existing_directory,
)
from strongroom.node.cli.evidence import register as register_evidence
from strongroom.node.cli.fate import Fate, fate_told, show_settled
from strongroom.node.cli.misbehaviour import verify_misbehaviour
from strongroom.node.cli.proofs import receipt, verify_ledger, verify_receipt
from strongroom.node.cli.residency import verify_residency
from strongroom.node.cli.verify_archive import verify_archive
from strongroom.node.cli.verify_page import verify_page
from strongroom.node.client.errors import ProgramFailed, TransactionRefused
from strongroom.node.faults import NotYet
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run, run_submission
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, note, say

if TYPE_CHECKING:
    from strongroom.node.client.calls.calls import Done
    from strongroom.node.client.client import Client

AsOption = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Identity of the folder's keys/.")
]
ArgumentsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Arguments, parsed by the program's schema."),
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
    verify = typer.Typer(
        name="verify", no_args_is_help=True, help="Offline checks, against nothing but a pin."
    )
    verify.command("receipt")(verify_receipt)
    verify.command("ledger")(verify_ledger)
    verify.command("archive")(verify_archive)
    verify.command("residency")(verify_residency)
    verify.command("misbehaviour")(verify_misbehaviour)
    verify.command("page")(verify_page)
    register_evidence(verify)
    app.add_typer(verify)


# --- call -----------------------------------------------------------------------------------------


@guarded
def call(
    name: Annotated[
        str, typer.Argument(metavar="PROGRAM.TRANSACTION", help="Like payments.transfer.")
    ],
    identity: AsOption,
    arguments: ArgumentsArgument = None,
    wait: Annotated[Wait, typer.Option("--wait", help="What to wait for.")] = Wait.COMMIT,
    recorded: Annotated[
        bool,
        typer.Option(
            "--recorded", help="A query, sent as a transaction: for a role held by a grant."
        ),
    ] = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """One transaction: sealed, ordered, executed, its result opened.

    Example: strongroom call payments.transfer to=bob amount=5 --as alice
    """
    existing_directory(directory)
    if recorded and wait is Wait.NONE:
        fail("--recorded waits for its answer: leave --wait none away", ExitCode.USAGE)
    texts = read_arguments(arguments)
    fate = Fate(identity, folder=directory)
    with fate_told(fate, as_json):
        try:
            run_submission(
                _call(directory, identity, name, texts, wait, timeout, fate, as_json, recorded)
            )
        except ProgramFailed as fault:
            _emit_failure(fate, fault, {"code": fault.code, "message": fault.message}, as_json)
        except TransactionRefused as fault:
            _emit_failure(fate, fault, {"code": "refused", "message": fault.reason}, as_json)


async def _call(
    directory: Path,
    identity: str,
    name: str,
    texts: dict[str, str],
    wait: Wait,
    timeout: float,
    fate: Fate,
    as_json: bool,
    recorded: bool,
) -> None:
    """Submit, and show the answer before anything else is done; then keep the height, once it is
    proven."""
    async with _client(
        directory, identity, timeout, one_shot=True, on_sealed=fate.sealed
    ) as client:
        if wait is Wait.NONE:
            document: dict[str, Any] = {"id": (await client.submit_texts(name, texts)).hex()}
            fate.settled(document)
            show_settled(fate, as_json, lambda: _show_call(document))
            return
        ask = client.query_recorded if recorded else client.call_texts
        done = await ask(name, texts)
        document = _done_document(done)
        fate.settled(document)
        if wait is Wait.RECEIPT:
            document["receipt"] = None
            document["receipt"] = (await done.receipt()).to_json()
        show_settled(fate, as_json, lambda: _show_call(document))
        with suppress(StrongroomError):
            remember_height(directory, identity, await client.proven_height())


def _done_document(done: "Done") -> dict[str, Any]:
    return {
        "id": done.id.hex(),
        "height": done.height,
        "index": done.index,
        "ok": True,
        "result": done.result,
    }


def _show_call(document: dict[str, Any]) -> None:
    say(f"id      {document['id']}")
    if "height" in document:
        say(f"height  {document['height']} (index {document['index']})")
        say(f"result  {_plain_text(document['result'])}")
    if "receipt" in document:
        say("receipt verified against the pin (write it with `strongroom receipt`)")


def _emit_failure(
    fate: Fate, fault: ProgramFailed | TransactionRefused, error: dict[str, str], as_json: bool
) -> NoReturn:
    id = None if fault.id is None else fault.id.hex()
    place = {"id": id, "height": fault.height, "index": fault.index}
    fate.settled({**place, "ok": False, "error": error}, ExitCode.NO)
    if as_json:
        show_settled(fate, as_json, None)
    fail(f"{fault} (transaction {id}, height {fault.height})", ExitCode.NO)


# --- query ----------------------------------------------------------------------------------------


@guarded
def query(
    name: Annotated[str, typer.Argument(metavar="PROGRAM.QUERY", help="Like payments.balance.")],
    identity: AsOption,
    arguments: ArgumentsArgument = None,
    at_least: Annotated[
        int | None,
        typer.Option(
            "--at-least", min=0, metavar="HEIGHT", help="By default the newest you have seen."
        ),
    ] = None,
    linearizable: Annotated[
        bool,
        typer.Option("--linearizable", help="After all that is final now, as a quorum knows it."),
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
        say(_plain_text(document["result"]))
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
        client.height = seen = seen_height(directory, identity)
        try:
            answer = await client.query_texts(
                name, texts, at_least=at_least, linearizable=linearizable
            )
        except NotYet as fault:
            if at_least is not None or not seen:
                raise
            raise NotYet(
                f"{fault}; height {seen} was seen before, says keys/{identity}.seen: ask again, or "
                "demand less with --at-least 0",
                **fault.data,
            ) from None
        remember_height(directory, identity, answer.height)
        return {
            "result": answer.value,
            "height": answer.height,
            "root": answer.root.hex(),
            "node": answer.node,
        }


# --- shared ---------------------------------------------------------------------------------------


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
            raise ClientFault(f"{key} is given twice: leave one out")
        arguments[key] = value
    return arguments


def seen_height(directory: Path, identity: str) -> int:
    """The newest height in any answer to this identity, over all runs of the command (T06); 0 when
    there is none, or the folder served another ledger then."""
    from strongroom.node.client.calls.replies import NUMBER_MAX
    from strongroom.node.client.trust.service import load_service
    from strongroom.node.layout import ClusterLayout

    try:
        text, *chain = ClusterLayout(directory).seen(identity).read_text().split()
        height = int(text)
    except (OSError, ValueError):
        return 0
    if chain and chain != [load_service(directory).chain.hex()]:
        return 0
    return height if 0 <= height <= NUMBER_MAX else 0


def remember_height(directory: Path, identity: str, height: int) -> None:
    """Keep the newest height, and of which ledger; never an older one. That it cannot be kept is
    said, and changes no answer."""
    from strongroom.node.client.trust.service import load_service
    from strongroom.node.layout import ClusterLayout
    from strongroom.node.machine.durable_files import write_atomic

    path = ClusterLayout(directory).seen(identity)
    if height > seen_height(directory, identity):
        try:
            write_atomic(path, f"{height} {load_service(directory).chain.hex()}\n".encode())
        except OSError as error:
            note(
                f"warning: cannot keep the newest height in {path} ({error.strerror}): later "
                f"queries may be answered from before it, unless you demand --at-least {height}"
            )


def _client(
    directory: Path,
    identity: str,
    timeout: float,
    *,
    one_shot: bool,
    on_sealed: Callable[[bytes], None] | None = None,
) -> "Client":
    from strongroom.node.client.client import Client

    return Client.connect(
        directory,
        identity,
        passphrase=ask_passphrase,
        timeout=timeout,
        on_waiting=note,
        on_sealed=on_sealed,
        one_shot=one_shot,
    )


def _plain_text(value: Any) -> str:
    import json

    return (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, default=bytes.hex)
    )
