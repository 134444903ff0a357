"""Tables and lists of facts in a terminal: escaped, and no wider than it.

Owns layout alone. A table that is too wide becomes several, each led by its first column, so that
nothing is cut off and an id stays in one piece. Every cell is text from elsewhere
(node/shown_text.py, T72).
"""

import shutil
from collections.abc import Callable, Iterator, Sequence

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

from strongroom.node.shown_text import shown

WIDTH = 80
"""Columns where there is no terminal to ask."""
_GAP = 2
Style = Callable[[str, str], str]
"""(column, cell) → a style of rich, or nothing."""


def table(
    names: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    title: str = "",
    style: Style = lambda *_: "",
) -> None:
    """Rows under a heading."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [
        max(map(cell_len, (name, *(row[at] for row in cells)))) for at, name in enumerate(names)
    ]
    if title:
        console.print(Text(shown(title), style="italic"))
    for columns in _groups(widths, shutil.get_terminal_size((WIDTH, 24)).columns):
        chosen = [(names[at], width) for at, width in columns]
        console.print(
            Text(_line([name for name, _ in chosen], [width for _, width in chosen]), style="bold")
        )
        for row in cells:
            for line in _folded([row[at] for at, _ in columns], [width for _, width in columns]):
                console.print(_styled(line, chosen, style))


def facts(pairs: Sequence[tuple[str, object]]) -> None:
    """Names and values in two columns."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        console.print(f"{shown(name):<{width}}  {shown(value)}")


def or_dash(value: object) -> str:
    """A value, or a dash where there is none."""
    return "-" if value is None else str(value)


def _groups(widths: Sequence[int], room: int) -> Iterator[list[tuple[int, int]]]:
    """(column, width) of each table that fits: the first column leads them all."""
    first = (0, min(widths[0], max(1, room // 2)))
    left = room - first[1]
    group, used = [first], 0
    for at, wanted in enumerate(widths[1:], 1):
        width = max(1, min(wanted, left - _GAP))
        if len(group) > 1 and used + _GAP + width > left:
            yield group
            group, used = [first], 0
        group.append((at, width))
        used += _GAP + width
    yield group


def _folded(row: Sequence[str], widths: Sequence[int]) -> Iterator[list[str]]:
    """A row in as many lines as its longest cell takes."""
    parts = [chop_cells(cell, width) or [""] for cell, width in zip(row, widths, strict=True)]
    for at in range(max(map(len, parts))):
        lines = [part[at] if at < len(part) else "" for part in parts]
        yield [_padded(text, width) for text, width in zip(lines, widths, strict=True)]


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = [_padded(text, width) for text, width in zip(texts, widths, strict=True)]
    return (" " * _GAP).join(padded).rstrip()


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - cell_len(text))


def _styled(texts: Sequence[str], columns: Sequence[tuple[str, int]], style: Style) -> Text:
    line = Text()
    for at, (text, (name, _)) in enumerate(zip(texts, columns, strict=True)):
        line.append(" " * _GAP if at else "").append(text, style=style(name, text.strip()))
    line.rstrip()
    return line
