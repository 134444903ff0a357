"""Events into what is shown: a plain model that is told all and draws nothing.

Owns what is kept (the newest blocks and notes, within bounds), and which changes are worth a line:
a node that stops or comes back, a view without a block, an epoch, a lost feed, a quorum that is
gone. Knows no clock: moments come with events. Text from a node is escaped here. No node's word
alone says how many vote, or how far the service is.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from strongroom.node.shown_text import shown
from strongroom.node.watch.events import (
    Asked,
    ChainChecked,
    Event,
    FeedLost,
    FeedOpened,
    FilesEnded,
    HeadTold,
    Missed,
    NodesTold,
    PublicTold,
    ServiceTold,
    StatusTold,
    VotesTold,
)
from strongroom.node.watch.known_nodes import (
    AHEAD_MAX,
    NODES_KEPT,
    VOTING,
    KnownNode,
    KnownNodes,
)
from strongroom.node.watch.reading import (
    number,
    read_head,
    read_registered,
    read_status,
    read_votes,
)
from strongroom.node.watch.recent_blocks import RecentBlocks
from strongroom.node.watch.view import BlockRow, Note, View, Votes

NOTES_KEPT = 256
PUBLIC_SHOWN_MAX = 8
"""Public transactions of one block that get a line each."""
ITSELF = "itself"
"""A node's verdict over its own evidence; after a loss another one is asked."""


