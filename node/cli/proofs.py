"""`strongroom receipt | verify receipt | verify ledger`: fetching a proof, and checking proofs and
files offline.

Owns options, words and JSON of these commands; four verdicts, and what each exits with. Everything
that does the work is loaded when a command runs.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ReceiptInvalid
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    existing_directory,
    read_id,
)
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, note, say
from strongroom.node.terminal.walking import Walking

if TYPE_CHECKING:
    from strongroom.consensus.recovery import RecoveryCertificate

PinOption = Annotated[
    str | None,
    typer.Option(
        "--service", metavar="PIN", help="The service's pin (sr1-…); without it, no verdict."
    ),
]

ArchiveOption = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="DIR",
        help="Where older segments are (default: where the node's folder says).",
    ),
]


@guarded
def receipt(
    id: Annotated[str, typer.Argument(metavar="TXID", help="Transaction id, 64 hex digits.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Where to; TXID.receipt.json by default."
        ),
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Fetch a transaction's receipt, verify it against the pin, write it to a file.

    Example: strongroom receipt 4f5a…c2 -o payment.json
    """
    existing_directory(directory)
    from strongroom.enclave.outside.receipts import verify_receipt as check
    from strongroom.node.client.trust.service import load_service
    from strongroom.node.machine.durable_files import write_out

    service = load_service(directory)
    transaction = read_id(id)
    fetched, text = run(_fetch_receipt(directory, transaction, timeout))
    verified = check(fetched, service.pin)
    if verified.id != transaction:
        raise ReceiptInvalid(
            f"the node gave the receipt of another transaction, {verified.id.hex()}"
        )
    path = output or Path(f"{id}.receipt.json")
    write_out(path.absolute(), text.encode())
    document = {"file": str(path), **verified_document(verified)}
    emit(
        document,
        as_json,
        lambda: say(f"{path}: {document['status']} at height {verified.height}, verified"),
    )


async def _fetch_receipt(directory: Path, id: bytes, timeout: float) -> tuple[Any, str]:
    import json

    from strongroom.enclave.outside.receipt import Receipt
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.calls.waiting import receipt_once_there
    from strongroom.node.client.trust.service import load_service

    async with Reader(load_service(directory)) as reader:
        document = await receipt_once_there(
            partial(reader.ask, "ledger_receipt", id=id.hex()),
            seconds=timeout,
            on_waiting=lambda why: note(
                f"receipt of transaction {id.hex()} is not there yet: "
                f"{why.partition(': ask again')[0]}. Waiting; --timeout says how long"
            ),
        )
        return Receipt.from_json(document), json.dumps(document, indent=1) + "\n"


