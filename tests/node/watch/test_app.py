"""The live screen in Textual: what stands on it as text, at three sizes, and its keys.

`UPDATE_SCREENS=1` writes the screens; look at the difference before it is committed.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from tests.node.watch.told import (
    ENDPOINTS,
    HOSTILE,
    NOON,
    head,
    nodes,
    quiet_day,
    service,
    silent,
    status,
    votes,
)

from strongroom.node.faults import NotFound
from strongroom.node.watch.app import WatchApp
from strongroom.node.watch.events import Event, FeedLost, FeedOpened, PublicTold
from strongroom.node.watch.looking import Looker
from strongroom.node.watch.model import Model
from strongroom.node.watch.panes.lines_pane import LinesPane

SCREENS = Path(__file__).parent / "screens"
SIZES = ((80, 24), (160, 50), (60, 16))


class OneNode:
    """What answers when something is opened."""

    service: Any = None

    async def ask(self, method: str, **params: Any) -> Any:
        if method == "ledger_block":
            if params["height"] > 1_204:
                raise NotFound(f"no block at height {params['height']}")
            return {
                "height": params["height"],
                "hash": "5a" * 32,
                "header": "AAAA",
                "proposer": HOSTILE,
                "count": 2,
                "anchor": {"height": 1_202, "root": "6b" * 32},
                "transactions": [
                    {"index": 0, "id": "7c" * 32, "kind": "call", "status": "executed"},
                    {"index": 1, "id": "8d" * 32, "kind": "public", "action": HOSTILE},
                ],
            }
        if method == "service_nodes":
            return nodes(NOON, n2="measurement not allowed").documents
        if method == "governance_proposals":
            return [
                {
                    "id": "9e" * 16,
                    "digest": "af" * 32,
                    "change": "rotate",
                    "status": "open",
                    "proposer": "member0",
                }
            ]
        if method == "node_status":
            return {"height": 1_204}
        return {"ledger_blocks": [], "service_members": []}.get(method, {"grants": []})

    async def ask_all(self, calls: Any) -> list[Any]:
        return [await self.ask(method, **params) for method, params in calls]

    async def ask_each(self, method: str, **params: Any) -> list[tuple[str, Any]]:
        return [("here", await self.ask(method, **params))]


class Stage:
    """A screen, and a feed into which a test puts events."""

    def __init__(self, events: list[Event]) -> None:
        self.told: asyncio.Queue[Event] = asyncio.Queue()
        for event in events:
            self.told.put_nowait(event)
        self.now = NOON
        self.model = Model()
        self.app = WatchApp(self._feed(), self.model, Looker(OneNode()), now=lambda: self.now)
        self.pilot: Any = None

    async def _feed(self) -> AsyncIterator[Event]:
        while True:
            event = await self.told.get()
            yield event
            self.told.task_done()

    async def tell(self, *events: Event) -> None:
        """Tell, and draw."""
        for event in events:
            self.told.put_nowait(event)
        await self.told.join()
        await self.settle()

    async def settle(self) -> None:
        await self.pilot.pause()
        self.app.draw()
        await self.pilot.pause()
        self.app.draw()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()
        asked = [one for one in self.app.workers if one.group != "feed"]
        if asked:
            await self.app.workers.wait_for_complete(asked)
        await self.settle()

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(one.text for one in strip).rstrip() for strip in strips) + "\n"


@asynccontextmanager
async def stage(
    size: tuple[int, int] = (80, 24), events: list[Event] | None = None
) -> AsyncIterator[Stage]:
    made = Stage(list(quiet_day()) if events is None else events)
    async with made.app.run_test(size=size) as pilot:
        made.pilot = pilot
        await made.tell()
        yield made


def compared(name: str, size: tuple[int, int], text: str) -> None:
    file = SCREENS / f"{name}.{size[0]}x{size[1]}.txt"
    if os.environ.get("UPDATE_SCREENS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text(), f"{file.name}: UPDATE_SCREENS=1 writes it anew"


HAPPENED: dict[str, list[Event]] = {
    "quiet": [],
    "killed": [silent(NOON, 3)],
    "no-quorum": [silent(NOON, 3), silent(NOON, 2)],
    "view-change": [
        head(NOON, 1_205, view=1_313),
        status(NOON, 0, 1_205, view=1_314, leader="n2"),
        status(NOON, 3, view=1_314, leader="n2"),
        votes(
            NOON,
            1_314,
            leader="n2",
            notarize=[],
            nullify=["n0", "n2", "n3"],
            before=None,
            timeouts={"strikes": 2, "proposal_ms": None, "view_ms": 90, "retry_ms": None},
        ),
    ],
    "resting": [
        votes(
            NOON,
            proposal=None,
            notarize=[],
            timeouts={"strikes": 0, "proposal_ms": None, "view_ms": None, "retry_ms": None},
        )
    ],
    "epoch": [head(NOON, 1_205, epoch=2), service(NOON, epoch=2)],
    "feed-lost": [FeedLost(NOON, f"{ENDPOINTS[0]}: its WebSocket is closed")],
    "hostile": [
        status(NOON, 2, node=HOSTILE, state="syncing", height=1_180, alarm=HOSTILE),
        head(NOON, 1_205, proposer=HOSTILE, signers=[HOSTILE]),
        PublicTold(NOON, 1_205, [{"action": HOSTILE, "status": "executed"}]),
        votes(
            NOON,
            leader=HOSTILE,
            validators=[HOSTILE] * 3,
            notarize=[HOSTILE],
            lanes=[{"name": HOSTILE, "waiting": 7}] * 3,
        ),
    ],
}


async def test_a_tick_while_it_ends_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its panes are taken away one after the other, and its timer ticks in between."""
    ticks: list[int] = []

    def tick(pane: LinesPane) -> None:
        ticks.append(len(pane.app.query(LinesPane)))
        cast(WatchApp, pane.app).draw()

    async with stage():
        monkeypatch.setattr(LinesPane, "on_unmount", tick, raising=False)
    assert len(ticks) > 1


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", sorted(HAPPENED))
async def test_what_happened_stands_on_the_screen(name: str, size: tuple[int, int]) -> None:
    async with stage(size) as shown:
        await shown.tell(*HAPPENED[name])
        assert "\x1b" not in shown.text
        assert "\u202e" not in shown.text
        compared(name, size, shown.text)


