"""`strongroom recover give`: a member judges the offer of a node that recovers, agrees, and seals
its share to the enclave that asks.

Owns options and words. The verdict: enclave/outside/recovery_giving.py; what a member's folder
remembers: node/client/recovery_giving.py.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.types import Height
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    DirectoryOption,
    PinDescriptorOption,
    PinFileOption,
    ask_passphrase,
    existing_directory,
)
from strongroom.node.cli.recover_files import read_handed, write_handed
from strongroom.node.cli.recover_token import TokenPin
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import emit, say

if TYPE_CHECKING:
    from strongroom.enclave.outside.recovery_giving import JudgedOffer


@guarded
def give(
    offer: Annotated[
        Path, typer.Argument(metavar="OFFER", help="`recovery/offer` of the node that leads.")
    ],
    member: Annotated[
        str, typer.Option("--as", metavar="NAME", help="A member: its key, its recovery key.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="By default NAME.share.")
    ] = None,
    receipt: Annotated[
        list[Path] | None,
        typer.Option(
            "--receipt", metavar="FILE", help="Further receipts of yours to compare with."
        ),
    ] = None,
    at_least: Annotated[
        int, typer.Option("--at-least", min=0, metavar="HEIGHT", help="A height that you know.")
    ] = 0,
    lost_above: Annotated[
        int | None,
        typer.Option(
            "--lost-above",
            min=0,
            metavar="HEIGHT",
            help="No ledger has the outcomes above it that you saw: agree that they are lost.",
        ),
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Although you agreed to another offer: whoever has both can show that you did.",
        ),
    ] = False,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """A member checks an offer against the pin and against what it saw itself, agrees, and seals
    its share to the enclave that asks.

    Refused: another service's, a forged one, an enclave that the members' policy does not name, and
    one whose ledger is older than what this member knows (older-than-you-know).

    Example: strongroom recover give offer --as member0
    """
    from strongroom.enclave.outside.receipt import Receipt
    from strongroom.enclave.outside.recovery_giving import (
        check_history,
        check_newest,
        judge_offer,
    )
    from strongroom.node.client.recovery_giving import (
        check_executed,
        give_share,
        known_height,
        seen_state,
    )
    from strongroom.node.client.trust.service import load_service

    existing_directory(directory)
    service = load_service(directory)
    judged = judge_offer(read_handed(offer, "`recovery/offer` of the node that leads"), service.pin)
    receipts = [read_handed(path, "a receipt") for path in receipt or []]
    known = max(known_height(directory, service, receipts), at_least)
    check_newest(judged, Height(known))
    for data in receipts:
        check_history(judged, Receipt.from_json(data))
    check_executed(judged, seen_state(directory, service), lost_above)
    pin = TokenPin(member, pin_file, pin_fd)
    given = give_share(
        directory, service, member, judged, again=again, ask=ask_passphrase, openers=pin.opener
    )
    path = out or Path(f"{member}.share")
    write_handed(path, given.encode())
    document = _offer_document(judged) | {"share": str(path), "known": known}
    emit(document, as_json, lambda: _show_given(document))


def _offer_document(judged: "JudgedOffer") -> dict[str, Any]:
    plan = judged.plan
    return {
        "height": int(judged.height),
        "executed": int(plan.opening.anchor.height),
        "hash": plan.head.header.digest.hex(),
        "root": plan.opening.anchor.root.hex(),
        "generation": plan.rules.generation,
        "threshold": plan.rules.threshold,
        "nodes": [
            {
                "name": one.claims.node,
                "operator": one.operator,
                "region": one.region,
                "measurement": one.measurement.hex(),
                "simulated": one.simulated,
            }
            for one in judged.enclaves
        ],
    }


def _show_given(document: dict[str, Any]) -> None:
    say(f"height    {document['height']} (you know {document['known']})")
    say(f"hash      {document['hash']}")
    say(f"executed  to height {document['executed']}: what was ordered above is refused as lost")
    for node in document["nodes"]:
        say(
            f"node      {node['name']} of {node['operator']} in {node['region']}, code "
            f"{node['measurement'][:16]}…{', SIMULATED chip' if node['simulated'] else ''}"
        )
    say(f"share     {document['share']}: bring it to the node that asks; it opens there alone")