class Model:
    """A service as it was told of: `take` events, then look at `view`."""

    def __init__(self) -> None:
        self._service: dict[str, Any] = {}
        self._nodes = KnownNodes()
        self._blocks = RecentBlocks()
        self._notes: deque[Note] = deque(maxlen=NOTES_KEPT)
        self.numbers = 0
        self._feed, self._feed_tone = "connecting", "warn"
        self._source = ""
        """The endpoint of the feed."""
        self._lost = False
        self._doubted = False
        """This feed told a head beyond all others."""
        self._view: tuple[int, str, float] | None = None
        """(number, leader, since)."""
        self._votes: Votes | None = None
        self._quorum: bool | None = None
        self._takes: dict[type[Event], Callable[[Any], None]] = {
            Asked: self._asked,
            ServiceTold: self._service_told,
            StatusTold: self._status_told,
            VotesTold: self._votes_told,
            NodesTold: self._nodes_told,
            HeadTold: self._head_told,
            Missed: self._missed,
            PublicTold: self._public_told,
            FeedOpened: self._opened,
            FeedLost: self._feed_lost,
            ChainChecked: self._checked,
            FilesEnded: self._ended,
        }

    def take(self, event: Event) -> None:
        """Take what was told. A document of another shape than it should have tells nothing."""
        try:
            self._takes[type(event)](event)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            self._note(event.now, "a node tells something that cannot be read", "warn", "unread")

    # --- what is taken ---

    def _asked(self, event: Asked) -> None:
        for endpoint in event.endpoints:
            self._nodes.asked_at(endpoint)

    def _service_told(self, event: ServiceTold) -> None:
        told = event.document
        epoch, before = number(told["epoch"]), self._service.get("epoch")
        if before is not None and epoch is not None and epoch > before:
            self._note(event.now, f"epoch {epoch} began", "warn", "epoch")
        self._service = {
            "name": shown(told["name"]),
            "pin": shown(told["pin"]),
            "simulated": told.get("simulated") is True,
            "epoch": max((one for one in (epoch, before) if one is not None), default=None),
        }

    def _status_told(self, event: StatusTold) -> None:
        node = self._nodes.asked_at(event.endpoint)
        if node is None:
            return
        was, first = node.status, not node.asked
        node.asked = True
        if event.document is None:
            node.status = None
            if was is not None or first:
                self._note(event.now, f"{node.name}: does not answer", "bad", "node-lost")
        else:
            node.status, node.seen = read_status(event.document), event.now
            node.name = node.status["node"]
            node.members = node.status["members"] or node.members
            self._note_state(event.now, node, was, first)
            self._note_view(event.now, node.status)
        self._note_quorum(event.now)

    def _note_state(
        self, now: float, node: KnownNode, was: dict[str, Any] | None, first: bool
    ) -> None:
        status = node.status or {}
        state, alarm = status["state"], status["alarm"]
        if was is None and not first:
            self._note(now, f"{node.name}: answers again, {state}", "good", "node-back")
        elif was is not None and was["state"] != state:
            tone = "good" if state in VOTING else "warn"
            self._note(now, f"{node.name}: {was['state']} → {state}", tone, "node-state")
        if alarm and (was is None or was["alarm"] != alarm):
            self._note(now, f"{node.name}: ALARM {alarm}", "bad", "alarm")

    def _note_view(self, now: float, status: dict[str, Any]) -> None:
        at, leader, height = status["view"], status["leader"], status["height"] or 0
        bound = self._nodes.bound("view", ahead=0)
        if at is None or bound is None or at > bound:
            return
        if self._view is not None and at <= self._view[0] <= bound + AHEAD_MAX:
            return
        newest = self._blocks.newest
        if newest is not None and height <= newest.height and at > newest.view + 2:
            words = f"view {at} began, {leader} leads: no block since view {newest.view}"
            self._note(now, words, "warn", "view-change")
        self._view = (at, leader, now)

    def _votes_told(self, event: VotesTold) -> None:
        """One node's word: shown while its view is none that the others cannot know of."""
        votes = None if event.document is None else read_votes(event.document, event.now)
        bound = self._nodes.bound("view")
        beyond = votes is not None and bound is not None and votes.view > bound
        self._votes = None if beyond else votes

    def _note_quorum(self, now: float) -> None:
        if not self._nodes.all_asked:
            return
        voting, quorum, members = self._nodes.voting, *self._nodes.sizes()
        enough = None if quorum is None else voting >= quorum
        if enough is not None and self._quorum is not None and enough != self._quorum:
            words = f"{voting} of {members} vote, a quorum is {quorum}"
            if enough:
                self._note(now, f"quorum again: {words}", "good", "quorum-back")
            else:
                self._note(now, f"NO QUORUM: {words}; calls wait", "bad", "quorum-lost")
        self._quorum = enough if enough is not None else self._quorum

    def _nodes_told(self, event: NodesTold) -> None:
        for told in event.documents[:NODES_KEPT]:
            name = shown(told["name"])
            node = self._nodes.told_of(name, shown(told.get("endpoint") or f"node {name}"))
            if node is None:
                continue
            was, node.registered = node.registered, read_registered(told)
            verdict = node.registered["verdict"]
            before = verdict if was is None else was["verdict"]
            if before != verdict and ITSELF not in (before, verdict):
                good = verdict.startswith("good")
                words = f"{name}'s evidence: {verdict}"
                self._note(event.now, words, "good" if good else "bad", "evidence")

    def _head_told(self, event: HeadTold) -> None:
        block, bound = read_head(event.document), self._nodes.bound("height")
        if bound is not None and block.height > bound:
            if not self._doubted:
                words = f"{self._feed_name} tells of block {block.height}, other nodes do not"
                self._note(event.now, words, "bad", "head-doubted")
            self._doubted = True
            return
        self._blocks.forget_beyond(bound)
        before = self._blocks.newest
        if before is not None and block.height <= before.height:
            return
        if before is not None and block.epoch > before.epoch:
            words = f"epoch {block.epoch} began with block {block.height}"
            self._note(event.now, words, "warn", "epoch")
            self._service["epoch"] = block.epoch
        skipped = 0 if before is None else block.view - before.view - 1
        if before is not None and skipped > 0 and block.height == before.height + 1:
            which = f"view {before.view + 1}" if skipped == 1 else f"{skipped} views"
            words = f"{which} without a block before {block.height} (by {block.proposer})"
            self._note(event.now, words, "warn", "view-change")
        self._blocks.add(block, event.now)

    def _missed(self, event: Missed) -> None:
        if number(event.first) is None or number(event.last) is None:
            raise ValueError("heights are numbers")
        words = f"blocks {event.first} to {event.last} came too fast for this screen"
        self._note(event.now, words, "warn", "missed")

    def _public_told(self, event: PublicTold) -> None:
        if number(event.height) is None:
            raise ValueError("a height is a number")
        for row in event.transactions[:PUBLIC_SHOWN_MAX]:
            words = f"{shown(row['action'])} at {event.height}: {shown(row['status'])}"
            self._note(event.now, words, "", "public")

    def _opened(self, event: FeedOpened) -> None:
        self._feed, self._feed_tone, self._source = "LIVE", "good", event.endpoint
        name = self._feed_name
        if self._lost:
            self._note(event.now, f"feed again, from {name}", "good", "feed-back")
        self._lost = self._doubted = False

    def _feed_lost(self, event: FeedLost) -> None:
        self._feed, self._feed_tone, self._source = "FEED LOST", "bad", ""
        self._votes = None
        if not self._lost:
            self._note(event.now, f"feed lost: {shown(event.why)}", "bad", "feed-lost")
        self._lost = True
        self._blocks.forget_beyond(self._nodes.bound("height"))

    def _checked(self, event: ChainChecked) -> None:
        tone = "good" if event.verdict == "valid" else "bad"
        words = f"{event.verdict} up to block {event.height}: {shown(event.reason)}"
        self._note(event.now, words, tone, "checked")

    def _ended(self, event: FilesEnded) -> None:
        self._feed, self._feed_tone, self._source = "FILES", "", ""
        self._note(event.now, f"the files end with block {event.height}", "", "files-end")

    # --- what is kept ---

    def _note(self, now: float, words: str, tone: str, kind: str) -> None:
        self.numbers += 1
        self._notes.append(Note(self.numbers, now, shown(words), tone, kind))

    def _newest_height(self) -> int | None:
        reached, newest = self._nodes.bound("height", ahead=0), self.newest
        if newest is None or (reached is not None and newest.height > reached + AHEAD_MAX):
            return reached
        return max(newest.height, reached or 0)

    def _epoch(self) -> int | None:
        told, reached = self._service.get("epoch"), self._nodes.bound("epoch", ahead=0)
        if told is None or reached is None:
            return told if reached is None else reached
        return reached if told > reached + 1 else max(told, reached)

    # --- what is shown ---

    @property
    def notes(self) -> tuple[Note, ...]:
        """Oldest first."""
        return tuple(self._notes)

    @property
    def _feed_name(self) -> str:
        return self._nodes.name_at(self._source)

    @property
    def newest(self) -> BlockRow | None:
        """The newest block that was told of."""
        return self._blocks.newest

    def view(self, now: float) -> View:
        """What is shown at this moment."""
        quorum, members = self._nodes.sizes()
        newest, height = self.newest, self._newest_height()
        rate, by_second = self._blocks.rates(now)
        median, longest = self._blocks.intervals()
        return View(
            now=now,
            name=self._service.get("name", "?"),
            pin=self._service.get("pin", ""),
            simulated=self._service.get("simulated", False),
            epoch=self._epoch(),
            quorum=quorum,
            members=members,
            voting=self._nodes.voting,
            feed=f"{self._feed} {self._feed_name}".strip(),
            feed_tone=self._feed_tone,
            height=height,
            age=None if newest is None else max(0.0, now - newest.time),
            rate=rate,
            rates=by_second,
            interval_p50=median,
            interval_p95=longest,
            view=None if self._view is None else self._view[0],
            leader="" if self._view is None else self._view[1],
            view_age=None if self._view is None else max(0.0, now - self._view[2]),
            votes=self._votes,
            nullified=self._blocks.nullified,
            alarms=self._nodes.alarms,
            nodes=self._nodes.rows(height, "" if self._view is None else self._view[1]),
            blocks=self._blocks.newest_first,
            notes=tuple(reversed(self._notes)),
        )