@guarded
def verify_receipt(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A receipt.")],
    pin: PinOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a receipt offline: the file and the pin are all it takes.

    Example: strongroom verify receipt payment.json --service sr1-…
    """
    pronounce(lambda: _judge(file, given_pin(pin)), as_json)


@guarded
def verify_ledger(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A node's folder, or its ledger/.")],
    pin: PinOption = None,
    at_least: Annotated[
        int,
        typer.Option(
            "--at-least",
            min=0,
            metavar="HEIGHT",
            help="Known to be final: a ledger below it was cut.",
        ),
    ] = 0,
    genesis: Annotated[
        Path | None,
        typer.Option("--genesis", metavar="FILE", help="By default genesis.bin beside the folder."),
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify all files of a ledger offline: headers, certificates, epochs, batches, outcomes,
    against the pin.

    Example: strongroom verify ledger strongroom-data/n0 --service sr1-… --at-least 120
    """
    pronounce(lambda: _judge_ledger(folder, given_pin(pin), at_least, genesis, archive), as_json)


def _judge_ledger(
    folder: Path, pin: str, at_least: int, genesis: Path | None, archive: Path | None
) -> dict[str, Any]:
    from strongroom.node.client.audit.audit import check_ledger, genesis_of
    from strongroom.node.client.audit.ledger_files import find_ledger, read_genesis, read_records

    ledger = find_ledger(folder)
    founded = genesis_of(read_genesis(ledger, genesis), pin)
    checked = check_ledger(
        founded, read_records(ledger, archive), at_least=at_least, progress=Walking("checked")
    )
    simulated = ", on a SIMULATED platform" if founded.simulated else ""
    return {
        "verdict": "valid",
        "reason": (
            f"{checked.height} blocks of {founded.constitution.name} are final, through "
            f"{checked.epoch + 1} epochs from the pinned genesis{simulated}"
            + "".join(f"; {words}" for words in recovery_words(checked.recoveries))
        ),
        "height": checked.height,
        "anchored": checked.anchored,
        "root": checked.root.hex(),
        "epoch": checked.epoch,
        "transactions": checked.transactions,
        "recoveries": recovery_documents(checked.recoveries),
        "service": founded.constitution.name,
        "pin": founded.pin,
        "simulated": founded.simulated,
    }


def pronounce(judge: Callable[[], dict[str, Any]], as_json: bool) -> None:
    """Print a verdict, and exit as it says."""
    pronounce_with(judge, as_json, _show_verdict)


def pronounce_with(
    judge: Callable[[], dict[str, Any]], as_json: bool, show: Callable[[dict[str, Any]], None]
) -> None:
    """Print a verdict in words of its own, and exit as it says."""
    try:
        document, code = judge(), ExitCode.OK
    except ReceiptInvalid as fault:
        document = {"verdict": fault.verdict, "reason": str(fault)}
        code = ExitCode.CANNOT_CHECK if fault.verdict == "cannot check" else ExitCode.NO
    emit(document, as_json, lambda: show(document))
    if code:
        raise typer.Exit(int(code))


def given_pin(pin: str | None) -> str:
    """The pin, which no verdict is without.

    Raises:
        ReceiptInvalid: there is none.
    """
    if not pin:
        raise ReceiptInvalid("no pin: give the service's with --service", verdict="cannot check")
    return pin


def _judge(file: Path, pin: str) -> dict[str, Any]:
    from strongroom.enclave.outside.receipt import JSON_BYTES_MAX, Receipt
    from strongroom.enclave.outside.receipts import verify_receipt as check

    try:
        with file.open("rb") as opened:
            data = opened.read(JSON_BYTES_MAX + 1)
    except OSError as error:
        raise ReceiptInvalid(
            f"cannot read {file}: {error.strerror}", verdict="cannot check"
        ) from None

    verified = check(Receipt.from_json(data), pin)
    simulated = ", on a SIMULATED platform" if verified.simulated else ""
    reason = f"a quorum of {verified.service} certified it{simulated}" + "".join(
        f"; {words}" for words in recovery_words(verified.recoveries)
    )
    return {"verdict": "valid", "reason": reason, **verified_document(verified)}


def recovery_words(recoveries: Sequence["RecoveryCertificate"]) -> list[str]:
    """Where members brought the service back, in words."""
    return [
        f"recovered at {one.head.header.height} by {', '.join(one.members)}" for one in recoveries
    ]


def recovery_documents(recoveries: Sequence["RecoveryCertificate"]) -> list[dict[str, Any]]:
    """The same, for --json."""
    return [
        {
            "height": int(one.head.header.height),
            "hash": one.head.header.digest.hex(),
            "epoch": int(one.description.epoch),
            "generation": one.rules.generation,
            "threshold": one.rules.threshold,
            "members": list(one.members),
        }
        for one in recoveries
    ]


def verified_document(verified: Any) -> dict[str, Any]:
    """What a verified receipt says, for people and --json."""
    return {
        "id": verified.id.hex(),
        "height": verified.height,
        "index": verified.index,
        "status": verified.code.text,
        "result_digest": verified.result_digest.hex(),
        "anchor_height": verified.anchor_height,
        "epoch": verified.epoch,
        "time_ms": verified.time_ms,
        "service": verified.service,
        "pin": verified.pin,
        "simulated": verified.simulated,
        "recoveries": recovery_documents(verified.recoveries),
    }


def _show_verdict(document: dict[str, Any]) -> None:
    say(f"{document['verdict']}: {document['reason']}")
    for name in ("id", "status", "height", "index", "anchor_height", "epoch", "transactions"):
        if name in document:
            say(f"  {name.replace('_', ' '):<14} {document[name]}")
    for name, value in document.get("claim", {}).items():
        for one in value if type(value) is list else [value]:
            words = " ".join(map(str, one.values())) if type(one) is dict else one
            say(f"  {name:<14} {words}")
