"""A view into rows of text for a width: no screen, no clock, no markup.

Owns which columns there are at which width, and how a moment is told in words. Text comes escaped
from the model; here it is cut to its column by cells, so that wide characters cannot push others
off the screen. Every state has a word or a sign beside its tone, for who sees no colours.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from strongroom.node.watch.view import BlockRow, NodeRow, Note, View

WIDTH_MIN, HEIGHT_MIN = 60, 16
HASH_SHOWN = 12
_BARS = "▁▂▃▄▅▆▇█"


class Line(NamedTuple):
    """One row; `tone` is title, good, warn, bad, dim or empty; `key` names what Enter opens."""

    text: str
    tone: str = ""
    key: str = ""


class Column(NamedTuple):
    """A column: its heading, its width, whether numbers stand in it."""

    head: str
    width: int
    right: bool = False


NODE_COLUMNS = (
    Column("node", 8),
    Column("state", 9),
    Column("height", 9, True),
    Column("lag", 5, True),
    Column("mempool", 7, True),
    Column("peers", 5, True),
    Column("view", 9, True),
    Column("seen as", 18),
    Column("operator", 14),
    Column("region", 14),
)
NODE_DROPPED = ("region", "operator", "view", "peers", "mempool", "seen as")
"""Left out first to last, where there is no room."""
BLOCK_COLUMNS = (
    Column("height", 10, True),
    Column("age", 7, True),
    Column("by", 8),
    Column("view", 10, True),
    Column("txs", 6, True),
    Column("bytes", 9, True),
    Column("signed", 14),
    Column("hash", HASH_SHOWN),
)
BLOCK_DROPPED = ("bytes", "view", "hash", "signed")
_WIDE = {"node": 64, "by": 64, "operator": 64, "region": 64, "seen as": 40, "signed": 40}
"""How wide these may become, where there is room and something to show."""


def fit(text: str, width: int, right: bool = False) -> str:
    """Text in exactly so many cells; what is cut ends in …."""
    if width <= 0:
        return ""
    if cell_len(text) > width:
        return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)
    return set_cell_size(text, width) if not right else " " * (width - cell_len(text)) + text


def too_small(width: int, height: int) -> str | None:
    """What is said instead of a screen that has no room; None: it has."""
    if width >= WIDTH_MIN and height >= HEIGHT_MIN:
        return None
    return (
        f"explorer watch needs {WIDTH_MIN} columns and {HEIGHT_MIN} lines, this terminal has "
        f"{width} by {height}: make it larger, or use --plain."
    )


def chosen(
    columns: Sequence[Column],
    dropped: Sequence[str],
    width: int,
    rows: Sequence[dict[str, str]] = (),
) -> list[Column]:
    """The columns that have room beside each other, names widened to what stands in them."""
    kept = list(columns)

    def used() -> int:
        return sum(one.width for one in kept) + 2 * (len(kept) - 1)

    for name in dropped:
        if used() <= width:
            break
        kept = [one for one in kept if one.head != name]
    for at, one in enumerate(kept):
        longest = max((cell_len(row[one.head]) for row in rows), default=0)
        more = min(width - used(), min(_WIDE.get(one.head, 0), longest) - one.width)
        if more > 0:
            kept[at] = one._replace(width=one.width + more)
    return kept


# --- words ----------------------------------------------------------------------------------------


def number(value: int | float | None) -> str:
    """With thousands apart; a dash for none."""
    return "–" if value is None else f"{value:,.0f}"


def age(seconds: float | None) -> str:
    """How long ago, in at most 7 cells."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds / size)} {unit}"
    return "–"


