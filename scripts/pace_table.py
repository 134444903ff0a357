"""`./scripts/pace`: what waiting costs and brings, with constants and learnt (docs/performance.md).

Real replicas in the simulator's world, on links of one delay, all on one machine: every message
takes some of its processors' time, a batch more for each payment in it, and what finds them busy
waits. The costs are those that docs/performance.md measured; payments arrive at random, four nodes
gather them and make batches as a node's mempool does. Times are simulated, so a busy machine
changes nothing.
"""

import sys
from collections import deque
from dataclasses import dataclass, field
from random import Random

from tests.simulation.network import Network
from tests.simulation.scenes import Scene

from strongroom.consensus.batches import encode_payload
from strongroom.consensus.messages import BatchMessage, Message, Status
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.types import Lane, SignerIndex
from strongroom.node.host.wiring import SETTINGS
from strongroom.node.mempool.mempool import BATCH_ENVELOPES_GOAL, COMPANY_SECONDS_MAX
from strongroom.node.ordering.driver import BATCH_LEAD_SECONDS

SIZE = 4
PROCESSORS = 2
MESSAGE_SECONDS = 0.00045
"""A block's 14 ms over its 30 messages."""
PAYMENT_SECONDS = 0.000047
"""140 µs on all nodes and the client, over the three that a batch is sent to."""
POLL_SECONDS = 0.001
WARM_SECONDS, SECONDS = 1.5, 4.0
LOADS = (
    # link in ms, times slower, payments a second
    (1, 1, 500),
    (1, 1, 5000),
    (1, 1, 7500),
    (1, 2, 2500),
    (10, 1, 5000),
    (100, 1, 5000),
)
CONSTANTS_MS = (0, 2, 5)


@dataclass
class Machine(Network):
    """Links of one delay between nodes that share processors."""

    link: float = 0.001
    slower: float = 1.0
    busy: list[float] = field(default_factory=lambda: [0.0] * PROCESSORS)
    payments: dict[bytes, int] = field(default_factory=dict)
    """By a batch's payload: how many it stands for."""
    scene: Scene | None = None

    def delays(self, sender: SignerIndex, receiver: SignerIndex, message: Message) -> list[float]:
        """Work, in the order in which it came, then the link."""
        if isinstance(message, Status) or self.scene is None:
            return [self.link]
        cost = MESSAGE_SECONDS
        if isinstance(message, BatchMessage):
            cost += PAYMENT_SECONDS * self.payments.get(message.batch.payload, 0)
        first, now = self.busy.index(min(self.busy)), self.scene.now
        self.busy[first] = max(now, self.busy[first]) + cost * self.slower
        return [self.busy[first] - now + self.link]


class Load:
    """Payments that arrive at random, each at one of four nodes."""

    def __init__(self, scene: Scene, machine: Machine, rate: float) -> None:
        self._scene, self._machine, self._rate = scene, machine, rate
        self._random = Random(7)
        self._next = scene.now
        self._gathered: list[list[float]] = [[] for _ in range(SIZE)]
        self._ordered: list[deque[tuple[bytes, list[float]]]] = [deque() for _ in range(SIZE)]
        self.waits: list[tuple[float, float]] = []
        """(When a payment came, seconds until its batch was final where it came.)"""
        self._made = 0

    def poll(self) -> None:
        """One moment: who arrives, what is final, which batches leave; then the next."""
        now = self._scene.now
        while self._next <= now:
            self._gathered[self._random.randrange(SIZE)].append(self._next)
            self._next += self._random.expovariate(self._rate)
        for seat in range(SIZE):
            self._settle(seat, now)
            if self._leaves(seat, now):
                self._batch(seat)
        self._scene.at(POLL_SECONDS, self.poll)

    def _settle(self, seat: int, now: float) -> None:
        ordered, seen = self._ordered[seat], self._scene.honest(seat).store.seen
        while ordered and ordered[0][0] in seen:
            self.waits += [(came, now - came) for came in ordered.popleft()[1]]

    def _leaves(self, seat: int, now: float) -> bool:
        """As node/mempool/mempool.py decides."""
        gathered, node = self._gathered[seat], self._scene.honest(seat)
        own, state = node.participant.run.own, node.replica.state
        if not gathered or own is None or state.throttled:
            return False
        if len(gathered) >= BATCH_ENVELOPES_GOAL or now - gathered[0] >= COMPANY_SECONDS_MAX:
            return True
        due = state.batch_due(Lane(int(own)), BATCH_LEAD_SECONDS)
        return due is not None and due <= now

    def _batch(self, seat: int) -> None:
        self._made += 1
        name, gathered = b"batch %d" % self._made, self._gathered[seat]
        self._gathered[seat] = []
        self._machine.payments[encode_payload([name])] = len(gathered)
        self._ordered[seat].append((name, gathered))
        self._scene.submit(seat, name)


def measure(link: float, slower: float, rate: float, settings: Settings) -> tuple[float, float]:
    """One load: (p50 in ms from arrival to final, blocks a second)."""
    machine = Machine(Random(1), link=link, slower=slower)
    scene = Scene(SIZE, settings=settings, network=machine)
    machine.scene = scene
    scene.start()
    scene.run(0.5)
    load = Load(scene, machine, rate)
    load.poll()
    scene.run(WARM_SECONDS)
    begin, height = scene.now, max(scene.heights())
    scene.run(SECONDS)
    blocks = (max(scene.heights()) - height) / SECONDS
    waits = sorted(wait for came, wait in load.waits if came >= begin)
    return (waits[len(waits) // 2] * 1000 if waits else float("nan")), blocks


def settings_for(link: float, *, gap: float | None) -> Settings:
    """A node's own settings on links of this delay; with a constant gap instead of what is
    learnt."""
    return Settings(
        delta0=max(SETTINGS.delta0, 4 * link),
        fetch_wait=max(0.2, 3 * link),
        anchor_gap=SETTINGS.anchor_gap,
        min_gap=gap or 0.0,
        gap_per_queueing=SETTINGS.gap_per_queueing if gap is None else 0.0,
        gap_rounds_max=SETTINGS.gap_rounds_max,
    )


def main() -> None:
    """Print the table."""
    shown = " | ".join(f"{constant} ms a batch" for constant in CONSTANTS_MS)
    sys.stdout.write(f"| link ms | slower | payments a second | {shown} | learnt |\n")
    sys.stdout.write("|---" * (4 + len(CONSTANTS_MS)) + "|\n")
    for link_ms, slower, rate in LOADS:
        link, cells = link_ms / 1000, []
        for gap in (*(constant / 1000 for constant in CONSTANTS_MS), None):
            p50, blocks = measure(link, slower, rate, settings_for(link, gap=gap))
            cells.append(f"{p50:.0f} ({blocks:.0f})")
        sys.stdout.write(f"| {link_ms} | {slower} | {rate} | {' | '.join(cells)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
