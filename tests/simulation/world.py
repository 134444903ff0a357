"""A whole cluster from one seed: actors, a network, a clock, and checkers that look on after every event.

Owns time and order, nothing else: one seed gives one world, event for event. Nodes are honest (the real Replica over a
simulated disk) or liars; crashes fall on any boundary between two effects.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from heapq import heappop, heappush
from random import Random

from tests.simulation.actors.actor import Actor, ActorEvent, Liar, Role, Send, Submitted
from tests.simulation.actors.honest import Crash, Honest, Witness
from tests.simulation.checkers import Ledger, Omniscient, Violation, check_memory
from tests.simulation.keys import FakeKeyring, Keyring
from tests.simulation.network import Network
from tests.simulation.transcript import describe

from strongroom.consensus.blocks import Header, decode_payload, genesis_header
from strongroom.consensus.events import Commit, Now, Received, Tick
from strongroom.consensus.messages import Message, Propose
from strongroom.consensus.replica import Replica
from strongroom.consensus.settings import Settings
from strongroom.consensus.statements import Statement
from strongroom.consensus.types import ChainId, Digest, Epoch, Milliseconds, SignerIndex
from strongroom.consensus.validators import EpochDescription, Validator

START = 1_000.0
WALL_START_MS = 1_700_000_000_000
EVENTS_MAX = 2_000_000
MEMORY_CHECK_EVERY = 50

LiarFactory = Callable[[Role], Actor]


class World(Witness):
    """One simulated cluster."""

    def __init__(
        self,
        *,
        size: int,
        seed: int,
        liars: Mapping[int, LiarFactory] | None = None,
        settings: Settings | None = None,
        network: Network | None = None,
        keyring: Keyring | None = None,
        wishes: dict[int, Digest] | None = None,
    ) -> None:
        self.random = Random(seed)
        self.network = network or Network(Random(seed + 1), salt=seed)
        self.settings = settings or Settings()
        self.now = START
        self.skew_ms: dict[int, int] = {}
        self.events = 0
        self.trace: list[str] | None = None
        self.digest = sha256()
        """Of every delivery and signature, in order: two runs of one seed are equal."""
        self.faults: list[tuple[SignerIndex, SignerIndex, str]] = []
        self.accused: set[SignerIndex] = set()
        self.submitted: dict[bytes, SignerIndex] = {}
        self._queue: list[tuple[float, int, str, SignerIndex, object]] = []
        self._serial = 0
        self._crash_at: dict[SignerIndex, tuple[str, int]] = {}
        self._ticks: dict[SignerIndex, float] = {}
        self._make_members(size, seed, keyring or FakeKeyring(), wishes or {})
        self.down: set[SignerIndex] = set()
        liars = liars or {}
        self.liars = frozenset(SignerIndex(index) for index in liars)
        self.omniscient = Omniscient(self.members, self.liars)
        self.ledger = Ledger(self.members, self.anchor, self.keyring.verify)
        self.actors: dict[SignerIndex, Actor] = {}
        for role in self.roles:
            make = liars.get(role.index)
            self.actors[role.index] = Honest(role, self) if make is None else make(role)

    def _make_members(self, size: int, seed: int, keyring: Keyring, wishes: dict[int, Digest]) -> None:
        self.keyring = keyring
        pairs = [
            (keyring.make(b"node %d %d" % (seed, i)), keyring.make(b"vote %d %d" % (seed, i))) for i in range(size)
        ]
        pairs.sort(key=lambda pair: pair[0].public)
        validators = tuple(Validator(node_key=node.public, vote_key=vote.public) for node, vote in pairs)
        self.members = EpochDescription(
            epoch=Epoch(0), validators=validators, public_key_digest=Digest(sha256(b"epoch key").digest())
        )
        self.chain = ChainId(sha256(b"chain %d" % seed).digest())
        self.anchor: Header = genesis_header(
            chain=self.chain, description=self.members.digest, time_ms=Milliseconds(WALL_START_MS)
        )
        self.roles = [
            Role(
                index=SignerIndex(index),
                node_key=node,
                vote_key=vote,
                chain=self.chain,
                members=self.members,
                anchor=self.anchor,
                verify=keyring.verify,
                settings=self.settings,
                random=Random(seed * 1000 + index),
                delay_classes=self.network.classes,
                wishes=wishes,
            )
            for index, (node, vote) in enumerate(pairs)
        ]

    # --- who is there -----------------------------------------------------------------------------------------------

    def honest(self, index: int) -> Honest:
        """An honest node."""
        actor = self.actors[SignerIndex(index)]
        assert isinstance(actor, Honest)
        return actor

    @property
    def honest_nodes(self) -> list[Honest]:
        """All honest nodes, up or down."""
        return [actor for index, actor in self.actors.items() if isinstance(actor, Honest) and index not in self.liars]

    @property
    def replicas(self) -> list[Replica]:
        """Replicas of the honest nodes that are up."""
        return [node.replica for node in self.honest_nodes if node.role.index not in self.down]

    def clock(self, index: int = -1) -> Now:
        """The time as a node sees it."""
        wall = WALL_START_MS + int((self.now - START) * 1000) + self.skew_ms.get(index, 0)
        return Now(self.now, Milliseconds(wall))

    # --- what the test does -----------------------------------------------------------------------------------------

    def start(self, *but: int) -> "World":
        """Boot every node except some."""
        for index in self.actors:
            if index in but:
                self.down.add(index)
            else:
                self.down.add(index)
                self.restart(index)
        return self

    def restart(self, index: int) -> None:
        """Bring a node up."""
        node = SignerIndex(index)
        self.down.discard(node)
        self._note(f"{node} starts")
        actor = self.actors[node]
        if isinstance(actor, Honest):
            self._guarded(actor, lambda: actor.boot(self.clock(index)))
        self._arm(node)

    def crash(self, index: int) -> None:
        """Take a node's power now."""
        node = SignerIndex(index)
        if node in self.down:
            return
        self.down.add(node)
        self._note(f"{node} crashes")
        actor = self.actors[node]
        if isinstance(actor, Honest):
            actor.crash()

    def crash_at(self, index: int, point: str, count: int) -> None:
        """Take a node's power when it passes a boundary for the count-th time from now (any point if empty)."""
        self._crash_at[SignerIndex(index)] = (point, count)

    def stop_crashing(self) -> None:
        """Forget all planned crashes."""
        self._crash_at.clear()

    def submit(self, index: int, transaction: bytes) -> None:
        """Hand a transaction to a node that is up."""
        node = SignerIndex(index)
        self.submitted[transaction] = node
        self._deliver(node, Submitted(transaction))

    def tempt(self, index: int, transaction: bytes) -> None:
        """Hand a liar a transaction, of which nothing is expected."""
        self._deliver(SignerIndex(index), Submitted(transaction))

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do something after `time` seconds from now."""
        self._push(self.now + time, "do", SignerIndex(0), action)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass; stops early once `until` holds, and returns whether it does."""
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            if until is not None and until():
                return True
            at, _, what, node, payload = heappop(self._queue)
            self.now = max(self.now, at)
            self._happen(what, node, payload)
        if until is None or not until():
            self.now = end
        return until is None or until()

    def everything_final(self) -> bool:
        """Has every honest node that is up stored every submitted transaction?"""
        wanted = len(self.submitted)
        return all(
            len(self.transactions(node)) == wanted for node in self.honest_nodes if node.role.index not in self.down
        )

    def transactions(self, node: Honest) -> set[bytes]:
        """Submitted transactions that a node has stored as final."""
        found: set[bytes] = set()
        for _, batches, _ in node.blocks:
            for batch in batches:
                found.update(decode_payload(batch.payload, batch.header.count))
        return found & self.submitted.keys()

    # --- what happens -----------------------------------------------------------------------------------------------

    def _push(self, at: float, what: str, node: SignerIndex, payload: object) -> None:
        self._serial += 1
        heappush(self._queue, (at, self._serial, what, node, payload))

    def _happen(self, what: str, node: SignerIndex, payload: object) -> None:
        self.events += 1
        if self.events > EVENTS_MAX:
            raise Violation("bounded work", f"{EVENTS_MAX} events")
        if what == "do":
            assert callable(payload)
            payload()
            return
        if node in self.down:
            return
        if what == "tick":
            if self._ticks.get(node) != payload:
                return
            del self._ticks[node]
            self._deliver(node, Tick())
            self._check_pace(node)
        else:
            assert isinstance(payload, Received)
            self._deliver(node, payload)

    def _deliver(self, node: SignerIndex, event: ActorEvent) -> None:
        actor = self.actors[node]
        if self.trace is not None or isinstance(event, Received):
            self._note(f"{node} {describe(event) if self.trace is not None else type(event).__name__}")
        self._guarded(actor, lambda: actor.on_event(event, self.clock(node)))
        self._arm(node)
        if isinstance(actor, Honest) and self.events % MEMORY_CHECK_EVERY == 0 and node not in self.down:
            check_memory(node, actor.replica, len(self.members.validators))

    def _guarded(self, actor: Actor, act: Callable[[], list[Send]]) -> None:
        node = actor.role.index
        try:
            sends = act()
        except Crash:
            assert isinstance(actor, Honest)
            sends = actor.take_outbox_after_crash()
            self.crash(node)
        for send in sends:
            self._post(node, send)

    def _post(self, sender: SignerIndex, send: Send) -> None:
        if isinstance(send.message, Propose):
            self.omniscient.proposed(send.message.header)
        everyone = [index for index in self.actors if index != sender]
        for receiver in everyone if send.to is None else [send.to]:
            for delay in self.network.delays(sender, receiver, send.message):
                self._push(self.now + delay, "deliver", receiver, _received(sender, send.message))

    def _arm(self, node: SignerIndex) -> None:
        if node in self.down:
            return
        deadline = self.actors[node].deadline()
        if deadline is not None and self._ticks.get(node) != deadline:
            self._ticks[node] = deadline
            self._push(max(deadline, self.now), "tick", node, deadline)

    def _check_pace(self, node: SignerIndex) -> None:
        actor = self.actors[node]
        if node not in self.down and isinstance(actor, Honest):
            deadline = actor.deadline()
            if deadline is not None and deadline <= self.now:
                raise Violation("no busy loop", f"node {node} wants a tick at {deadline}, it is {self.now}")

    def _note(self, line: str) -> None:
        self.digest.update(f"{self.now:.6f} {line}\n".encode())
        if self.trace is not None:
            self.trace.append(f"{self.now - START:9.4f} {line}")

    # --- what honest nodes show (Witness) ---------------------------------------------------------------------------

    def point(self, node: SignerIndex, name: str) -> None:
        planned = self._crash_at.get(node)
        if planned is None or (planned[0] and planned[0] != name):
            return
        if planned[1] > 1:
            self._crash_at[node] = (planned[0], planned[1] - 1)
            return
        del self._crash_at[node]
        raise Crash(name)

    def signed(self, node: SignerIndex, statement: Statement) -> None:
        self._note(f"{node} signs {statement.kind.name} {statement.view} {statement.digest.hex()[:8]}")
        self.omniscient.signed(node, statement)

    def committed(self, node: SignerIndex, commit: Commit) -> None:
        self._note(f"{node} stores {commit.header.height} {commit.header.digest.hex()[:8]}")
        self.ledger.committed(node, commit)

    def booted(self, node: SignerIndex, replica: Replica) -> None:
        for header, batches, certificate in self.honest(node).blocks[self.ledger.heights[node] :]:
            digests = tuple(batch.header.digest for batch in batches)
            self.ledger.committed(node, Commit(header, digests, certificate))  # survived, though never acknowledged
        self.ledger.booted(node, len(self.honest(node).blocks))

    def fault(self, node: SignerIndex, peer: SignerIndex, reason: str) -> None:
        self.faults.append((node, peer, reason))

    def evidence(self, node: SignerIndex, signer: SignerIndex) -> None:
        self.accused.add(signer)
        if signer not in self.liars:
            raise Violation("nobody honest is accused", f"node {node} accuses {signer}")


def _received(sender: SignerIndex, message: Message) -> Received:
    return Received(sender, message)  # type: ignore[arg-type]


def silent(role: Role) -> Liar:
    """A node that is dead from the start."""
    return Liar(role)
