"""`strongroom explorer web`: the web page from this machine, for nodes that it checks itself, or
for a ledger's files.

Owns its options, and what is said before the page is there.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption, existing_directory
from strongroom.node.cli.explorer_source import LedgerOption, files_source
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.printing import emit, note, say


def register(app: typer.Typer) -> None:
    """Mount the command."""
    app.command()(web)


@guarded
def web(
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65_535, metavar="PORT", help="0 picks a free one."),
    ] = 0,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in this machine's browser.")
    ] = False,
    ledger: LedgerOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """The explorer as a web page on this machine, until Ctrl-C: its nodes are checked against the
    pin first, so that no browser has to trust their certificates.

    Example: strongroom explorer web --open
    """
    run(
        _files(ledger, port, open_page, as_json)
        if ledger
        else _nodes(directory, port, open_page, as_json)
    )


async def _nodes(directory: Path, port: int, open_page: bool, as_json: bool) -> None:
    from strongroom.node.client.trust.service import load_service
    from strongroom.node.web.reader import reading_nodes

    service = load_service(existing_directory(directory))
    async with reading_nodes(service, port, note) as reading:
        document = {"url": reading.url, "pin": service.pin, "nodes": list(reading.findings)}
        await _until_interrupted(document, open_page, as_json)


async def _files(ledger: Path, port: int, open_page: bool, as_json: bool) -> None:
    from strongroom.node.web.reader import reading_files

    async with files_source(ledger) as opened, reading_files(opened.whole(), port) as reading:
        document = {"url": reading.url, "pin": opened.service.pin, "nodes": []}
        await _until_interrupted(document, open_page, as_json)


async def _until_interrupted(document: dict[str, Any], open_page: bool, as_json: bool) -> None:
    from strongroom.node.machine.interrupts import told_by_signals

    with told_by_signals() as told:
        emit(document, as_json, lambda: _show(document))
        if open_page:
            _open(document["url"])
        await told.wait()


def _show(document: dict[str, Any]) -> None:
    for one in document["nodes"]:
        say(f"  {one['endpoint']}  {one['words']}")
    say(f"  pin  {document['pin']}")
    say(f"web  {document['url']}  (Ctrl-C ends it)")


def _open(url: str) -> None:
    import webbrowser

    if not webbrowser.open(url):
        note(f"no browser could be started: open {url} yourself")
