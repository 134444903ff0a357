"""Tables and lists of facts in a terminal: escaped, and no wider than it.

Owns layout alone; rich is loaded when something is laid out. Where a table is too wide, ids go on
lines of their own below the row, then columns that may be left out are (and said), then long text
is folded; what is still too wide becomes several tables, each led by the first column. Nothing is
cut off, and an id stays in one piece. Every cell is text from elsewhere (node/shown_text.py, T72).
"""

import re
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from strongroom.node.shown_text import shown
from strongroom.node.terminal.printing import note

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDTH = 80
"""Columns where there is no terminal to ask."""
ID_WIDTH = 64
"""Columns of an id, which are left for values."""
FOLDED_MIN = 14
"""Columns that text which does not fit is folded to at least."""
_GAP = 2
_NUMBER = re.compile(r"[\d,.]*|[-–]")
_ID = re.compile(r"(id:)?[0-9a-f]{32,}|sr1-[a-z2-7]+")
Style = Callable[[str, str], str]
"""(column, cell) → a style of rich, or nothing."""


def columns() -> int:
    """How wide the terminal is."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def table(
    names: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    title: str = "",
    style: Style = lambda *_: "",
    drop: Sequence[str] = (),
) -> None:
    """Rows under a heading.

    Args:
        names: of the columns.
        rows: a cell for each.
        title: stands above, if any.
        style: of a cell.
        drop: columns that may be left out, the first one first; those that say nothing before.
    """
    from rich.text import Text

    console = _console()
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [
        max(map(_cell_len, (name, *(row[at] for row in cells)))) for at, name in enumerate(names)
    ]
    right = {
        at for at in range(len(names)) if rows and all(_NUMBER.fullmatch(row[at]) for row in cells)
    }
    room = columns()
    least = [_least(at, names, cells, widths) for at in range(len(names))]
    beside, under, left_out = _arranged(names, cells, least, room, drop)
    if title:
        console.print(Text(shown(title), style="italic"))
    for group in _groups(_fitted(beside, widths, least, room), room):
        chosen = [(names[at], width) for at, width in group]
        heads = [_aligned(names[at], width, at in right) for at, width in group]
        console.print(Text((" " * _GAP).join(heads).rstrip(), style="bold"))
        for row in cells:
            for texts in _folded(row, group, right):
                console.print(_styled(texts, chosen, style))
            for at in under:
                for line in folded(f"{names[at]} {row[at]}", room - _GAP):
                    console.print(Text(" " * _GAP + line))
        under = []
    if left_out:
        note(f"left out at {room} columns: {', '.join(left_out)} (--json shows all)")


def facts(pairs: Sequence[tuple[str, object]]) -> None:
    """Names and values in two columns; a long value goes on below."""
    from rich.cells import chop_cells

    console = _console()
    room = columns()
    longest = max(_cell_len(shown(name)) for name, _ in pairs)
    width = min(longest, max(FOLDED_MIN, room - _GAP - ID_WIDTH))
    for name, value in pairs:
        lines = folded(shown(value), max(FOLDED_MIN, room - width - _GAP))
        head = shown(name)
        if _cell_len(head) > width:
            for part in chop_cells(head, room):
                console.print(part)
            head = ""
        for line in lines:
            console.print(f"{_aligned(head, width, False)}  {line}".rstrip())
            head = ""


def paragraph(text: object) -> None:
    """A sentence, or some, folded to the terminal's width."""
    console = _console()
    for line in folded(shown(text), columns()):
        console.print(line)


def or_dash(value: object) -> str:
    """A value, or a dash where there is none."""
    return "-" if value is None else str(value)