OPENED: dict[str, list[str]] = {
    "help": ["question_mark"],
    "block": ["tab", "enter"],
    "evidence": ["e"],
    "governance": ["g"],
}


@pytest.mark.parametrize("size", [(80, 24), (160, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", sorted(OPENED))
async def test_what_is_opened_stands_on_the_screen(name: str, size: tuple[int, int]) -> None:
    async with stage(size) as shown:
        await shown.press(*OPENED[name])
        compared(name, size, shown.text)
        await shown.press("backspace")
        assert "nodes ─" in shown.text


async def test_the_cursor_stays_on_its_block_and_on_its_row_when_new_ones_come() -> None:
    async with stage() as shown:
        await shown.press("tab", "down", "down")

        def row() -> tuple[int, str]:
            rows = shown.text.splitlines()
            (at,) = [at for at, line in enumerate(rows) if line.startswith("▸")]
            return at, rows[at].split()[0]

        before = row()
        assert before[1] == "▸"
        height = shown.text.splitlines()[before[0]].split()[1]
        await shown.tell(head(NOON, 1_205), head(NOON, 1_206))
        rows = shown.text.splitlines()
        (at,) = [at for at, line in enumerate(rows) if line.startswith("▸")]
        assert rows[at].split()[1] == height


async def test_a_paused_screen_stands_still_and_says_how_far_behind_it_is() -> None:
    async with stage() as shown:
        await shown.press("p")
        still = shown.text
        await shown.tell(head(NOON, 1_205), head(NOON, 1_206), silent(NOON, 3))
        assert "PAUSED, 2 blocks behind" in shown.text
        assert still.splitlines()[:-1] == shown.text.splitlines()[:-1]
        await shown.press("p")
        assert "no answer" in shown.text
        assert "1,206" in shown.text


async def test_a_search_is_typed_and_left_by_backspace_on_nothing() -> None:
    async with stage() as shown:
        await shown.press("slash", "q", "backspace", "backspace")
        assert not shown.app.has_class("-searching")
        await shown.press("slash", "1", "2", "enter")
        assert "strongroom explorer block 12" in shown.text
        await shown.press("q")
        assert shown.app.is_running


async def test_a_node_that_tells_nonsense_ends_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nonsense(*_: Any, **__: Any) -> Any:
        return [[7], None]

    async with stage() as shown:
        monkeypatch.setattr(OneNode, "ask", nonsense)
        monkeypatch.setattr(OneNode, "service", type("Whose", (), {"pin": "sr1-a"})(), raising=True)
        for keys in (["e"], ["g"], ["tab", "enter"], ["slash", "1", "enter"]):
            await shown.press(*keys)
            assert "cannot be read" in shown.text, keys
            await shown.press("backspace")
        await shown.press("V")
        assert "cannot check" in shown.text


async def test_what_cannot_be_opened_is_said_and_q_quits() -> None:
    async with stage() as shown:
        await shown.tell(head(NOON, 1_205))
        await shown.press("tab", "enter")
        assert "no block at height 1205" in shown.text
        await shown.press("q")
        assert "no block" not in shown.text
        await shown.pilot.press("q")
        await shown.pilot.pause()
        assert not shown.app.is_running


@pytest.mark.parametrize("size", [(59, 24), (80, 15), (20, 5)])
async def test_a_terminal_that_became_too_small_is_told_so(size: tuple[int, int]) -> None:
    async with stage() as shown:
        await shown.pilot.resize_terminal(*size)
        await shown.settle()
        assert "too small" in shown.text
        assert "nodes ─" not in shown.text
        await shown.pilot.resize_terminal(80, 24)
        await shown.settle()
        assert "nodes ─" in shown.text


async def test_only_rows_that_changed_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    from strongroom.node.watch.panes.lines_pane import LinesPane

    async with stage() as shown:
        drawn: list[str] = []
        original: Callable[..., Any] = LinesPane.refresh

        def counting(self: LinesPane, *regions: Any, **options: Any) -> Any:
            drawn.extend(str(self.id) for _ in regions)
            return original(self, *regions, **options)

        monkeypatch.setattr(LinesPane, "refresh", counting)
        shown.app.draw()
        assert drawn == []
        shown.model.take(FeedOpened(NOON, ENDPOINTS[1]))
        shown.app.draw()
        assert drawn == ["header"]


async def test_with_no_color_the_screen_is_grey_and_readable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with stage() as shown:
        await shown.tell(silent(NOON, 3))
        assert shown.app.no_color
        assert shown.app.theme != "ansi-dark"  # whose own colours become black on black
        for pane in shown.app.query(LinesPane):
            for strip in pane.render_lines(pane.size.region):
                for segment in strip:
                    style = segment.style
                    assert style is not None
                    for colour in (style.color, style.bgcolor):
                        assert colour is None or colour.triplet is None or is_grey(colour.triplet)
                    assert style.color != style.bgcolor


def is_grey(triplet: Any) -> bool:
    return len(set(triplet)) == 1
