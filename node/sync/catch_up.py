"""How a node arrives whose enclave cannot execute: what to ask for, record, apply and confirm, and
when (PROTOCOL §6).

Pure: one event in, effects out; time, peers' words and what became of an effect arrive as events,
and the node's own ledger is read through `Chain`. follower.py carries the effects out. Three
heights move on their own, each by what the chain shows and never by a distance that somebody
guessed:

    confirmed ≤ applied ≤ recorded

The enclave holds as certified what is confirmed, as provisional what is applied; recorded is what
lies on disk, proven by an anchor.

Every stored header is final, so the history root that it anchors proves outcomes before the enclave
sees any of them: no word of a peer can make APPLY or CONFIRM be refused (T34). Looking for a
snapshot is snapshot_peer_search.py's.
"""

from collections import deque
from typing import assert_never

from strongroom.consensus.host_messages import OUTCOMES_MAX
from strongroom.consensus.types import Epoch, Height, PublicKey
from strongroom.node.ledger.reading import APPLY_BLOCKS_MAX
from strongroom.node.sync.catch_up_events import (
    Apply,
    Ask,
    Began,
    Blame,
    Chain,
    Confirm,
    Effect,
    Event,
    Execute,
    Given,
    Halt,
    Link,
    MoreToRead,
    OutcomesCame,
    Record,
    Tick,
    WasApplied,
    WasConfirmed,
    WasExecuted,
    WasRecorded,
)
from strongroom.node.sync.givers import Givers
from strongroom.node.sync.snapshot_peer_search import (
    ChunkCame,
    ChunkRefused,
    SearchEvent,
    SnapshotSearch,
    SnapshotTried,
    SnapshotWhole,
)

CONFIRM_HEADERS_MAX = 256
"""Headers that the enclave's door reads in one CONFIRM."""
SCAN_HEADERS_MAX = 256
"""Headers that are read in one step."""
PENDING_MAX = 1024
"""Anchors, and certified headers, that are remembered ahead of what is recorded."""