def folded(text: str, width: int) -> list[str]:
    """Text that is escaped already in lines of at most so many columns, broken between words where
    that is possible."""
    from rich.cells import chop_cells

    lines = [""]
    for word in text.split(" "):
        if lines[-1] and _cell_len(lines[-1]) + 1 + _cell_len(word) <= width:
            lines[-1] += f" {word}"
            continue
        pieces = chop_cells(word, width) or [""]
        if lines == [""]:
            lines = pieces
        else:
            lines += pieces
    return lines


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=True)


def _cell_len(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _least(
    at: int, names: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int]
) -> int:
    """How narrow a column may become: an id stays in one piece, text is folded."""
    if any(_ID.fullmatch(row[at]) for row in cells):
        return widths[at]
    return min(widths[at], max(FOLDED_MIN, _cell_len(names[at])))


def _arranged(
    names: Sequence[str],
    cells: Sequence[Sequence[str]],
    least: Sequence[int],
    room: int,
    drop: Sequence[str],
) -> tuple[list[int], list[int], list[str]]:
    """Columns beside each other, columns below the row, names of those that are left out."""
    beside, under, left_out = list(range(len(names))), list[int](), list[str]()

    def fits() -> bool:
        return sum(least[at] for at in beside) + _GAP * (len(beside) - 1) <= room

    ids = [at for at in beside if any(_ID.fullmatch(row[at]) for row in cells)]
    if not fits() and len(ids) < len(beside):
        under, beside = ids, [at for at in beside if at not in ids]
    empty = {names[at] for at in beside if all(row[at] in ("", "-", "–") for row in cells)}
    for name in sorted(drop, key=lambda name: name not in empty):
        if fits():
            break
        at = names.index(name)
        if at in beside and len(beside) > 1:
            beside.remove(at)
            left_out.append(name)
    return beside, under, [name for name in left_out if name not in empty]


def _fitted(
    beside: Sequence[int], widths: Sequence[int], least: Sequence[int], room: int
) -> list[tuple[int, int]]:
    """(column, width): the widest give way until all fit, down to what is readable."""
    given = {at: widths[at] for at in beside}
    gaps = _GAP * (len(beside) - 1)
    if sum(least[at] for at in beside) + gaps > room:
        return list(given.items())
    while sum(given.values()) + gaps > room:
        widest = max((at for at in beside if given[at] > least[at]), key=lambda at: given[at])
        given[widest] -= 1
    return list(given.items())


def _groups(beside: Sequence[tuple[int, int]], room: int) -> Iterator[list[tuple[int, int]]]:
    """(column, width) of each table that fits: the first column leads them all."""
    first = (beside[0][0], min(beside[0][1], max(1, room // 2 if len(beside) > 1 else room)))
    if sum(width for _, width in beside) + _GAP * (len(beside) - 1) <= room:
        first = beside[0]
    left = room - first[1]
    group, used = [first], 0
    for at, wanted in beside[1:]:
        width = max(1, min(wanted, left - _GAP))
        if len(group) > 1 and used + _GAP + width > left:
            yield group
            group, used = [first], 0
        group.append((at, width))
        used += _GAP + width
    yield group


def _folded(
    row: Sequence[str], group: Sequence[tuple[int, int]], right: Collection[int]
) -> Iterator[list[str]]:
    """A row in as many lines as its longest cell takes."""
    parts = [folded(row[at], width) for at, width in group]
    for line in range(max(map(len, parts))):
        texts = [part[line] if line < len(part) else "" for part in parts]
        yield [
            _aligned(text, width, at in right)
            for text, (at, width) in zip(texts, group, strict=True)
        ]


def _aligned(text: str, width: int, right: bool) -> str:
    space = " " * max(0, width - _cell_len(text))
    return space + text if right else text + space


def _styled(texts: Sequence[str], columns: Sequence[tuple[str, int]], style: Style) -> "Text":
    from rich.text import Text

    line = Text()
    for at, (text, (name, _)) in enumerate(zip(texts, columns, strict=True)):
        line.append(" " * _GAP if at else "").append(text, style=style(name, text.strip()))
    line.rstrip()
    return line
