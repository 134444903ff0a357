"""`strongroom attest show | verify`: what a running node's evidence says, and whether it holds
against a pin.

Owns options, words, JSON and exit codes; the checks are the client's (enclave/outside/trust.py).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import AttestationError
from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption, existing_directory
from strongroom.node.client.errors import NotTrusted
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say

if TYPE_CHECKING:
    from strongroom.node.evidence.live import Examined

attest_app = typer.Typer(
    name="attest",
    no_args_is_help=True,
    help="Evidence of running nodes (says SIMULATED where no silicon stands behind).",
)
NodeArgument = Annotated[str, typer.Argument(metavar="NODE", help="n0, n1, …")]


@attest_app.command()
@guarded
def show(
    node: NodeArgument, directory: DirectoryOption = DEFAULT_DIR, as_json: JsonOption = False
) -> None:
    """Ask a node for fresh evidence, check it against the pin in the folder's service.json, say it
    in words.

    Example: strongroom attest show n0
    """
    examined = _examine(directory, node, None)
    emit(_document(examined), as_json, lambda: _show(examined))


@attest_app.command()
@guarded
def verify(
    node: NodeArgument,
    pin: Annotated[
        str | None,
        typer.Option(
            "--service", metavar="PIN", help="The service's pin (sr1-…); without it, no verdict."
        ),
    ] = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Verify a running node against a pin that you bring: genesis, epochs, fresh evidence, TLS key,
    quorum.

    Example: strongroom attest verify n0 --service sr1-…
    """
    if pin is None:
        document = {"verdict": "cannot check", "reason": "no-policy", "node": node}
        emit(document, as_json, lambda: None)
        fail("no pin: give the service's with --service", ExitCode.CANNOT_CHECK)
    try:
        examined = _examine(directory, node, pin)
    except (NotTrusted, AttestationError) as error:
        emit(
            {"verdict": "bad", "reason": error.reason, "node": node, "detail": str(error)},
            as_json,
            lambda: None,
        )
        fail(f"bad: {error}", ExitCode.NO)
    document = {"verdict": "good", "reason": "verified", **_document(examined)}
    emit(document, as_json, lambda: _show_verdict(examined))


def _examine(directory: Path, node: str, pin: str | None) -> "Examined":
    existing_directory(directory)
    from strongroom.node.client.trust.service import load_service
    from strongroom.node.evidence.live import examine

    service = load_service(directory)
    return run(examine(service, pin or service.pin, node))


def _document(examined: "Examined") -> dict[str, Any]:
    from strongroom.enclave.outside.verdicts import describe

    enclave, claims = examined.enclave, examined.enclave.claims
    return {
        "node": claims.node,
        "endpoint": examined.endpoint,
        "service": examined.epoch.genesis.pin,
        "simulated": enclave.simulated,
        "product": enclave.product.value,
        "operator": claims.operator,
        "region": claims.region,
        "boot": claims.boot,
        "chip_id": enclave.chip_id.hex(),
        "measurement": enclave.measurement.hex(),
        "firmware": str(enclave.tcb),
        "node_key": claims.node_key.hex(),
        "epoch": claims.epoch,
        "height": claims.height,
        "nonce": claims.nonce.hex(),
        "replay_key": enclave.replay_key.hex(),
        "says": describe(enclave),
    }


def _show(examined: "Examined") -> None:
    document = _document(examined)
    say(f"{document['node']} at {document['endpoint']}, service {document['service']}")
    for line in document["says"]:
        say(f"  {line}")


def _show_verdict(examined: "Examined") -> None:
    _show(examined)
    simulated = " on a SIMULATED platform" if examined.enclave.simulated else ""
    say(f"good: verified against {examined.epoch.genesis.pin}{simulated}")
    say(
        "  checked: genesis is the pinned one, every epoch follows, "
        "evidence is over our nonce and meets the policy,"
    )
    say(
        "  its TLS key is that of this connection, it is a "
        "validator, a quorum vouches for what is newest"
    )
