"""What commands share about a cluster: its folder, how long to wait, how an id is read, what is
asked before something that cannot be taken back.

How a command runs, prints and ends: node/terminal.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.node.layout import DEFAULT_DIRECTORY, DIRECTORY_VARIABLE, ClusterLayout
from strongroom.node.near_folders import no_cluster_words
from strongroom.node.terminal.commands import fail, folder_before
from strongroom.node.terminal.exits import ExitCode

PinFileOption = Annotated[
    Path | None,
    typer.Option("--pin-file", metavar="FILE", help="The HSM's PIN, in a file of mode 0600."),
]
PinDescriptorOption = Annotated[
    int | None,
    typer.Option("--pin-fd", metavar="N", help="The HSM's PIN, from an open descriptor."),
]


def _or_given_before(context: typer.Context, param: typer.CallbackParam, value: Path) -> Path:
    """What stands after the command, else what stands before it, else the environment's."""
    before: Path | None = context.find_root().obj
    folder_before.set(None)
    source = context.get_parameter_source(param.name or "")
    given = source is not None and source.name == "COMMANDLINE"
    return value if given or before is None else before


DirectoryOption = Annotated[
    Path,
    typer.Option(
        "--dir",
        envvar=DIRECTORY_VARIABLE,
        metavar="DIR",
        help="The cluster's folder.",
        callback=_or_given_before,
    ),
]
"""`--dir DIR`; use with `= DEFAULT_DIR`."""
ArchiveOption = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="DIR",
        help="Closed segments of the ledger go there: another disk, or a mount (default: off).",
    ),
]
ArchiveAfterOption = Annotated[
    str | None,
    typer.Option(
        "--archive-after",
        metavar="SIZE",
        help="So much of the ledger stays in a node's folder: 512MiB, 2GiB (default: 1GiB).",
    ),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Seconds to wait before giving up.")
]
"""`--timeout S`; use with `= TIMEOUT_SECONDS`."""
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask: it cannot be taken back.")]
"""`--yes`; its command begins with `confirmed`."""
TIMEOUT_SECONDS = 60.0
DEFAULT_DIR = Path(DEFAULT_DIRECTORY)


def existing_directory(directory: Path) -> Path:
    """Check that a cluster's folder is there.

    Raises:
        typer.Exit: it is not (status 2).
    """
    if not ClusterLayout(directory).service.is_file():
        fail(no_cluster_words(directory), ExitCode.USAGE)
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


def confirmed(yes: bool, what: str, as_json: bool) -> None:
    """Ask before what cannot be taken back; a script says --yes.

    Raises:
        typer.Exit: not confirmed, or nobody is there to ask (status 2).
    """
    if yes:
        return
    if as_json or not typer.confirm(f"{what}: this cannot be taken back. Go on?", err=True):
        fail(f"not done: to {what}, say --yes", ExitCode.USAGE)


@contextmanager
def rooms_extra() -> Iterator[None]:
    """Around the imports of what comes with the extra `rooms`.

    Raises:
        OperatorFault: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = str(error.name).partition(".")[0]
        raise OperatorFault(f"{name} is missing: pip install 'strongroom[rooms]'") from None
