"""The live screen itself: keys, and when what is drawn.

Owns the Textual application. Events go into the model at once; the screen is drawn at most 4 times
a second, 2 over ssh, and only rows that changed. What rows say is lines.py's, what Enter opens
looking.py's. Nothing is animated; nothing waits for the network before the first paint.
"""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from strongroom.consensus.errors import StrongroomError
from strongroom.node.watch import lines, votes_lines
from strongroom.node.watch.events import Event, FeedLost
from strongroom.node.watch.keys import KEYS
from strongroom.node.watch.lines import Line
from strongroom.node.watch.looking import Looker, fault_lines, help_lines, message
from strongroom.node.watch.model import Model
from strongroom.node.watch.panes.lines_pane import LinesPane
from strongroom.node.watch.panes.search_input import SearchInput
from strongroom.node.watch.view import View

DRAW_SECONDS = 0.25
DRAW_SECONDS_SSH = 0.5
CHECK_BELOW = 2
"""Blocks below the newest that V checks: the newest certificate may come with a later block."""
LOOKED_AT = ("nodes", "blocks", "events")


class WatchApp(App[None]):
    """`strongroom explorer watch`."""

    CSS_PATH = "watch.tcss"
    TITLE = "strongroom explorer watch"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-narrow"),
        (100, "-wide"),
        (150, "-full"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-short"),
        (20, "-usual"),
        (40, "-high"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def __init__(
        self,
        events: AsyncIterator[Event],
        model: Model,
        looker: Looker,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Make it.

        Args:
            events: the feed.
            model: takes them.
            looker: opens things.
            now: the clock, Unix seconds.
        """
        super().__init__()
        self._events, self._model, self._looker, self._now = events, model, looker, now
        self.animation_level = "none"
        self._frozen: View | None = None
        self._first = {"blocks": 0, "events": 0}
        self._detail: list[Line] | None = None
        self._detail_first = 0
        self._cursors: dict[str, str] = dict.fromkeys(LOOKED_AT, "")

    def compose(self) -> ComposeResult:
        """The panes, the same at every size."""
        yield LinesPane("header")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield LinesPane("nodes", focusable=True)
                yield LinesPane("consensus")
                yield LinesPane("blocks", focusable=True)
                yield LinesPane("events", focusable=True)
            yield LinesPane("detail")
        yield LinesPane("small")
        yield SearchInput()
        yield LinesPane("keys")

    def on_mount(self) -> None:
        """Paint, then listen."""
        if "ansi-dark" in self.available_themes and not self.no_color:
            self.theme = "ansi-dark"
        self._pane("nodes").focus()
        self.draw()
        seconds = DRAW_SECONDS_SSH if os.environ.get("SSH_CONNECTION") else DRAW_SECONDS
        self.set_interval(seconds, self.draw)
        self.run_worker(self._listen(), group="feed", exclusive=True)

    async def _listen(self) -> None:
        try:
            async for event in self._events:
                self._model.take(event)
        except* (StrongroomError, OSError) as group:
            self._model.take(FeedLost(self._now(), str(group.exceptions[0])))

    # --- drawing ---

    def draw(self) -> None:
        """Show the model as it is now; while paused, as it was."""
        if not self.is_running:
            return  # it ends: its panes are taken away one by one while the timer still ticks
        width, height = self.size
        small = lines.too_small(width, height)
        self.set_class(small is not None, "-small")
        if small is not None:
            self._pane("small").show(message("too small", small, max(4, width)))
            return
        view = self._frozen or self._model.view(self._now())
        with self.batch_update():
            self._pane("header").show(lines.header(view, width))
            self._draw_left(view)
            detail = self._pane("detail")
            shown = self._detail if self._detail is not None else help_lines(detail.size.width)
            room = max(1, detail.size.height)
            self._detail_first = max(0, min(self._detail_first, len(shown) - room))
            detail.show(shown[self._detail_first : self._detail_first + room])
            self._pane("keys").show([lines.keys(width, paused=self._behind(view))])

    def _draw_left(self, view: View) -> None:
        width = self._pane("nodes").size.width or self.size.width
        rows = lines.nodes(view, width)
        pane = self._pane("nodes")
        tall = min(len(rows), max(3, self.size.height // 3 + 1))
        if pane.styles.height is None or pane.styles.height.value != tall:
            pane.styles.height = tall
        pane.show(rows[:tall])
        self._pane("consensus").show(votes_lines.consensus(view, width))
        for name, make, all_keys in (
            ("blocks", lines.blocks, [str(one.height) for one in view.blocks]),
            ("events", lines.events, [f"note {one.number}" for one in view.notes]),
        ):
            pane = self._pane(name)
            heads = 2 if name == "blocks" else 1
            room = max(1, pane.size.height - heads)
            self._first[name] = self._kept(name, all_keys, room)
            pane.show(make(view, width, room, self._first[name]))

    def _kept(self, name: str, all_keys: list[str], room: int) -> int:
        """The first row shown: the newest, or such that the cursor's row stays where it was."""
        pane, first = self._pane(name), self._first[name]
        if not pane.has_focus or pane.cursor not in all_keys:
            return 0
        at, was = all_keys.index(pane.cursor), self._cursors[name]
        if was == f"{pane.cursor}@newest" and at != 0:
            first = at  # it stood on the newest: that one stays where it is, newer ones are above
        elif not first <= at < first + room or first:
            first = max(0, min(at, max(first, at - room + 1)))
        self._cursors[name] = f"{pane.cursor}@newest" if at == 0 else pane.cursor
        return min(first, max(0, len(all_keys) - 1))

    def _behind(self, view: View) -> int | None:
        if self._frozen is None:
            return None
        newest = self._model.newest
        return 0 if newest is None else max(0, newest.height - (view.height or 0))

    def _pane(self, id: str) -> LinesPane:
        return self.query_one(f"#{id}", LinesPane)

    # --- keys ---

    def action_leave(self) -> None:
        """Close what is open, else quit."""
        if self._detail is not None:
            self.action_close()
        else:
            self.exit()

    def action_close(self) -> None:
        """Close what is open."""
        self._open(None)

    def action_help(self) -> None:
        """All keys."""
        self._open(help_lines(self._detail_width()))

    def action_pause(self) -> None:
        """Stand still, or go on."""
        self._frozen = self._model.view(self._now()) if self._frozen is None else None
        self.draw()

    def action_move(self, by: int) -> None:
        """Move the cursor; where something is open on a narrow screen, scroll it."""
        if self._detail is not None:
            self._detail_first += by
            self.draw()
            return
        pane = self.focused
        if not isinstance(pane, LinesPane):
            return
        view = self._frozen or self._model.view(self._now())
        keys = {
            "nodes": [one.name for one in view.nodes],
            "blocks": [str(one.height) for one in view.blocks],
            "events": [f"note {one.number}" for one in view.notes],
        }[pane.id or "nodes"]
        if keys:
            at = keys.index(pane.cursor) if pane.cursor in keys else 0
            pane.move_to(keys[max(0, min(at + by, len(keys) - 1))])
            self.draw()

    def action_open(self) -> None:
        """Open what the cursor stands on."""
        pane, width = self.focused, self._detail_width()
        if not isinstance(pane, LinesPane) or not (key := pane.stands_on):
            return
        if pane.id == "nodes":
            self._look(self._looker.node(key, width))
        elif pane.id == "blocks":
            self._look(self._looker.block(int(key), width))

    def action_governance(self) -> None:
        """Proposals."""
        self._look(self._looker.proposals(self._detail_width()))

    def action_evidence(self) -> None:
        """Verdicts."""
        self._look(self._looker.evidence(self._detail_width()))

    def action_check(self) -> None:
        """Check the chain against the pin; the verdict becomes an event."""
        newest = self._model.newest
        if newest is not None:
            height = max(1, newest.height - CHECK_BELOW)
            self.run_worker(self._check(height), group="check", exclusive=True)

    async def _check(self, height: int) -> None:
        self._model.take(await self._looker.check(height, self._now()))

    def action_search(self) -> None:
        """Type what to search."""
        self.add_class("-searching")
        self.query_one(SearchInput).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search it."""
        text = event.value
        self.on_search_input_left()
        if text.strip():
            self._look(self._looker.search(text, self._detail_width()))

    def on_search_input_left(self) -> None:
        """Nothing is typed any more."""
        self.query_one(SearchInput).value = ""
        self.remove_class("-searching")
        self._pane("nodes").focus()

    # --- what is open ---

    def _look(self, question: Awaitable[list[Line]]) -> None:
        self._open(message("asking", "…", self._detail_width()))
        self.run_worker(self._answer(question), group="look", exclusive=True)

    async def _answer(self, question: Awaitable[list[Line]]) -> None:
        try:
            found = await question
        except StrongroomError as fault:
            found = fault_lines(str(fault), self._detail_width())
        except (KeyError, TypeError, ValueError, AttributeError, OSError, RecursionError):
            words = "the node tells something that cannot be read: ask another one"
            found = fault_lines(words, self._detail_width())
        with suppress(LookupError):
            self._open(found)

    def _open(self, found: list[Line] | None) -> None:
        self._detail, self._detail_first = found, 0
        self.set_class(found is not None, "-opened")
        self.call_after_refresh(self.draw)

    def _detail_width(self) -> int:
        return self.size.width - 80 if self.screen.has_class("-full") else self.size.width