def clock(moment: float) -> str:
    """A moment's time of day, UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S")


def milliseconds(seconds: float | None) -> str:
    """Rounded; from 10 s on in seconds, minutes, hours."""
    if seconds is not None and seconds < 10:
        return f"{seconds * 1000:,.0f} ms"
    return age(seconds)


def spark(values: Sequence[float], width: int) -> str:
    """The newest values as bars."""
    shown = list(values)[-width:]
    top = max(shown, default=0.0)
    if top <= 0:
        return " " * width
    steps = len(_BARS) - 1
    return "".join(" " if not one else _BARS[round(one / top * steps)] for one in shown).rjust(
        width
    )


def title(words: str, width: int) -> Line:
    """A heading with a rule behind it."""
    text = f" {words} "
    return Line(fit(text + "─" * max(0, width - cell_len(text)), width), "title")


# --- the parts of the screen ----------------------------------------------------------------------


def header(view: View, width: int) -> list[Line]:
    """Two lines: whose ledger this is; how it goes."""
    quorum = f"quorum {number(view.quorum)}/{number(view.members)}"
    if view.has_quorum is False:
        quorum = f"NO QUORUM {view.voting}/{number(view.quorum)}"
    tail = f"epoch {number(view.epoch)}  {quorum}  {clock(view.now)}"
    simulated = "  SIMULATED" if view.simulated else ""
    room = width - cell_len(tail) - 2
    pin = view.pin if room > cell_len(f" {view.name}{simulated}  {view.pin}") else short(view.pin)
    head = fit(f" {view.name}{simulated}  {pin}", room)
    tone = "bad" if view.has_quorum is False else "title"
    newest = f"block {number(view.height)}, {age(view.age)} ago"
    right = f"{newest}  {view.feed}"
    left = f" {view.rate:,.0f} tx/s {spark(view.rates, 12 if width < 100 else 40)}"
    between = f"  every {milliseconds(view.interval_p50)}, p95 {milliseconds(view.interval_p95)}"
    if cell_len(left + between) + cell_len(right) + 2 <= width:
        left += between
    second = fit(left, width - cell_len(right) - 1) + right
    return [Line(fit(f"{head}  {tail}", width), tone), Line(fit(second, width), view.feed_tone)]


def short(pin: str) -> str:
    """The beginning and the end of a pin."""
    return pin if len(pin) <= 16 else f"{pin[:8]}…{pin[-4:]}"


def nodes(view: View, width: int) -> list[Line]:
    """A heading, and a row per node."""
    cells = [_node_cells(one) for one in view.nodes]
    columns = chosen(NODE_COLUMNS, NODE_DROPPED, width - 3, cells)
    lines = [title("nodes", width), _heads(columns, width)]
    return lines + [
        _node(row, texts, columns, width) for row, texts in zip(view.nodes, cells, strict=True)
    ]


def _node_cells(row: NodeRow) -> dict[str, str]:
    seen = row.verdict
    if not row.answers and row.last_seen:
        seen = f"last seen {clock(row.last_seen)}"
    return {
        "node": row.name,
        "state": row.state,
        "height": number(row.height),
        "lag": number(row.lag),
        "mempool": number(row.mempool),
        "peers": number(row.peers),
        "view": number(row.view),
        "seen as": f"ALARM {row.alarm}" if row.alarm else seen,
        "operator": row.operator,
        "region": row.region,
    }


def _node(row: NodeRow, cells: dict[str, str], columns: Sequence[Column], width: int) -> Line:
    sign, tone = " ", ""
    if not row.answers:
        sign, tone = "✗", "bad"
    elif row.alarm or row.state not in ("voting", "following"):
        sign, tone = "!", "warn"
    elif row.leads:
        sign = "★"
    return Line(_cells(f" {sign} ", cells, columns, width), tone, row.name)


def blocks(view: View, width: int, rows: int, first: int = 0) -> list[Line]:
    """A heading, and so many rows from the `first` newest block on."""
    kept = view.blocks[first : first + rows]
    cells = [_block_cells(one, view.now) for one in kept]
    columns = chosen(BLOCK_COLUMNS, BLOCK_DROPPED, width - 3, cells)
    words = "blocks" if not first else f"blocks, {first} newer above"
    lines = [title(words, width), _heads(columns, width)]
    return lines + [
        Line(_cells("   ", texts, columns, width), "", str(one.height))
        for one, texts in zip(kept, cells, strict=True)
    ]


def _block_cells(row: BlockRow, now: float) -> dict[str, str]:
    return {
        "height": number(row.height),
        "age": age(max(0.0, now - row.time)),
        "by": row.proposer,
        "view": number(row.view),
        "txs": number(row.count),
        "bytes": number(row.bytes),
        "signed": "a later block" if row.signers is None else " ".join(row.signers),
        "hash": row.hash[:HASH_SHOWN],
    }


def events(view: View, width: int, rows: int, first: int = 0) -> list[Line]:
    """A heading, and so many notes from the `first` newest on."""
    kept = view.notes[first : first + rows]
    return [title("events", width)] + [note(one, width) for one in kept]


def note(one: Note, width: int) -> Line:
    """One note: when, a sign for its tone, what."""
    sign = {"bad": "✗", "warn": "!", "good": "✓"}.get(one.tone, " ")
    text = fit(f"   {clock(one.time)} {sign} {one.words}", width)
    return Line(text, one.tone, f"note {one.number}")


def keys(width: int, *, paused: int | None = None, prompt: str | None = None) -> Line:
    """The last line: which keys there are; or what is typed, or that it stands still."""
    if prompt is not None:
        return Line(fit(f" / {prompt}▏  Enter finds, Backspace on nothing leaves", width), "title")
    if paused is not None:
        words = f" PAUSED, {paused:,} blocks behind: p goes on   q quit"
        return Line(fit(words, width), "warn")
    words = " q quit  ? keys  / search  Enter open  Tab pane  g gov  e evidence  V check  p pause"
    if cell_len(words) > width:
        words = " q quit ? keys / search Enter Tab g gov e seen V check p"
    return Line(fit(words, width), "dim")


def _heads(columns: Sequence[Column], width: int) -> Line:
    heads = {one.head: one.head for one in columns}
    return Line(_cells("   ", heads, columns, width), "dim")


def _cells(lead: str, cells: dict[str, str], columns: Sequence[Column], width: int) -> str:
    texts = [fit(cells[one.head], one.width, one.right) for one in columns]
    return fit(lead + "  ".join(texts), width)
