"""Carries out how a node goes on whose enclave cannot execute (DESIGN §5, joiner; PROTOCOL §6):
catch_up.py decides.

Owns the way between peers, disk and enclave, and the queue of events: one answer of outcomes, one
event per chunk that was asked for. A peer's word counts for nothing: stored_chain.py decodes it
against the block that is final here, and catch_up.py has an anchor prove it before anything is
recorded (T34).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import assert_never

import structlog

from strongroom.consensus.errors import OperatorFault, PeerFault
from strongroom.consensus.host_messages import OutcomeRequest, Outcomes, SnapshotChunk
from strongroom.consensus.messages import encode_message
from strongroom.consensus.types import Height, PublicKey
from strongroom.enclave.formats.history import HistoryTree
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import EpochUnknown, KeysNeeded, Refusal
from strongroom.node.execution.pipeline import Pipeline
from strongroom.node.ledger.archive.faults import SegmentNotAtHand
from strongroom.node.ledger.reading import (
    APPLY_BYTES_MAX,
    head_at,
    header_at,
    outcome_at,
    stored_runs,
)
from strongroom.node.ledger.store import BlockStore
from strongroom.node.network.links import Links
from strongroom.node.sync.catch_up import CatchUp
from strongroom.node.sync.catch_up_events import (
    Apply,
    Ask,
    Began,
    Blame,
    Confirm,
    Effect,
    Event,
    Execute,
    Given,
    Halt,
    MoreToRead,
    Record,
    Tick,
    WasApplied,
    WasConfirmed,
    WasExecuted,
    WasRecorded,
)
from strongroom.node.sync.snapshot_peer_search import (
    AskChunk,
    ChunkRefused,
    DropSnapshot,
    FetchSnapshot,
    TrySnapshot,
)
from strongroom.node.sync.snapshot_seeker import SnapshotSeeker
from strongroom.node.sync.stored_chain import StoredChain

TICK_SECONDS = 0.5
"""Between two looks at whether blocks, keys, links or an epoch have come."""
EVENTS_MAX = 64
RETRY_SECONDS = 10.0
"""After what is archived could not be read; peers are asked for a snapshot meanwhile."""
GOES_ON = (Apply, Confirm, Execute)
"""Effects that bring the enclave further, by what is recorded here."""
NOT_YET = (KeysNeeded, EpochUnknown)
"""Kinds of refusals that a key or an epoch ends; the enclave has taken over what came before."""

log = structlog.get_logger()


class Follower:
    """Catches the enclave up while the pipeline is behind."""

    def __init__(
        self,
        *,
        store: BlockStore,
        history: HistoryTree,
        enclave: EnclaveClient,
        links: Links,
        pipeline: Pipeline,
        seeker: SnapshotSeeker,
        on_fault: Callable[[PublicKey], None],
    ) -> None:
        """Make it; `run` works.

        Args:
            store: the ledger folder.
            history: over all recorded outcomes.
            enclave: what is caught up.
            links: to peers.
            pipeline: sets `behind`, records outcomes.
            seeker: fetches snapshots.
            on_fault: told of a peer that lied.
        """
        self._store, self._enclave, self._links = store, enclave, links
        self._pipeline, self._seeker, self._on_fault = pipeline, seeker, on_fault
        self._chain = StoredChain(store, history)
        self._machine = CatchUp(self._chain)
        self._events: deque[Event] = deque()
        self._answer: tuple[PublicKey, Outcomes] | None = None
        self._wake = asyncio.Event()
        self._ticked_at = 0.0
        self.alarm = ""
        """Why the enclave waits for this node's archive; empty: it does not."""

    # --- events -----------------------------------------------------------------------------------

    def receive(self, sender: PublicKey, message: Outcomes) -> None:
        """A peer's answer; whoever was not asked is not listened to."""
        if (
            self._pipeline.behind.is_set()
            and sender == self._machine.awaited
            and self._answer is None
        ):
            self._answer = (sender, message)
            self._wake.set()

    def receive_chunk(self, sender: PublicKey, message: SnapshotChunk) -> None:
        """A peer's chunk of a snapshot.

        Raises:
            PeerFault: it contradicts what the peer said before; the next one is asked.
        """
        try:
            event = self._seeker.receive(sender, message)
        except PeerFault:
            self._put(ChunkRefused())
            raise
        if event is not None and len(self._events) < EVENTS_MAX:
            self._put(event)

    def note_fresh(self, height: int) -> None:
        """What q heads showed when this node began."""
        self._machine.known = Height(height)

    def _put(self, event: Event) -> None:
        self._events.append(event)
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            OperatorFault: what is recorded here, or what the enclave holds, is not what a quorum
                certified.
        """
        while True:
            await self._pipeline.behind.wait()
            try:
                await self._catch_up()
            except SegmentNotAtHand as fault:
                self._raise_alarm(fault)
                self._machine.seek_again()
                await asyncio.sleep(RETRY_SECONDS)

    async def _catch_up(self) -> None:
        """Until the enclave executes again.

        Raises:
            SegmentNotAtHand: what it needs is archived, and cannot be read now; nothing is lost,
                and it may begin again.
        """
        self._events.clear()
        self._answer = None
        self._put(Began((await self._enclave.status()).executed, self._pipeline.reached))
        self._put(self._tick())
        while self._pipeline.behind.is_set():
            event = await self._next_event()
            for effect in self._machine.step(event, _now()):
                await self._carry_out(effect)
                if isinstance(effect, GOES_ON):
                    self._over()

    def _raise_alarm(self, fault: SegmentNotAtHand) -> None:
        text = f"this node cannot execute until it has what it archived: {fault}"
        if text != self.alarm:
            log.error("follower.waits", text=text, then="it is tried again by itself")
        self.alarm = text

    def _over(self) -> None:
        if self.alarm:
            log.info("follower.goes_on", what="the enclave comes further")
        self.alarm = ""

    async def _next_event(self) -> Event:
        """What came: a peer's answer before all else, for the enclave's work must not make it seem
        late."""
        if self._answer is not None:
            (sender, message), self._answer = self._answer, None
            return self._chain.decode(sender, message, self._machine.awaited_start)
        if _now() - self._ticked_at >= TICK_SECONDS:
            return self._tick()
        if self._events:
            return self._events.popleft()
        if self._machine.is_reading:
            await asyncio.sleep(0)
            return MoreToRead()
        self._wake.clear()
        try:
            async with asyncio.timeout(TICK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return self._tick()
        return await self._next_event()

    def _tick(self) -> Tick:
        self._ticked_at = _now()
        return Tick(tuple(sorted(self._links.links)))

    # --- effects ----------------------------------------------------------------------------------

    async def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Ask(peer, start):
                self._links.send_to(peer, encode_message(OutcomeRequest(start)))
            case Blame(peer, reason):
                log.warning("follower.forged", peer=peer.hex()[:16], reason=reason)
                self._on_fault(peer)
            case Record(outcomes):
                await self._record(outcomes)
            case Apply(first, last):
                await self._apply(first, last)
            case Confirm(anchor, certified):
                await self._confirm(anchor, certified)
            case Execute():
                await self._execute_stored()
            case Halt(height):
                raise OperatorFault(
                    f"the outcomes recorded up to height {height} are not what a quorum executed: "
                    "restore the ledger folder, or remove it and let this node catch up"
                )
            case FetchSnapshot() | AskChunk() | DropSnapshot() | TrySnapshot():
                await self._search(effect)
            case _:
                assert_never(effect)

    async def _record(self, outcomes: tuple[Given, ...]) -> None:
        headers = [header_at(self._store, one.height) for one in outcomes]
        encoded = [one.data for one in outcomes]
        await self._pipeline.record_outcomes(
            headers, encoded, [one.outcome for one in outcomes], ahead=True
        )
        log.info("follower.recorded", height=outcomes[-1].height)
        self._put(WasRecorded())

    async def _apply(self, first: Height, last: Height) -> None:
        """Give the enclave recorded outcomes that an anchor has proven, as many as one request may
        hold."""
        outcomes: list[bytes] = []
        size = 0
        for height in range(first, last + 1):
            outcomes.append(outcome_at(self._store, height))
            size += len(outcomes[-1])
            if size >= APPLY_BYTES_MAX:
                break
        headers = [header_at(self._store, first + offset) for offset in range(len(outcomes))]
        try:
            await self._enclave.apply(headers, outcomes)
        except Refusal as refusal:
            if not isinstance(refusal, NOT_YET):
                raise _not_taken(refusal) from None
            self._put(WasApplied((await self._enclave.status()).executed, refused=True))
        else:
            self._put(WasApplied(headers[-1].height, refused=False))

    async def _confirm(self, anchor: Height, certified: Height) -> None:
        _, certificate = head_at(self._store, certified)
        assert certificate is not None, "a Link that is certified"
        try:
            await self._enclave.confirm(
                [header_at(self._store, height) for height in range(anchor + 1, certified + 1)],
                certificate,
            )
        except Refusal as refusal:
            if not isinstance(refusal, NOT_YET):
                raise _not_taken(refusal) from None
            self._put(WasConfirmed(refused=True))
            return
        await self._pipeline.reach(anchor)
        log.info("follower.applied", height=int(anchor))
        self._put(WasConfirmed(refused=False))

    async def _execute_stored(self) -> None:
        """Execute every stored run that is left, and be behind no more, or as far as the enclave
        can."""
        while self._pipeline.reached < self._store.newest_block:
            run = next(stored_runs(self._store, self._pipeline.reached), None)
            if run is None:
                break
            blocks = [(header, list(batches)) for header, batches in run.blocks]
            try:
                await self._pipeline.execute(blocks, run.certificate)
            except Refusal as refusal:
                if not isinstance(refusal, NOT_YET):
                    raise
                self._put(WasExecuted(self._pipeline.reached, refused=True))
                return
        self._pipeline.behind.clear()
        log.info("follower.executes", height=int(self._pipeline.reached))

    async def _search(self, effect: FetchSnapshot | AskChunk | DropSnapshot | TrySnapshot) -> None:
        match effect:
            case FetchSnapshot(peer):
                self._seeker.fetch(peer)
            case AskChunk():
                self._seeker.ask()
            case DropSnapshot(reason):
                self._seeker.drop(reason)
            case TrySnapshot(certified):
                header, certificate = head_at(self._store, certified)
                assert certificate is not None, "a Link that is certified"
                tried = await self._seeker.use(header, certificate)
                if tried.loaded:
                    await self._pipeline.reach(tried.loaded)
                self._put(tried)
            case _:
                assert_never(effect)


def _not_taken(refusal: Refusal) -> OperatorFault:
    return OperatorFault(
        f"the enclave does not take what a quorum anchored ({refusal}): restore the ledger folder, "
        "or remove it and let this node catch up"
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
