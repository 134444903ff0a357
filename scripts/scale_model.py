"""The machines of `./scripts/scale`: one per node, with processors and a line of some bandwidth.

Real participants in the simulator's world; what each message, signature and block costs comes from
scale_costs.py. A host and an enclave have a processor each: what finds it busy waits, in the order
in which it came. Batches are as large as their payments. Times are simulated, so a busy machine
changes nothing.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from functools import partial
from random import Random

from scripts.departures import Departures
from scripts.scale_costs import KIB, Costs
from tests.simulation.actors.actor import Role
from tests.simulation.actors.enclave import SimulatedEnclave
from tests.simulation.actors.store import Store
from tests.simulation.actors.witness import Witness
from tests.simulation.keys import FakeKeyring
from tests.simulation.network import Network, kind_of
from tests.simulation.scenes import Scene
from tests.simulation.world import LiarFactory

from strongroom.consensus.batches import BATCH_ENVELOPES_MAX, Batch, encode_payload
from strongroom.consensus.blocks import Header
from strongroom.consensus.messages import Message, encode_message
from strongroom.consensus.replica.events import Commit, Received
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.statements import Statement
from strongroom.consensus.types import Digest, SignerIndex
from strongroom.node.mempool.batch_pool import ORIGIN_BYTES_MAX

FRAME_BYTES = 4 + 22
"""Length prefix, and what a TLS 1.3 record adds."""
PAYMENT_BYTES = 235 + 3
"""An envelope of the smallest class, in a batch."""
POLL_SECONDS = 0.001
LOG_BYTES_MAX = 1 << 30
WAITING_MAX = 20_000
"""Payments of one node that wait: what comes beyond is refused, as a full mempool does."""


@dataclass
class Lines(Network):
    """Links of one delay; each node sends through one line, a message after the other."""

    link: float = 0.001
    bytes_per_second: float = 125e6
    machines: "Machines | None" = None
    messages: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    _sizes: dict[int, int] = field(default_factory=dict)
    _kept: list[Message] = field(default_factory=list)
    _line: dict[SignerIndex, float] = field(default_factory=dict)

    def delays(self, sender: SignerIndex, receiver: SignerIndex, message: Message) -> list[float]:
        """What is being worked on, then the frame, then the line, then the link."""
        machines = self.machines
        assert machines is not None
        size, kind = self.size_of(message), kind_of(message)
        self.messages[kind] += 1
        self.bytes[kind] += size
        costs = machines.costs
        ready = machines.work(sender, costs.frame + costs.kib * size / KIB)
        gone = max(ready, self._line.get(sender, 0.0)) + size / self.bytes_per_second
        self._line[sender] = gone
        arrivals = super().delays(sender, receiver, message)
        return [gone - machines.now + self.link for _ in arrivals]

    def size_of(self, message: Message) -> int:
        """Bytes on the link; encoded once however many receive it: a broadcast hands over one
        object."""
        if id(message) not in self._sizes:
            self._kept.append(message)
            self._sizes[id(message)] = len(encode_message(message)) + FRAME_BYTES
        return self._sizes[id(message)]

    def forget(self) -> None:
        """Count from here."""
        self.messages.clear()
        self.bytes.clear()


class PricedEnclave(SimulatedEnclave):
    """Executes one block after the other, each for as long as its payments take."""

    def __init__(self, machines: "Machines", role: Role, witness: Witness, store: Store) -> None:
        super().__init__(role, witness, store)
        self.machines, self.busy = machines, 0.0

    def take(self, header: Header, now: float) -> None:
        costs, machines = self.machines.costs, self.machines
        quorum = machines.members.quorum.size
        payments = machines.payments_in(header)
        cost = costs.block_enclave + quorum * costs.verify + payments * costs.payment_enclave
        self.busy = max(now, self.busy) + cost
        machines.spent["enclave"] += cost
        self._due.append((self.busy, int(header.height)))


class Machines(Scene):
    """A cluster of priced machines."""

    def __init__(
        self,
        size: int,
        *,
        costs: Costs,
        link: float,
        settings: Settings,
        bytes_per_second: float = 125e6,
        liars: dict[int, LiarFactory] | None = None,
    ) -> None:
        self.costs, self.spent = costs, dict.fromkeys(("host", "enclave"), 0.0)
        self.payments: dict[bytes, int] = {}
        """By a batch's payload: how many it stands for."""
        self.executed_at: dict[bytes, float] = {}
        self._busy: dict[SignerIndex, float] = {}
        self._acting = SignerIndex(0)
        self.lines = Lines(Random(1), link=link, bytes_per_second=bytes_per_second)
        self._blocks: dict[Digest, int] = {}
        keyring = PricedKeyring(self)
        super().__init__(size, liars=liars, settings=settings, network=self.lines, keyring=keyring)
        self.lines.machines = self
        for node in self.honest_nodes:
            node.make_enclave = partial(PricedEnclave, self)
            node.log_bytes_max, node.lane_bytes_max = LOG_BYTES_MAX, ORIGIN_BYTES_MAX

    def forget(self) -> None:
        """Count from here."""
        self.lines.forget()
        self.spent.update(host=0.0, enclave=0.0)

    # --- who pays ---

    def work(self, node: SignerIndex, seconds: float) -> float:
        """A host works; returns when it is done."""
        self._busy[node] = done = max(self.now, self._busy.get(node, 0.0)) + seconds
        self.spent["host"] += seconds
        return done

    def verified(self) -> None:
        """Whoever is acting has verified a signature."""
        self.work(self._acting, self.costs.verify)

    def signed(self, node: SignerIndex, statement: Statement) -> None:
        super().signed(node, statement)
        self.work(node, self.costs.cast)

    def committed(self, node: SignerIndex, commit: Commit) -> None:
        super().committed(node, commit)
        payments = self.payments_in(commit.header)
        self.work(node, self.costs.block_host + payments * self.costs.payment_host)

    def _happen(self, what: str, node: SignerIndex, payload: object) -> None:
        """A message that arrives is taken in once the host comes to it."""
        if what == "deliver" and isinstance(payload, Received) and node not in self.down:
            size = self.lines.size_of(payload.message)
            done = self.work(node, self.costs.frame + self.costs.step + self.costs.kib * size / KIB)
            self._push(done, "taken", node, payload)
            return
        self._acting = node
        super()._happen(what, node, payload)

    def _check_bounds(self, node: SignerIndex, actor: object) -> None:
        """The checkers of memory are the simulator's own tests' business."""

    # --- what batches stand for ---

    def payments_of(self, batch: Batch) -> int:
        """How many payments a batch stands for."""
        return self.payments.get(batch.payload, 0)

    def payments_in(self, header: Header) -> int:
        """How many a block orders."""
        if header.digest not in self._blocks:
            for node in self.honest_nodes:
                for held, batches, _ in node.store.blocks[-8:]:
                    if held.digest == header.digest:
                        self._blocks[header.digest] = sum(map(self.payments_of, batches))
        return self._blocks.get(header.digest, 0)


