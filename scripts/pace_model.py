"""A machine that four simulated nodes and their clients share, for `./scripts/pace`.

Real replicas in the simulator's world, on links of one delay: every message, frame and execution
takes some of the machine's processors' time, more for each payment in it, and what finds them busy
waits. The costs are those that docs/performance.md measured. Clients and nodes gather payments as
`node/client/calls` and `node/mempool` do, with the same code where there is some. Times are
simulated, so a busy machine changes nothing.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from scripts.departures import Departures
from tests.simulation.network import Network
from tests.simulation.scenes import Scene

from strongroom.consensus.batches import encode_payload
from strongroom.consensus.blocks import Header
from strongroom.consensus.messages import BatchMessage, Message, Status
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import SignerIndex
from strongroom.node.client.calls.company import COMPANY_CALLS, FrameCompany
from strongroom.node.host.wiring import SETTINGS
from strongroom.node.mempool.batch_pool import ORIGIN_BYTES_MAX

SIZE = 4
PROCESSORS = 2
MESSAGE_SECONDS = 0.00045
"""A block's 14 ms over its 30 messages."""
FRAME_SECONDS = 0.00015
"""A client's frame and its answer: what waiting for company saved (docs/performance.md)."""
CALL_SECONDS = 0.000024
"""Sealing, opening and the front door, a payment."""
HELD_SECONDS = 0.000008
"""A payment in a batch, on each node that it is sent to."""
EXECUTION_SECONDS, EXECUTED_SECONDS = 0.0007, 0.000021
"""On each node: a block, and a payment in it with its outcome's record."""
POLL_SECONDS = 0.0005
TURN_SECONDS = 0.001
"""A client in a closed loop calls again so long after its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What is waited for, in seconds; None: as learnt."""

    gap: float | None = None
    """Of a leader, for each batch of the block below."""
    anchor: float | None = None
    """Of a block that would only anchor."""
    lead: float | None = None
    """Of a batch, before a leader could take it."""
    company: float | None = None
    """Of calls, for a frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Links, machine and load."""

    link: float
    """Seconds, one way."""
    slower: float = 1.0
    """Everything takes so many times as long."""
    rate: float = 0.0
    """Payments a second that arrive at random; 0: a closed loop."""
    outstanding: int = 1
    """Of each client, in a closed loop."""
    clients: int = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """What a case gave; times in ms."""

    p50: float
    """From the call to the executed block, where it was called."""
    receipt: float
    """From there to a final block that anchors it."""
    blocks: float
    """A second."""


@dataclass
class Machine(Network):
    """Links of one delay between nodes that share processors."""

    link: float = 0.001
    slower: float = 1.0
    busy: list[float] = field(default_factory=lambda: [0.0] * PROCESSORS)
    payments: dict[bytes, int] = field(default_factory=dict)
    """By a batch's payload: how many it stands for."""
    scene: Scene | None = None

    def work(self, cost: float) -> float:
        """Seconds until this is done, in the order in which it came."""
        now = 0.0 if self.scene is None else self.scene.now
        first = self.busy.index(min(self.busy))
        self.busy[first] = max(now, self.busy[first]) + cost * self.slower
        return self.busy[first] - now

    def delays(self, sender: SignerIndex, receiver: SignerIndex, message: Message) -> list[float]:
        """Work, then the link."""
        if isinstance(message, Status) or self.scene is None:
            return [self.link]
        cost = MESSAGE_SECONDS
        if isinstance(message, BatchMessage):
            cost += HELD_SECONDS * self.payments.get(message.batch.payload, 0)
        return [self.work(cost) + self.link]


@dataclass(slots=True)
class Call:
    """One payment: when it was called, and whose it is."""

    at: float
    client: "Caller"
    frame: "SentFrame | None" = None


@dataclass(slots=True)
class SentFrame:
    """Calls that left together."""

    at: float
    open: int


class Caller:
    """One client: its calls gather for a frame as those of node/client/calls/in_flight.py."""

    def __init__(self, crowd: "Crowd", seat: int) -> None:
        self._crowd, self._seat = crowd, seat
        self._waiting: list[Call] = []
        self._under_way = 0
        self._company = FrameCompany()
        self._leaves_at: float | None = None

    def call(self) -> None:
        """One payment more."""
        scene = self._crowd.scene
        self._waiting.append(Call(scene.now, self))
        fixed = self._crowd.waits.company
        pause = self._company.pause(self._under_way, len(self._waiting))
        if fixed is not None:
            pause = fixed if self._under_way else 0.0
        if pause <= 0 or len(self._waiting) >= COMPANY_CALLS:
            self._leave()
        elif self._leaves_at is None:
            self._leaves_at = scene.now + pause
            scene.at(pause, self._leave_if_due)

    def _leave_if_due(self) -> None:
        if self._leaves_at is not None and self._leaves_at <= self._crowd.scene.now:
            self._leave()

    def _leave(self) -> None:
        self._leaves_at = None
        calls, self._waiting = self._waiting, []
        frame = SentFrame(self._crowd.scene.now, len(calls))
        for call in calls:
            call.frame = frame
        self._under_way += 1
        took = self._crowd.machine.work(FRAME_SECONDS + CALL_SECONDS * len(calls))
        self._crowd.scene.at(took, partial(self._crowd.arrive, self._seat, calls))

    def answered(self, call: Call) -> None:
        """It is executed."""
        frame, scene = call.frame, self._crowd.scene
        if frame is not None:
            frame.open -= 1
            if not frame.open:
                self._under_way -= 1
                self._company.answered(scene.now - frame.at)
        if not self._crowd.case.rate:
            scene.at(TURN_SECONDS * self._crowd.case.slower, self.call)


