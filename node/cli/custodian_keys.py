"""`strongroom custodian put | exchange | rewrap`: an owner's keys beside its HSM.

Owns options and words of these commands, and the folder that all of the custodian's take; loads
nothing else. What they do: custodian_wrap.py, custodian_import.py.
"""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.node.cli.common import (
    TIMEOUT_SECONDS,
    PinDescriptorOption,
    PinFileOption,
    TimeoutOption,
)
from strongroom.node.cli.vault_sealing import OutOption, PiecesOption
from strongroom.node.terminal.commands import JsonOption, guarded

DEFAULT_DIR = Path("custodian")
FolderOption = Annotated[Path, typer.Option("--dir", metavar="DIR", help="The custodian's folder.")]
EventsArgument = Annotated[
    Path, typer.Argument(metavar="EVENTS", help="What `room run import_byok --json` printed.")
]


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (put, exchange, rewrap):
        app.command()(command)


@guarded
def put(
    name: Annotated[str, typer.Argument(metavar="KEY", help="Its name, of custody split or hsm.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="What is sealed under it, if anything.")
    ] = None,
    *,
    owner: Annotated[str, typer.Option("--owner", metavar="NAME", help="Whose key it is.")],
    folder: FolderOption = DEFAULT_DIR,
    digest: Annotated[
        str, typer.Option("--digest", metavar="HEX", help="Of the container sealed under it.")
    ] = "",
    pieces: PiecesOption = "layers",
    out: OutOption = None,
    for_import: Annotated[
        bool,
        typer.Option("--for-import", help="A data key that nobody keeps: a room will import one."),
    ] = False,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make the next version of a key that has one.")
    ] = False,
    old_until_ms: Annotated[
        int, typer.Option("--old-until-ms", min=0, help="With --rotate: how long the old opens.")
    ] = 0,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Give a key of custody split or hsm its secret, beside its HSM, and seal a file under it.

    split: a data key is wrapped under the HSM's half and a fresh one, which goes to the vault. It
    stays with its owner, in keys/OWNER.vault; it is made when there is none yet. The pieces of a
    key that is given in pieces are sealed under a half of the HSM each.

    hsm: the key is made inside the HSM and never leaves it; what is derived from it in there seals
    the file, and is kept nowhere.

    Example: strongroom custodian put design bear.gcode --owner maker --pin-file pin
    """
    from strongroom.node.cli import custodian_wrap

    custodian_wrap.put(
        name,
        file,
        owner,
        folder,
        digest,
        pieces,
        out,
        for_import,
        rotate,
        old_until_ms,
        pin_file,
        pin_fd,
        timeout,
        as_json,
    )


@guarded
def exchange(
    events: EventsArgument,
    key: Annotated[
        str, typer.Option("--key", metavar="ID/NAME", help="Into which split key of yours.")
    ],
    folder: FolderOption = DEFAULT_DIR,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The exchange key, in PEM.")
    ] = Path("exchange.pem"),
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Check that an exchange key is an import room's own, for that key of yours alone, and write it
    for the HSM's tool.

    Example: strongroom custodian exchange events.json --key id:HEX/payroll --out exchange.pem
    """
    from strongroom.node.cli import custodian_import

    custodian_import.exchange(events, key, folder, out, timeout, as_json)


@guarded
def rewrap(
    events: EventsArgument,
    owner: Annotated[str, typer.Option("--owner", metavar="NAME", help="Whose key it is.")],
    folder: FolderOption = DEFAULT_DIR,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Put what a room imported in place of a split key's data key: the ledger gets the wrapped key.

    Example: strongroom custodian rewrap events.json --owner maker
    """
    from strongroom.node.cli import custodian_import

    custodian_import.rewrap(events, owner, folder, timeout, as_json)
