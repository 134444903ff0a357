"""What `cluster` commands show: progress and the status line on stderr, tables on stdout.

Owns words and layout. It decides nothing.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.markup import escape

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cluster.cluster import Cluster, endpoint_of
from strongroom.node.layout import dir_option
from strongroom.node.shown_text import shown, shown_lines
from strongroom.node.terminal.printing import say
from strongroom.node.terminal.tables import facts, table
from strongroom.node.tls import fingerprint

_WATCH_SECONDS = 0.5
_COLOURS = {"voting": "green", "stopped": "red", "suspended": "red"}
_WARNINGS = ("warning:",)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A function that shows what is done now: one moving line on a terminal, else one line each."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: console.print(
            shown_lines(text), markup=False, highlight=False, soft_wrap=True
        )
        return
    with console.status("…") as line:

        def show(text: str) -> None:
            if text.startswith(_WARNINGS):
                console.print(shown_lines(text), markup=False, highlight=False, soft_wrap=True)
            else:
                line.update(escape(shown(text)))

        yield show


def show_ready(cluster: Cluster, *, detach: bool) -> None:
    """Endpoints and what to do next."""
    service = cluster.service()
    folder = cluster.layout.directory
    behind = dir_option(folder)
    answering = cluster.running()
    say(f"{len(answering)} nodes answer (attestation is SIMULATED)")
    say(f"  service    {service.pin}")
    for node in answering:
        say(f"  {node.name:<10} {endpoint_of(node) or 'node.toml cannot be read'}")
    page = web_page(cluster)
    if page is not None:
        say(f"  web        {page['url']} (no warning there: strongroom explorer web{behind})")
        say(f"  its SHA-256 {page['sha256']}")
    say(f"  folder     {folder}")
    say(f"try: strongroom call payments.transfer to=bob amount=5 --as alice{behind}")
    say(f"     strongroom explorer watch{behind}")
    say(f"end: strongroom cluster down{behind}" if detach else "end: Ctrl-C")


def web_page(cluster: Cluster) -> dict[str, str] | None:
    """Where the web page is, and the SHA-256 of the certificate that a browser is shown there; None
    where no node that answers serves it."""
    for node in cluster.running():
        with suppress(OperatorFault, OSError):
            config = node.config()
            if config.web:
                shown_there = fingerprint(config.layout.tls_certificate.read_bytes())
                return {"url": f"https://{config.told_rpc}/", "sha256": shown_there}
    return None


async def watch(cluster: Cluster) -> None:
    """Show a status line until every node has ended."""
    console = Console(stderr=True)
    said = ""
    with console.status("…") if console.is_terminal else _Silent() as line:
        while True:
            states = await cluster.states()
            text = await asyncio.to_thread(_status_line, cluster, states)
            if console.is_terminal:
                line.update(escape(shown(text)))
            elif (summary := _summary(states)) != said:
                said = summary
                console.print(shown(summary), highlight=False, markup=False, soft_wrap=True)
            if all(state == "stopped" for state in states.values()):
                return
            await asyncio.sleep(_WATCH_SECONDS)


def show_status(document: dict[str, Any]) -> None:
    """`cluster status` as a table."""
    facts([("service", document["service"])])
    show_executing(document)
    columns = (
        "node",
        "pid",
        "enclave",
        "state",
        "height",
        "executed",
        "view",
        "peers",
        "attestation",
        "endpoint",
    )
    keys = (
        "name",
        "pid",
        "enclave_pid",
        "state",
        "height",
        "executed",
        "view",
        "peers",
        "attestation",
        "endpoint",
    )
    rows = [
        ["–" if node[key] is None else str(node[key]) for key in keys] for node in document["nodes"]
    ]
    table(
        columns,
        rows,
        style=lambda column, text: _COLOURS.get(text, "yellow") if column == "state" else "",
    )


def show_executing(document: dict[str, Any]) -> None:
    """How many replicas execute, and that a quorum does not."""
    quorum, executing = document["quorum"], document["executing"]
    pairs: list[tuple[str, object]] = []
    if quorum is not None:
        enough = "" if executing >= quorum else ": TOO FEW"
        pairs.append(
            ("executing", f"{executing} of {document['members']} replicas, {quorum} needed{enough}")
        )
    if document["alarm"]:
        pairs.append(("alarm", document["alarm"]))
    if pairs:
        facts(pairs)


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
