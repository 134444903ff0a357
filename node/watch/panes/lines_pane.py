"""A widget that shows lines and redraws those alone that changed.

Owns drawing and the cursor: it stays on what it stood on when new rows come above. What lines say
is lines.py's; Textual's DataTable would cost five times as much (see docs/watch.md).
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from strongroom.node.watch.lines import Line

TONES = ("title", "good", "warn", "bad", "dim", "cursor")


class LinesPane(Widget):
    """Lines of text, each with a tone."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"tone--{tone}" for tone in TONES}

    def __init__(self, id: str, *, focusable: bool = False) -> None:
        """Make it; `focusable`: Tab reaches it, and a cursor moves in it."""
        super().__init__(id=id)
        self.can_focus = focusable
        self._lines: list[Line] = []
        self.cursor = ""
        """The key of the line on which it stands."""

    def show(self, lines: Sequence[Line]) -> None:
        """Show these; rows that are as they were are not drawn again."""
        before, self._lines = self._lines, list(lines)
        for y in range(max(len(before), len(lines))):
            if y >= len(before) or y >= len(lines) or before[y] != lines[y]:
                self.refresh(Region(0, y, self.size.width, 1))

    def move_to(self, key: str) -> None:
        """Put the cursor on a line."""
        if key != self.cursor:
            self.cursor = key
            self.refresh()

    @property
    def stands_on(self) -> str:
        """What Enter opens: the cursor's line, or the first that can be opened."""
        keys = [line.key for line in self._lines if line.key]
        return self.cursor if self.cursor in keys else next(iter(keys), "")

    def on_focus(self) -> None:
        """Show the cursor."""
        self.move_to(self.stands_on)
        self.refresh()

    def on_blur(self) -> None:
        """Show none."""
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row, as Textual asks for it."""
        width = self.size.width
        if y >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        line = self._lines[y]
        style: Any = self.rich_style
        text = line.text
        if self.has_focus and line.key and line.key == self.cursor:
            style += self.get_component_rich_style("tone--cursor", partial=True)
            text = f"▸{text[1:]}"
        elif line.tone:
            style += self.get_component_rich_style(f"tone--{line.tone}", partial=True)
        return Strip([Segment(text, style)]).adjust_cell_length(width, style)