class Crowd:
    """All clients, and what four nodes do with their payments."""

    def __init__(self, scene: Scene, machine: Machine, case: Case, waits: Waits) -> None:
        self.scene, self.machine, self.case, self.waits = scene, machine, case, waits
        self._random = Random(7)
        self._gathered: list[list[tuple[float, Call]]] = [[] for _ in range(SIZE)]
        self._ordered: list[deque[tuple[bytes, list[Call]]]] = [deque() for _ in range(SIZE)]
        self._executed_at = [0.0] * SIZE
        self._anchors: list[deque[tuple[int, float, float]]] = [deque() for _ in range(SIZE)]
        self.results: list[tuple[float, float]] = []
        """(When a payment was called, seconds until it was executed where it was called.)"""
        self.receipts: list[tuple[float, float]] = []
        self._made = 0
        self._departures = Departures()
        self._callers = [Caller(self, index % SIZE) for index in range(case.clients)]
        for seat in range(SIZE):
            scene.honest(
                seat
            ).pool.origin_bytes_max = ORIGIN_BYTES_MAX  # as a node's, not a scene's
            enclave = scene.honest(seat).enclave
            enclave.take = partial(self._take, seat, enclave.take)  # type: ignore[method-assign]

    def begin(self) -> None:
        """Let them call."""
        if self.case.rate:
            self._next_arrival()
        else:
            for caller in self._callers:
                for _ in range(self.case.outstanding):
                    caller.call()
        self._poll()

    def _next_arrival(self) -> None:
        self._random.choice(self._callers).call()
        self.scene.at(self._random.expovariate(self.case.rate), self._next_arrival)

    def arrive(self, seat: int, calls: list[Call]) -> None:
        """A frame is in a node's mempool."""
        self._gathered[seat] += [(self.scene.now, call) for call in calls]
        self._look(seat)

    def _poll(self) -> None:
        for seat in range(SIZE):
            self._look(seat)
            anchored = self.scene.honest(seat).store.final.anchor.height
            waiting = self._anchors[seat]
            while waiting and waiting[0][0] <= anchored:
                _, called, executed = waiting.popleft()
                self.receipts.append((called, max(0.0, self.scene.now - executed)))
        self.scene.at(POLL_SECONDS, self._poll)

    def _look(self, seat: int) -> None:
        """Does a batch leave? As node/mempool/mempool.py decides."""
        gathered, node, now = self._gathered[seat], self.scene.honest(seat), self.scene.now
        own, state = node.participant.run.own, node.replica.state
        if not gathered or own is None or state.throttled:
            return
        due = state.batch_due(now, self.waits.lead)
        if self._departures.leaves(seat, len(gathered), due, now):
            self._batch(seat)

    def _batch(self, seat: int) -> None:
        self._made += 1
        gathered, self._gathered[seat] = self._gathered[seat], []
        name = b"batch %d" % self._made
        self.machine.payments[encode_payload([name])] = len(gathered)
        self._ordered[seat].append((name, [call for _, call in gathered]))
        self.scene.submit(seat, name)

    def _take(
        self, seat: int, take: Callable[[Header, float], None], header: Header, now: float
    ) -> None:
        """A final block is given to a node's enclave: how long it takes, and whom it answers."""
        node = self.scene.honest(seat)
        _, batches, _ = node.store.blocks[header.height - 1]
        count = sum(self.machine.payments.get(batch.payload, 0) for batch in batches)
        took = self.machine.work(EXECUTION_SECONDS + EXECUTED_SECONDS * count)
        done = max(self._executed_at[seat], now + took)
        self._executed_at[seat] = done
        node.enclave.delay = done - now
        take(header, now)
        ordered, calls = self._ordered[seat], []
        while ordered and ordered[0][0] in node.store.seen:
            calls += ordered.popleft()[1]
        if calls:
            self.scene.at(done - now, partial(self._answer, seat, int(header.height), calls))

    def _answer(self, seat: int, height: int, calls: list[Call]) -> None:
        now = self.scene.now
        for call in calls:
            self.results.append((call.at, now - call.at))
            self._anchors[seat].append((height, call.at, now))
            call.client.answered(call)


def measure(case: Case, waits: Waits, *, seconds: float = 4.0, warm: float = 1.5) -> Seen:
    """One case with these waits, for so many simulated seconds."""
    machine = Machine(Random(1), link=case.link, slower=case.slower)
    scene = Scene(SIZE, settings=settings_for(case.link, waits), network=machine)
    machine.scene = scene
    scene.start()
    scene.run(0.5)
    crowd = Crowd(scene, machine, case, waits)
    crowd.begin()
    scene.run(warm)
    begin, height = scene.now, max(scene.heights())
    scene.run(seconds)
    blocks = (max(scene.heights()) - height) / seconds
    return Seen(_median(crowd.results, begin), _median(crowd.receipts, begin), blocks)


def _median(waits: list[tuple[float, float]], begin: float) -> float:
    seen = sorted(wait for called, wait in waits if called >= begin)
    return seen[len(seen) // 2] * 1000 if seen else float("nan")


def settings_for(link: float, waits: Waits) -> Settings:
    """A node's own settings on links of this delay, with constants where they are wanted."""
    settings = replace(
        SETTINGS,
        delta0=max(SETTINGS.delta0, 4 * link),
        fetch_wait=max(0.2, 3 * link),
        anchor_gap=waits.anchor,
    )
    if waits.gap is None:
        return settings
    return replace(settings, min_gap=waits.gap, gap_executions=0.0)
