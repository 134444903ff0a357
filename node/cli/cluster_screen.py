"""What `cluster` commands show: progress and the status line on stderr, tables on stdout.

Owns words and layout. It decides nothing.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from strongroom.node.cluster import Cluster

_WATCH_SECONDS = 0.5
_TABLE_WIDTH = 140
_COLOURS = {"voting": "green", "stopped": "red", "suspended": "red"}
_WARNINGS = ("warning:",)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A function that shows what is done now: one moving line on a terminal, else one line each."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: console.print(text, markup=False, highlight=False)
        return
    with console.status("…") as line:

        def say(text: str) -> None:
            if text.startswith(_WARNINGS):
                console.print(text, markup=False, highlight=False)
            else:
                line.update(text)

        yield say


def show_ready(cluster: Cluster, *, detach: bool) -> None:
    """Endpoints and what to do next."""
    console = Console(highlight=False)
    service = cluster.service()
    folder = str(cluster.layout.directory)
    console.print(f"{len(cluster.nodes)} nodes answer (attestation is SIMULATED)")
    console.print(f"  service    {service.pin}", soft_wrap=True)
    for name, endpoint in zip(cluster.names, service.endpoints, strict=True):
        console.print(f"  {name:<10} {endpoint}")
    console.print(f"  folder     {folder}", soft_wrap=True)
    console.print(f"try: strongroom call payments.transfer to=bob amount=5 --as alice --dir {folder}", soft_wrap=True)
    console.print(f"end: strongroom cluster down --dir {folder}" if detach else "end: Ctrl-C", soft_wrap=True)


async def watch(cluster: Cluster) -> None:
    """Show a status line until every node has ended."""
    console = Console(stderr=True)
    shown = ""
    with console.status("…") if console.is_terminal else _Silent() as line:
        while True:
            states = await cluster.states()
            text = await asyncio.to_thread(_status_line, cluster, states)
            if console.is_terminal:
                line.update(text)
            elif (summary := _summary(states)) != shown:
                console.print(shown := summary, highlight=False)
            if all(state == "stopped" for state in states.values()):
                return
            await asyncio.sleep(_WATCH_SECONDS)


def show_status(document: dict[str, Any]) -> None:
    """`cluster status` as a table."""
    console = Console(highlight=False)
    console.width = max(console.width, _TABLE_WIDTH)  # a narrow terminal wraps lines; figures are never cut off
    console.print(f"service {document['service']}", soft_wrap=True)
    show_executing(console, document)
    columns = ("node", "pid", "enclave", "state", "height", "executed", "view", "peers", "attestation", "endpoint")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="dim")
    for node in document["nodes"]:
        colour = _COLOURS.get(node["state"], "yellow")
        plain = ("height", "executed", "view", "peers", "attestation", "endpoint")
        table.add_row(
            node["name"],
            _text(node["pid"]),
            _text(node["enclave_pid"]),
            f"[{colour}]{node['state']}[/]",
            *(_text(node[key]) for key in plain),
        )
    console.print(table)


def show_executing(console: Console, document: dict[str, Any]) -> None:
    """How many replicas execute; in red when a quorum does not."""
    quorum, executing = document["quorum"], document["executing"]
    if quorum is not None:
        colour = "green" if executing >= quorum else "red"
        text = f"[{colour}]{executing} of {document['members']} replicas execute[/], {quorum} needed"
        console.print(text, soft_wrap=True)
    if document["alarm"]:
        console.print(f"[red]alarm[/] {escape(document['alarm'])}", soft_wrap=True)


class _Silent:
    """Stands in for a status line where there is no terminal."""

    def __enter__(self) -> "_Silent":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, _text: str) -> None:
        """Shows nothing."""


def _summary(states: dict[str, str]) -> str:
    return " · ".join(f"{name} {state}" for name, state in states.items())


def _status_line(cluster: Cluster, states: dict[str, str]) -> str:
    status = next((found for node in cluster.nodes if (found := node.status()) is not None), {})
    voting = sum(state == "voting" for state in states.values())
    others = {name: state for name, state in states.items() if state != "voting"}
    parts = [
        f"{voting} of {len(states)} vote",
        f"{status.get('executing', '?')} execute",
        f"height {status.get('height', '?')}",
        f"view {status.get('view', '?')}",
    ]
    return " · ".join([*parts, *([_summary(others)] if others else []), "Ctrl-C stops all"])


def _text(value: object) -> str:
    return "–" if value is None else str(value)