class CatchUp:
    """One node's way to what the chain shows. At most one effect that is answered is under way."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._givers = Givers()
        self._search = SnapshotSearch()
        self._given: list[Given] = []
        """From the peer whose turn it is, from `_proven` + 1 on."""
        self._fault = ""
        """Why what that peer gave next could not be read."""
        self._answered = False
        """It gave less than fits into an answer: then it is the next one's turn."""
        self.known = Height(0)
        """The newest height that fresh heads showed."""
        self._busy = self._halted = False
        self._may_apply = self._may_execute = True
        """Until the enclave refuses for want of a key or an epoch; a Tick lets it be tried
        again."""
        self._restart(Height(0), Height(0))

    def _restart(self, applied: Height, confirmed: Height) -> None:
        self._applied, self._confirmed = applied, confirmed
        self._target: Link | None = None
        self._proven = Height(0)
        """The newest height at which the recorded history was seen to be the anchored one."""
        self._anchors: deque[Link] = deque()
        """The first header of each anchor above what is recorded, ascending."""
        self._ends: deque[Link] = deque()
        """Certified headers by which something can be confirmed, ascending; thinned out when there
        are many."""
        self._skipped = self._hopes(applied)
        """Headers in the archive are passed over: a snapshot of a peer is proven by newer ones."""
        self._scanned = Height(max(confirmed - 1, self._chain.first - 1 if self._skipped else 0))
        self._top = 0
        self._epoch, self._epoch_first = Epoch(0), 0
        self._forget_given()
        self._givers.rest()

    def step(self, event: Event, now: float) -> list[Effect]:
        """Advance by one event; carry the effects out in order.

        Args:
            event: what happened.
            now: seconds on any steady clock.
        """
        match event:
            case Began(applied, confirmed):
                self._restart(applied, confirmed)
                self._busy, self._may_apply, self._may_execute = False, True, True
            case Tick(linked):
                if self._givers.see(linked):
                    self._forget_given()
                self._search.see(linked)
                self._may_apply = self._may_execute = True
            case MoreToRead():
                pass
            case OutcomesCame():
                self._take(event, now)
            case WasRecorded() | WasApplied() | WasConfirmed() | WasExecuted():
                self._busy = False
                self._note_done(event)
            case ChunkCame() | ChunkRefused() | SnapshotWhole() | SnapshotTried():
                self._note_search(event, now)
            case _:
                assert_never(event)
        effects: list[Effect] = []
        self._decide(effects, now)
        return effects

    def seek_again(self) -> None:
        """What is archived cannot be read: a snapshot of a peer would do as well."""
        self._search.seek_again()

    @property
    def awaited(self) -> PublicKey | None:
        """Whose answer is expected."""
        return self._givers.awaited

    @property
    def awaited_start(self) -> Height:
        """From where on; 0: nobody's answer is."""
        return self._givers.awaited_start

    @property
    def is_reading(self) -> bool:
        """Are there stored headers that were not looked at yet, and room for what they show?"""
        return not (self._halted or self._busy) and self._has_unread()

    # --- what became of things --------------------------------------------------------------------

    def _note_done(self, event: WasRecorded | WasApplied | WasConfirmed | WasExecuted) -> None:
        match event:
            case WasRecorded():
                pass
            case WasApplied(applied, refused):
                self._applied, self._may_apply = applied, not refused
            case WasConfirmed(refused):
                self._may_apply = not refused
                if not refused and self._target is not None:
                    self._confirmed, self._target, self._may_execute = (
                        self._target.anchor.height,
                        None,
                        True,
                    )
                    while self._ends and self._ends[0].anchor.height <= self._confirmed:
                        self._ends.popleft()
            case WasExecuted(executed, refused):
                self._may_execute = not refused
                if executed > self._confirmed:
                    self._restart(executed, executed)
            case _:
                assert_never(event)

    def _note_search(self, event: SearchEvent, now: float) -> None:
        self._search.note(event, now)
        if isinstance(event, SnapshotTried):
            self._busy = False
            if event.loaded:
                self._restart(event.loaded, event.loaded)

    def _take(self, event: OutcomesCame, now: float) -> None:
        """What the one who was asked gives: appended to what it gave before. An empty answer is
        none."""
        if not (event.outcomes or event.fault) or not self._givers.answered(
            event.peer, event.start, now
        ):
            return
        self._given += event.outcomes
        self._fault = event.fault
        self._answered = len(event.outcomes) < OUTCOMES_MAX

    def _covers(self) -> bool:
        """Is enough given to prove something?"""
        return self._proven + len(self._given) >= self._anchors[0].anchor.height

    def _forget_given(self) -> None:
        self._given.clear()
        self._fault, self._answered = "", False

    # --- proofs -----------------------------------------------------------------------------------

    def _scan(self, effects: list[Effect]) -> None:
        """Look at further headers, as far as may be remembered."""
        for _ in range(SCAN_HEADERS_MAX):
            if self._halted or not self._has_unread():
                return
            link = self._chain.link(self._scanned + 1)
            self._scanned = link.height
            if link.epoch != self._epoch or not self._epoch_first:
                self._epoch, self._epoch_first = link.epoch, link.height
            if (
                link.anchor.height > self._top
            ):  # genesis anchors nothing: what stands there proves nothing
                self._note_anchor(link, effects)
            first = link.anchor.height + 1
            provable = first >= self._epoch_first and link.height - first < CONFIRM_HEADERS_MAX
            if link.certified and provable and link.anchor.height > self._confirmed:
                self._ends.append(link)
                if len(self._ends) > PENDING_MAX:
                    self._ends = deque(list(self._ends)[1::2])

    def _has_unread(self) -> bool:
        return self._scanned < self._chain.newest and len(self._anchors) < PENDING_MAX

    def _note_anchor(self, link: Link, effects: list[Effect]) -> None:
        """The first header with this anchor: what is recorded up to there must be what it names."""
        self._top = link.anchor.height
        if link.anchor.height > self._chain.recorded:
            self._anchors.append(link)
        elif self._chain.frontier(link.anchor.height + 1).root == link.anchor.root:
            self._proven = link.anchor.height
        else:
            self._halt(link.anchor.height, effects)

    def _prove(self, effects: list[Effect]) -> None:
        """Record what the given outcomes prove, anchor by anchor; the first that contradicts one
        names the liar."""
        recorded, given, base = self._chain.recorded, self._given, self._proven
        trial = self._chain.frontier(base + 1)
        own = self._chain.frontier(recorded + 1).root
        proven, lie = 0, ""
        for link in self._anchors:
            count = link.anchor.height - base
            if count > len(given):
                break
            agrees = True
            for one in given[proven:count]:
                trial.append(one.leaf)
                agrees = agrees and (one.height != recorded or trial.root == own)
            wished = link.recovers or given[count - 1].next_epoch == link.next_epoch
            if trial.root != link.anchor.root or not wished:
                lie = f"outcomes up to height {link.anchor.height} are not what a quorum anchored"
                break
            if not agrees:
                self._halt(recorded, effects)
                return
            proven = count
        if proven:
            self._givers.proved()
            self._record(tuple(one for one in given[:proven] if one.height > recorded), effects)
            del given[:proven]
        if lie or self._fault:
            effects.append(Blame(self._givers.shun(), lie or self._fault))
            self._forget_given()
        elif self._answered:
            self._givers.turn()
            self._forget_given()

    def _record(self, outcomes: tuple[Given, ...], effects: list[Effect]) -> None:
        self._busy = True
        effects.append(Record(outcomes))
        self._proven = outcomes[-1].height
        while self._anchors and self._anchors[0].anchor.height <= self._proven:
            self._anchors.popleft()

    def _halt(self, height: Height, effects: list[Effect]) -> None:
        self._halted = True
        effects.append(Halt(height))

    # --- decisions --------------------------------------------------------------------------------

    def _decide(self, effects: list[Effect], now: float) -> None:
        if not self._busy and not self._halted:
            if self._skipped and not self._hopes(self._applied):  # from the first block on, then
                self._restart(self._applied, self._confirmed)
            self._scan(effects)
            if self._anchors and (self._fault or self._covers()):
                self._prove(effects)
        if self._halted:
            return
        hopes = self._hopes(self._applied)
        if hopes:
            effects += self._search.decide(now, self._chain.newest, self._chain.recorded)
        self._ask(effects, now)
        if not self._busy and (work := self._next_work(hopes, now)) is not None:
            self._busy = True
            effects.append(work)

    def _hopes(self, applied: Height) -> bool:
        """Is a snapshot of a peer hoped for?"""
        return self._search.hopes(applied, max(self._chain.newest, self.known))

    def _next_work(self, hopes: bool, now: float) -> Effect | None:
        """The next effect that is answered, of what is recorded here; None: nothing can be done
        without peers."""
        ends = [end for end in self._ends if end.anchor.height <= self._proven]
        if hopes:
            return self._search.attempt(ends[-1].height if ends else None, now)
        if self._applied == self._confirmed < self._chain.newest and self._may_execute:
            return Execute()
        if not self._may_apply:
            return None
        self._target = self._target or self._choose(ends)
        if self._target is None:
            return None
        anchor = self._target.anchor.height
        if self._applied == anchor:
            return Confirm(anchor, self._target.height)
        return Apply(
            Height(self._applied + 1), Height(min(anchor, self._applied + APPLY_BLOCKS_MAX))
        )

    def _choose(self, ends: list[Link]) -> Link | None:
        """By which certified header to confirm: the farthest within one APPLY, beyond which no
        CONFIRM is put off, else the nearest, however far."""
        chosen: Link | None = None
        for end in ends:
            height = end.anchor.height
            if height < self._applied:
                continue
            if chosen is not None and height > self._applied + APPLY_BLOCKS_MAX:
                break
            if chosen is None or height > chosen.anchor.height:
                chosen = end
        return chosen

    def _ask(self, effects: list[Effect], now: float) -> None:
        """Ask one peer at a time, while an anchor is known that what is recorded does not reach."""
        if not self._anchors:
            self._givers.rest()
            self._forget_given()
            return
        if self._givers.is_late(now):
            self._forget_given()
        peer = self._givers.choose()
        if peer is not None and self._givers.awaited is None and not self._covers():
            start = Height(self._proven + len(self._given) + 1)
            self._givers.asked(start, now)
            effects.append(Ask(peer, start))
