"""What explorer commands share: where they read, which height is meant, which field is shown.

Owns these options. Reading itself is node/explorer's.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli.common import existing_directory
from strongroom.node.explorer.source import Source, reading
from strongroom.node.terminal.printing import note
from strongroom.node.terminal.walking import Walking

if TYPE_CHECKING:
    from strongroom.node.explorer.files_reader import FilesReader

LedgerOption = Annotated[
    Path | None,
    typer.Option(
        "--from-ledger",
        metavar="DIR",
        help="Read the ledger's files in a node's folder instead of asking nodes.",
    ),
]
"""`--from-ledger DIR`; use with `= None`."""
LATEST = "latest"


@asynccontextmanager
async def source(directory: Path, ledger: Path | None = None) -> AsyncIterator[Source]:
    """Nodes of the cluster in a folder; or a ledger's files, whose pin is then said.

    Raises:
        typer.Exit: there is no cluster in the folder (status 2).
    """
    if ledger is not None:
        async with files_source(ledger) as files:
            yield files
        return
    existing_directory(directory)
    async with reading(directory, None) as opened:
        yield opened


@asynccontextmanager
async def files_source(ledger: Path) -> AsyncIterator["FilesReader"]:
    """A ledger's files, whose pin is said."""
    from strongroom.node.explorer.files_reader import FilesReader

    def left_out(blocks: int) -> None:
        note(f"left out: {blocks} blocks at the end of the files, which no quorum certified")

    async with FilesReader(ledger, Walking("read"), left_out) as opened:
        note(f"from files, checked from the genesis beside them on: {opened.service.pin}")
        yield opened


async def ask(directory: Path, ledger: Path | None, method: str, **params: Any) -> Any:
    """What one node answers, or what files tell."""
    async with source(directory, ledger) as opened:
        return await opened.ask(method, **params)


def read_height(text: str) -> int | None:
    """A height from its digits; None: the latest.

    Raises:
        ClientFault: it is neither.
    """
    if text == LATEST:
        return None
    if text.isascii() and text.isdigit() and 0 < len(text) < 19:
        return int(text)
    raise ClientFault(f"{text!r}: expected a height, or latest")


async def newest_height(opened: Source) -> int:
    """Of the newest final block that is known there."""
    return int((await opened.ask("node_status"))["height"])
