"""How scripts speak: numbered steps, a moving line for what is under way, a bar for long runs.

Owns the terminal of a script. With `--json` the story goes to stderr, so that stdout holds one
document.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from strongroom.consensus.errors import StrongroomError
from strongroom.node.shown_text import shown, shown_lines

_BAR_REFRESH_HZ = 4.0
_LINE_SECONDS = 5.0
"""How often a long run says how far it is, where there is no terminal to move a bar on."""
_TABLE_WIDTH = 120


class StoryFails(StrongroomError):
    """Something that is promised does not hold."""


class Bar:
    """Progress of one long run."""

    def __init__(self, progress: Progress, total: int, line: Callable[[str], None] | None) -> None:
        self._progress, self._total, self._line = progress, total, line
        self._task = progress.add_task("", total=total)
        self._said = time.monotonic()

    def show(self, done: int, note: str) -> None:
        """So much is done; `note` stands before the bar."""
        self._progress.update(self._task, completed=done, description=note)
        if self._line is not None and time.monotonic() - self._said >= _LINE_SECONDS:
            self._said = time.monotonic()
            self._line(f"{done:,} of {self._total:,}, {note}")


class Teller:
    """Tells a story step by step."""

    def __init__(self, *, to_stderr: bool = False) -> None:
        self.console = Console(stderr=to_stderr, highlight=False, soft_wrap=True)
        self._steps = 0
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the story began."""
        return time.monotonic() - self._began

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._steps += 1
        self.console.print(
            f"\n[bold]{self._steps}. {escape(shown(title))}[/]  [dim]{self.seconds:.1f} s[/]"
        )

    def line(self, text: str) -> None:
        """Something that happened; taken literally."""
        self.console.print(f"   {shown_lines(text)}", markup=False)

    def facts(self, pairs: Mapping[str, object]) -> None:
        """Names and values in two columns."""
        width = max(map(len, pairs))
        for name, value in pairs.items():
            self.line(f"{name:<{width}}  {value}")

    def table(self, columns: list[str], rows: list[list[str]]) -> None:
        """Rows under a heading."""
        self.console.width = max(
            self.console.width, _TABLE_WIDTH
        )  # a narrow terminal wraps lines; nothing is cut off
        heads = [escape(shown(column)) for column in columns]
        table = Table(*heads, box=None, padding=(0, 2, 0, 0), header_style="dim")
        for row in rows:
            table.add_row(*(escape(shown(cell)) for cell in row))
        self.console.print(Padding(table, (0, 0, 0, 3)))

    @contextmanager
    def under_way(self) -> Iterator[Callable[[str], None]]:
        """A function that shows what is done now: one moving line on a terminal, else one line
        each."""
        if not self.console.is_terminal:
            yield self.line
            return
        with self.console.status("…") as status:
            yield lambda text: status.update(escape(shown(text)))

    @contextmanager
    def bar(self, total: int) -> Iterator[Bar]:
        """Show how far a long run is: a bar on a terminal, else a line now and then."""
        columns = (
            TextColumn("   {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(
            *columns,
            console=self.console,
            transient=True,
            refresh_per_second=_BAR_REFRESH_HZ,
            disable=not self.console.is_terminal,
        ) as progress:
            yield Bar(progress, total, None if self.console.is_terminal else self.line)
