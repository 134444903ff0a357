"""`strongroom verify archive`: are an archive's files those that its manifest names?

Owns option, words and JSON of this command.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.node.cli.proofs import pronounce
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.walking import Walking


@guarded
def verify_archive(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An archive of one node.")],
    as_json: JsonOption = False,
) -> None:
    """Compare every archived segment with its SHA-256 in archive.json, offline.

    What the segments hold is proven by `verify ledger`, against the pin.

    Example: strongroom verify archive /mnt/archive/n0
    """
    pronounce(lambda: _judge(folder), as_json)


def _judge(folder: Path) -> dict[str, Any]:
    from strongroom.node.client.audit.archive_files import check_archive

    checked = check_archive(folder, progress=Walking("checked"))
    return {
        "verdict": "valid",
        "reason": (
            f"{checked.segments} segments of {checked.node}, heights up to {checked.last}, are "
            "what was archived; `strongroom verify ledger` proves what they hold"
        ),
        "node": checked.node,
        "chain": checked.chain,
        "segments": checked.segments,
        "bytes": checked.size,
        "height": checked.last,
    }
