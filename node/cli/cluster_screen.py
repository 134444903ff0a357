"""What `cluster` commands show: progress and the status line on stderr, tables on stdout.

Owns words and layout. It decides nothing.
"""

import asyncio
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cluster.cluster import Cluster, endpoint_of
from strongroom.node.layout import dir_option
from strongroom.node.shown_text import shown, shown_lines
from strongroom.node.terminal.printing import note, say
from strongroom.node.terminal.tables import WIDTH, facts, table
from strongroom.node.tls import fingerprint

_WATCH_SECONDS = 0.5
NEXT = (
    "call payments.transfer to=bob amount=250 memo=rent --as alice",
    "explorer watch",
    "cluster kill n2",
)
"""What somebody who has started a cluster may try, without the word `strongroom`."""
_COLOURS = {"voting": "green", "stopped": "red", "suspended": "red"}
_WARNINGS = ("warning:",)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A function that shows what is done now: one moving line on a terminal, else one line each,
    after the seconds since the beginning."""
    console = Console(stderr=True)
    began = time.monotonic()
    if not console.is_terminal:
        yield lambda text: console.print(
            shown_lines(f"{time.monotonic() - began:5.1f} s  {text}"),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        return
    with console.status("…") as line:

        def show(text: str) -> None:
            if text.startswith(_WARNINGS):
                console.print(shown_lines(text), markup=False, highlight=False, soft_wrap=True)
            else:
                line.update(escape(shown(text)))

        yield show


def show_ready(document: dict[str, Any], cluster: Cluster, *, detach: bool) -> None:
    """What runs, what to trust, what to do next."""
    folder = cluster.layout.directory
    behind = dir_option(folder)
    head = (
        f"{document['name']}: {document['voting']} of {len(cluster.members)} nodes vote, a quorum "
        f"is {document['quorum']}"
    )
    say(f"{head:<70}{document['seconds']:>8.1f} s")
    say("SIMULATED platform: root here can read every enclave. Not for secrets.")
    say(f"  pin         {document['service']}")
    for begin, line in zip(chain(["nodes"], repeat("")), _in_lines(_nodes(cluster)), strict=False):
        say(f"  {begin:<11} {line}")
    for begin, line in zip(
        chain(["identities"], repeat("")), _in_lines(document["identities"]), strict=False
    ):
        say(f"  {begin:<11} {line}")
    page = document["web"]
    if page is not None:
        say(f"  web         {page['url']}")
        say(f"              (no warning there: strongroom explorer web{behind})")
        say(f"  certificate {page['sha256']}")
    near = folder.absolute().is_relative_to(Path.cwd())
    where = folder.absolute().relative_to(Path.cwd()) if near else folder
    say(f"  files       {shown(where)}/: service.json (pin, endpoints),")
    say("              ca.pem (curl --cacert), keys/")
    next_ones = [f"strongroom {words}{behind}" for words in NEXT]
    say(f"next  {next_ones[0]}")
    for command in next_ones[1:]:
        say(f"      {command}")
    say("      (calls go on; after a second kill they wait for a quorum)")
    say(f"end   strongroom cluster down{behind}" if detach else "end   Ctrl-C")


def _nodes(cluster: Cluster) -> list[str]:
    """Each node and where it answers; after the first, of the same host the port alone."""
    shown_ones: list[str] = []
    host = ""
    for node in cluster.running():
        endpoint = endpoint_of(node) or "node.toml cannot be read"
        here, _, port = endpoint.rpartition(":")
        shown_ones.append(f"{node.name} {f':{port}' if here == host else endpoint}")
        host = here
    return shown_ones


def _in_lines(words: Sequence[str]) -> list[str]:
    """Words beside each other, as many as fit beside the names of facts."""
    return textwrap.wrap("   ".join(words), WIDTH - 14, break_long_words=False) or ["none"]


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
    told: set[str] = set()
    behind = dir_option(cluster.layout.directory)
    with console.status("…") if console.is_terminal else _Silent() as line:
        while True:
            states = await cluster.states()
            text = await asyncio.to_thread(_status_line, cluster, states)
            if console.is_terminal:
                line.update(escape(shown(text)))
            elif (summary := _summary(states)) != said:
                said = summary
                console.print(shown(summary), highlight=False, markup=False, soft_wrap=True)
            for node in cluster.nodes:
                if states[node.name] == "stopped" and node.name not in told:
                    told.add(node.name)
                    if why := stopped_words(node.name, node.stopped_because(), behind):
                        console.print(shown(why), highlight=False, markup=False, soft_wrap=True)
            if all(state == "stopped" for state in states.values()):
                return
            await asyncio.sleep(_WATCH_SECONDS)


def stopped_words(name: str, why: str | None, behind: str) -> str:
    """Why a node stopped by itself, and how it comes back; nothing where nobody knows."""
    if why is None:
        return ""
    start = f"`strongroom cluster start {name}{behind}`"
    reason, _, _ = why.partition(", then restart")
    return f"{name} stopped: {reason}, then {start}"


def show_status(document: dict[str, Any], behind: str = "") -> None:
    """`cluster status` as a table; below it, why nodes stopped."""
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
    for node in document["nodes"]:
        if why := stopped_words(node["name"], node.get("stopped_because"), behind):
            note(why)


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