class PricedKeyring(FakeKeyring):
    """Tells who pays for a verification."""

    def __init__(self, machines: Machines) -> None:
        super().__init__()
        self._machines = machines

    def verify(self, public: bytes, signature: bytes, message: bytes) -> bool:
        self._machines.verified()
        return super().verify(public, signature, message)


class Load:
    """Payments that arrive at random, at some of the nodes."""

    def __init__(self, scene: Machines, rate: float, origins: tuple[int, ...]) -> None:
        self._scene, self._rate, self._origins = scene, rate, origins
        self._random, self._next = Random(7), scene.now
        self._gathered: dict[int, list[float]] = {seat: [] for seat in origins}
        self._waiting: dict[int, deque[list[float]]] = {seat: deque() for seat in origins}
        self._looked = dict.fromkeys(origins, 0)
        self._made = 0
        self._departures = Departures()
        self.waits: list[tuple[float, float]] = []
        """(When a payment came, seconds until it was executed where it came.)"""
        self.batches = 0

    def poll(self) -> None:
        """One moment: who arrives, what is executed, which batches leave; then the next."""
        now = self._scene.now
        while self._next <= now:
            seat = self._random.choice(self._origins)
            waiting = sum(map(len, self._waiting[seat]))
            if len(self._gathered[seat]) + waiting < WAITING_MAX:
                self._gathered[seat].append(self._next)
            self._next += self._random.expovariate(self._rate)
        for seat in self._origins:
            if seat not in self._scene.down:
                self._settle(seat, now)
                while self._leaves(seat, now):
                    self._batch(seat)
        self._scene.at(POLL_SECONDS, self.poll)

    def _settle(self, seat: int, now: float) -> None:
        waiting, store = self._waiting[seat], self._scene.honest(seat).store
        for _, batches, _ in store.blocks[self._looked[seat] : store.executed]:
            for batch in batches:
                if batch.header.lane == seat:
                    self.waits += [(came, now - came) for came in waiting.popleft()]
        self._looked[seat] = int(store.executed)

    def _leaves(self, seat: int, now: float) -> bool:
        """As node/mempool/mempool.py decides."""
        gathered, node = self._gathered[seat], self._scene.honest(seat)
        own, state = node.participant.run.own, node.replica.state
        if not gathered or own is None or state.throttled:
            return False
        due = state.batch_due(now)
        return self._departures.leaves(seat, len(gathered), due, now)

    def _batch(self, seat: int) -> None:
        self._made += 1
        self.batches += 1
        taken = self._gathered[seat][:BATCH_ENVELOPES_MAX]
        del self._gathered[seat][:BATCH_ENVELOPES_MAX]
        name = b"batch %d" % self._made + bytes(len(taken) * PAYMENT_BYTES)
        self._scene.payments[encode_payload([name])] = len(taken)
        self._waiting[seat].append(taken)
        self._scene.submit(seat, name)
