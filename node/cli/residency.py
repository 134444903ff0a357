"""`strongroom residency report | verify residency`: where keys could be opened, and a check of it
offline.

Owns options, words and JSON of these commands. Everything that does the work is loaded when a
command runs.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ReceiptInvalid
from strongroom.node.cli.proofs import PinOption, given_pin, pronounce_with
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import emit, say
from strongroom.node.terminal.tables import or_dash, paragraph, table
from strongroom.node.terminal.walking import Walking

if TYPE_CHECKING:
    from strongroom.enclave.formats.history import HistoryTree
    from strongroom.node.client.audit.residency_report import ResidencyReport

residency_app = typer.Typer(
    name="residency",
    no_args_is_help=True,
    help="Where keys could be opened, and by whose word.",
)
LedgerArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="A node's folder, or its ledger/.")
]
GenesisOption = Annotated[
    Path | None,
    typer.Option("--genesis", metavar="FILE", help="By default genesis.bin beside the folder."),
]
_NOT_SHOWN = (
    "a region is its operator's word (basis 2): no report of silicon says where it stands",
    "k members who put their shares together bring ledger secrets back, wherever they are",
    "what a room or a custodian was given by a lease stands in sealed state: see `vault lease`",
    "ciphertext that anybody copied from a node lies wherever he took it",
)
_FROM_LEDGER = "no attestation or vote of the ledger is left out"
_WITHOUT_LEDGER = (
    "every epoch and validator is there; that no attestation or vote between them was left out, "
    "only a ledger shows: give one with --ledger"
)


@residency_app.command("report")
@guarded
def report(
    folder: LedgerArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where to.")],
    pin: PinOption = None,
    genesis: GenesisOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a node's ledger, and write a report that anybody verifies with the pin alone.

    Example: strongroom residency report strongroom-data/n0 --service sr1-… -o residency.json
    """
    from strongroom.node.machine.durable_files import write_out

    made, _ = _made(folder, given_pin(pin), genesis)
    write_out(output.absolute(), (json.dumps(made.to_json(), indent=1) + "\n").encode())
    document = {"file": str(output), **made.says}
    emit(document, as_json, lambda: say(f"{output}: {_summary(dict(made.says))}"))


@guarded
def verify_residency(
    file: Annotated[Path, typer.Argument(metavar="REPORT", help="A residency report.")],
    pin: PinOption = None,
    at_least: Annotated[
        int,
        typer.Option(
            "--at-least",
            min=0,
            metavar="HEIGHT",
            help="Known to be final: a report that ends below it was cut.",
        ),
    ] = 0,
    ledger: Annotated[
        Path | None,
        typer.Option(
            "--ledger", metavar="DIR", help="A node's ledger: is any word of it left out?"
        ),
    ] = None,
    genesis: GenesisOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute offline where keys could be opened, in which epoch, and who vouches.

    Example: strongroom verify residency residency.json --service sr1-… --ledger strongroom-data/n0
    """
    pronounce_with(
        lambda: _judge(file, given_pin(pin), at_least, ledger, genesis), as_json, _show_residency
    )


def _judge(
    file: Path, pin: str, at_least: int, ledger: Path | None, genesis: Path | None
) -> dict[str, Any]:
    from strongroom.node.client.audit import residency
    from strongroom.node.client.audit.residency_report import ResidencyReport

    try:
        data = file.read_bytes()
    except OSError as error:
        raise ReceiptInvalid(
            f"cannot read {file}: {error.strerror}", verdict="cannot check"
        ) from None
    shown = ResidencyReport.from_json(data)
    document = residency.verify_residency(shown, pin, at_least=at_least)
    if ledger is not None:
        whole, history = _made(ledger, pin, genesis)
        residency.check_complete(shown, whole, lambda height: history.root(height + 1))
    simulated = ", on a SIMULATED platform" if document["simulated"] else ""
    compared = "compared with a ledger" if ledger is not None else "NOT compared with a ledger"
    return {
        "verdict": "valid",
        "reason": f"{_summary(document)}, recomputed from the pin{simulated}, {compared}",
        "complete": ledger is not None,
        "limits": [_FROM_LEDGER if ledger is not None else _WITHOUT_LEDGER, *_NOT_SHOWN],
        **document,
    }


def _made(folder: Path, pin: str, genesis: Path | None) -> "tuple[ResidencyReport, HistoryTree]":
    from strongroom.node.client.audit.audit import genesis_of
    from strongroom.node.client.audit.ledger_files import find_ledger, read_genesis, read_records
    from strongroom.node.client.audit.residency import residency_of
    from strongroom.node.client.audit.residency_report import read_whole

    ledger = find_ledger(folder)
    founded = genesis_of(read_genesis(ledger, genesis), pin)
    return read_whole(
        founded,
        read_records(ledger),
        lambda one: residency_of(one, pin),
        progress=Walking("checked"),
    )


def _summary(document: dict[str, Any]) -> str:
    keys = [one for epoch in document["epochs"] for one in epoch["keys"]]
    regions = sorted({f"{one['region']} ({or_dash(one['country'])})" for one in keys})
    return (
        f"up to height {document['height']}, {len(document['epochs'])} epochs, keys could be "
        f"opened in {', '.join(regions)}"
    )


def _show_residency(document: dict[str, Any]) -> None:
    paragraph(f"{document['verdict']}: {document['reason']}")
    if document["verdict"] != "valid":
        return
    table(
        ("epoch", "node", "may open as", "operator", "region", "country", "since", "evidence"),
        [
            [
                str(epoch["epoch"]),
                one["node"],
                one["role"],
                one["operator"],
                one["region"],
                or_dash(one["country"]),
                str(one["since_height"]),
                one["evidence"][:16],
            ]
            for epoch in document["epochs"]
            for one in epoch["keys"]
        ],
    )
    table(
        ("ledger secret of epoch", "opened later in", "country", "on"),
        [
            [str(epoch["epoch"]), one["region"], or_dash(one["country"]), ", ".join(one["nodes"])]
            for epoch in document["epochs"]
            for one in epoch["later"]
        ],
    )
    for epoch in document["epochs"]:
        if epoch["recovered_by"]:
            paragraph(
                f"epoch {epoch['epoch']} was opened by members: {', '.join(epoch['recovered_by'])}"
            )
    table(
        ("ciphertext lies in", "country", "on"),
        [
            [one["region"], or_dash(one["country"]), ", ".join(one["nodes"])]
            for one in document["ciphertext"]
        ],
    )
    table(
        ("vouches", "for regions", "by key"),
        [
            [one["operator"], ", ".join(one["regions"]), ", ".join(one["keys"])]
            for one in document["operators"]
        ],
    )
    table(
        ("height", "change of rules", "arguments"),
        [
            [
                str(one["height"]),
                one["change"],
                " ".join(f"{name}={_text(value)}" for name, value in one["arguments"].items()),
            ]
            for one in document["rules"]
        ],
    )
    for line in document["limits"]:
        paragraph(line)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
