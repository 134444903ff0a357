"""`strongroom explorer watch`: the live screen, or a line per event where there is no screen.

Owns its options and which of the two it is. The screen needs the extra `watch` (Textual), which is
imported here alone; lines need nothing.
"""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption, existing_directory
from strongroom.node.cli.explorer_source import LedgerOption, source
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.printing import emit_event, note, say

if TYPE_CHECKING:
    from strongroom.node.explorer.source import Source
    from strongroom.node.watch.events import Event


def register(app: typer.Typer) -> None:
    """Mount the command."""
    app.command()(watch)


@guarded
def watch(
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="A line per event, nothing redrawn; so it is where there is no terminal.",
        ),
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=0.1, metavar="S", help="End after so long, with --plain."),
    ] = None,
    ledger: LedgerOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """The service live: nodes, the running view, blocks, events; q quits, ? shows all keys.

    Example: strongroom explorer watch
    """
    if plain or as_json or seconds is not None or not _has_screen():
        run(_plain(directory, ledger, seconds, as_json))
        return
    _check_size()
    run(_screen(directory, ledger))


def _has_screen() -> bool:
    """Is there a terminal that can be drawn on?"""
    return (
        all(one is not None and one.isatty() for one in (sys.stdin, sys.stdout, sys.stderr))
        and os.environ.get("TERM", "dumb") != "dumb"
    )


def _check_size() -> None:
    from strongroom.node.watch.lines import too_small

    size = os.get_terminal_size()
    small = too_small(size.columns, size.lines)
    if small is not None:
        raise ClientFault(small)


async def _plain(
    directory: Path, ledger: Path | None, seconds: float | None, as_json: bool
) -> None:
    import asyncio

    from strongroom.node.watch.model import Model
    from strongroom.node.watch.plain import follow, follow_json

    try:
        async with source(directory, ledger) as opened, asyncio.timeout(seconds):
            events = _events(directory, opened, ledger)
            if as_json:
                await follow_json(events, Model(), emit_event)
            else:
                await follow(events, Model(), say)
    except TimeoutError:
        note(f"ended after {seconds:g} s")


async def _screen(directory: Path, ledger: Path | None) -> None:
    try:
        from strongroom.node.watch.app import WatchApp
    except ModuleNotFoundError as error:
        name = str(error.name).partition(".")[0]
        raise OperatorFault(
            f"{name} is missing: pip install 'strongroom[watch]', or use --plain"
        ) from None
    from strongroom.node.watch.looking import Looker
    from strongroom.node.watch.model import Model

    async with source(directory, ledger) as opened:
        model = Model()
        await WatchApp(_events(directory, opened, ledger), model, Looker(opened)).run_async()


def _events(directory: Path, opened: "Source", ledger: Path | None) -> "AsyncIterator[Event]":
    from strongroom.node.client.trust.service import load_service
    from strongroom.node.explorer.files_reader import FilesReader
    from strongroom.node.watch.feed import LiveFeed, from_files

    if ledger is not None and isinstance(opened, FilesReader):
        return from_files(opened.whole())
    return aiter(LiveFeed(load_service(existing_directory(directory))))
