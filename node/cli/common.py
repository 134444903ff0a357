"""What commands share about a cluster: its folder, how long to wait, how an id is read.

How a command runs, prints and ends: node/terminal.
"""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.layout import DEFAULT_DIRECTORY, ClusterLayout
from strongroom.node.terminal.commands import fail
from strongroom.node.terminal.exits import ExitCode

DirectoryOption = Annotated[
    Path,
    typer.Option("--dir", envvar="STRONGROOM_DIR", metavar="DIR", help="The cluster's folder."),
]
"""`--dir DIR`; use with `= DEFAULT_DIR`."""
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Seconds to wait before giving up.")
]
"""`--timeout S`; use with `= TIMEOUT_SECONDS`."""
TIMEOUT_SECONDS = 60.0
DEFAULT_DIR = Path(DEFAULT_DIRECTORY)


def existing_directory(directory: Path) -> Path:
    """Check that a cluster's folder is there.

    Raises:
        typer.Exit: it is not (status 2).
    """
    if not ClusterLayout(directory).service.is_file():
        fail(
            f"no cluster in {directory} (no service.json): start one with "
            f"`strongroom cluster up --dir {directory}`, "
            "or name its folder with --dir or STRONGROOM_DIR",
            ExitCode.USAGE,
        )
    return directory


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
