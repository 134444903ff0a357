"""`strongroom rooms verify`: what the receipt of an opening proves, offline.

Owns options, words and exit codes of this command; the file's form and its checks are
node/clean_rooms/openings.py's.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.node.cli.proofs import PinOption, given_pin, pronounce, verified_document
from strongroom.node.terminal.commands import JsonOption, guarded


def register(app: typer.Typer) -> None:
    """Mount this command."""
    app.command()(verify)


@guarded
def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Written by `rooms open --receipt FILE`.")
    ],
    pin: PinOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify offline what the receipt of an opening proves: which result, of which contract, on
    which versions, reported by whom, opened by whom. The file and the pin are all it takes.

    Example: strongroom rooms verify rings.json --service sr1-…
    """
    pronounce(lambda: _judge(file, given_pin(pin)), as_json)


def _judge(file: Path, pin: str) -> dict[str, Any]:
    from strongroom.node.clean_rooms.openings import OpeningReceipt

    verified, claim = OpeningReceipt.read(file).verify(pin)
    simulated = ", on a SIMULATED platform" if verified.simulated else ""
    told = claim.to_json()
    reason = (
        f"a quorum of {verified.service} certified it{simulated}: the result was reported by "
        f"{', '.join(claim.operators)} ({told['assurance']})"
    )
    return {"verdict": "valid", "reason": reason, **verified_document(verified), "claim": told}
