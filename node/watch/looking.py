"""What a reader of the live screen opens: a block, a node, proposals, evidence, a search; as lines.

Owns the questions and how a document becomes lines. Asks by `Source`, so files are looked at alike.
"""

import json
from typing import Any

from strongroom.node.explorer.search import search
from strongroom.node.explorer.source import Source
from strongroom.node.shown_text import shown
from strongroom.node.terminal.tables import folded
from strongroom.node.watch.events import ChainChecked
from strongroom.node.watch.feed import check
from strongroom.node.watch.lines import Line, fit, title

LINES_MAX = 1_000
NAMES_MAX = 18
VALUE_MAX = 512
"""Characters of one value."""
HELP = (
    ("q", "quit; or close what is open (Backspace does, too)"),
    ("Tab", "next pane: nodes, blocks, events"),
    ("↑ ↓ j k", "move the cursor; Home and End: newest, oldest"),
    ("Enter", "open the block or node under the cursor"),
    ("/", "search: a height, an id or its beginning, a name"),
    ("g", "governance: open and newest proposals"),
    ("e", "evidence: what the feed's node found in each node's"),
    ("V", "check the headers down to genesis against the pin"),
    ("p", "pause: the screen stands still and says how far behind"),
)


class Looker:
    """Opens things."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def block(self, height: int, width: int) -> list[Line]:
        """One block whole; its newest rows of transactions are in `explorer block`."""
        document = await self._source.ask("ledger_block", height=height)
        document.pop("header", None)
        return document_lines(f"block {height:,}", document, width)

    async def node(self, name: str, width: int) -> list[Line]:
        """One node, as the feed's node sees it."""
        rows = await self._source.ask("service_nodes")
        found = next((one for one in rows if shown(one["name"]) == name), None)
        if found is None:
            return message("node", f"no node {name} is registered", width)
        return document_lines(f"node {name}", found, width)

    async def proposals(self, width: int) -> list[Line]:
        """Members' proposals, newest first."""
        rows = await self._source.ask("governance_proposals")
        if not rows:
            return message("governance", "no proposal", width)
        lines: list[Line] = []
        for one in rows:
            lines += document_lines(f"{one['change']}: {one['status']}", one, width)
        return lines[:LINES_MAX]

    async def evidence(self, width: int) -> list[Line]:
        """The verdict over each node's evidence."""
        lines = [title("evidence, as the feed's node found it", width)]
        for one in await self._source.ask("service_nodes"):
            good = str(one["verdict"]).startswith(("good", "itself"))
            text = f" {shown(one['name'])}: {shown(one['verdict'])}"
            lines.append(Line(fit(text, width), "good" if good else "warn"))
            for name in ("measurement", "chip", "operator", "region"):
                lines += _pair(name, one.get(name), width)
        return lines

    async def search(self, text: str, width: int) -> list[Line]:
        """What a text names."""
        found = await search(self._source, text)
        if not found:
            return message("search", f"nothing here is called {shown(text)}", width)
        lines = [title(f"search {shown(text)}", width)]
        for one in found:
            lines.append(Line(fit(f" {one['kind']} {shown(one['id'])}", width), "good"))
            lines += _pair("", one["words"], width)
            lines += _pair("", one["command"], width)
        return lines

    async def check(self, height: int, now: float) -> ChainChecked:
        """The headers down to genesis, against the pin."""
        at, verdict, reason = await check(self._source, height)
        return ChainChecked(now, at, verdict, reason)


def help_lines(width: int) -> list[Line]:
    """All keys."""
    lines = [title("keys", width)]
    for name, words in HELP:
        lines += _pair(name, words, width)
    return lines


def message(head: str, words: str, width: int) -> list[Line]:
    """A sentence under a heading."""
    return [title(head, width), *(Line(fit(f" {one}", width)) for one in folded(words, width - 2))]


def fault_lines(words: str, width: int) -> list[Line]:
    """Why something was not opened."""
    return message("not opened", shown(words), width)


def document_lines(head: str, document: Any, width: int) -> list[Line]:
    """A document as names and values, escaped and folded."""
    lines = [title(shown(head), width)]
    for name, value in document.items():
        if type(value) is list and value and type(value[0]) is dict:
            lines.append(Line(fit(f" {shown(name)}: {len(value)}", width), "dim"))
            for at, one in enumerate(value[:LINES_MAX]):
                words = " ".join(shown(_text(part)) for part in one.values() if part is not None)
                lines += _pair(f"  {at}", words, width)
                if len(lines) > LINES_MAX:
                    return [
                        *lines[:LINES_MAX],
                        Line(fit(" … strongroom explorer shows all", width)),
                    ]
        elif type(value) is dict:
            for inner, part in value.items():
                lines += _pair(f"{name}.{inner}", part, width)
        else:
            lines += _pair(name, value, width)
    return lines


def _pair(name: str, value: Any, width: int) -> list[Line]:
    text = shown(_text(value))
    if len(text) > VALUE_MAX:
        text = f"{text[:VALUE_MAX]}…"
    room = max(8, width - NAMES_MAX - 3)
    heads = [name]
    return [
        Line(fit(f" {fit(shown(heads.pop() if heads else ''), NAMES_MAX)}  {part}", width))
        for part in folded(text, room)
    ]


def _text(value: Any) -> str:
    if value is None:
        return "–"
    return value if type(value) is str else json.dumps(value, ensure_ascii=False)
