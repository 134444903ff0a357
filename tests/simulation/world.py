"""A whole cluster from one seed: actors, a network, a clock, and checkers that look on after every
event.

Owns time and order, nothing else: one seed gives one world, event for event. Nodes are honest (the
real Replica over a simulated disk) or liars; crashes fall on any boundary between two effects.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from hashlib import sha256
from heapq import heappop, heappush
from random import Random

from tests.simulation.actors.actor import Actor, ActorEvent, Liar, Role, Send, Submitted
from tests.simulation.actors.honest import FORGET_VIEWS, Honest
from tests.simulation.actors.intake import transactions_of
from tests.simulation.actors.witness import Crash, Witness
from tests.simulation.checkers import (
    Ledger,
    Omniscient,
    Served,
    Violation,
    check_beginning,
    check_guard,
    check_held,
    check_log,
    check_memory,
    check_taken,
)
from tests.simulation.keys import FakeKeyring, Keyring
from tests.simulation.network import Network
from tests.simulation.realm import Realm, State
from tests.simulation.transcript import describe

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header, genesis_header
from strongroom.consensus.messages import Message, Propose, Range
from strongroom.consensus.replica.events import Commit, Linked, Now, Received, Tick, Unlinked
from strongroom.consensus.replica.replica import Replica
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import (
    ChainId,
    Digest,
    Epoch,
    Milliseconds,
    PublicKey,
    SignerIndex,
    View,
)
from strongroom.consensus.validators import EpochDescription

START = 1_000.0
WALL_START_MS = 1_700_000_000_000
EVENTS_MAX = 2_000_000
MEMORY_CHECK_EVERY = 50
LINK_DELAY = 0.01
"""Seconds until a node notices that a link came up or was lost."""

LiarFactory = Callable[[Role], Actor]


class Secrets(Enum):
    """How a node that restarts within a grace gets back the input secret that it needs to
    execute."""

    NEVER = "never"
    PEERS = "from a peer that executes"
    HEADS = "from such a peer, or by itself once it hears a quorum"


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
        reserves: int = 0,
        rotate_every: int | None = None,
        members_min: int | None = None,
        keeping: frozenset[int] = frozenset(),
        links: bool = False,
        grace: float = 0.0,
        secrets: Secrets = Secrets.HEADS,
        deprived: frozenset[int] = frozenset(),
    ) -> None:
        """Make a cluster of `size` members.

        Args:
            size: members of epoch 0: seats 0 to size − 1.
            seed: everything that is drawn follows from it.
            liars: what stands at some seats in the place of an honest node.
            settings: of every honest replica.
            network: how messages travel.
            keyring: makes keys and verifies signatures.
            wishes: height from which on the state wishes an epoch that nobody knows: the chain ends
                there.
            reserves: nodes that exist and are no members yet.
            rotate_every: blocks with batches after which the state wishes new keys for the same
                set.
            members_min: members below which nobody leaves; without it, as many as the liars need
                around them.
            keeping: seats that keep their vote key from epoch to epoch.
            links: tell nodes of links that come up and are lost.
            grace: seconds after an epoch began in which a node that restarts has lost the secret of
                the one before.
            secrets: how it gets that back.
            deprived: seats that never get one back, once they have restarted after epoch 0: they
                vote, and only follow.
        """
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
        self.down: set[SignerIndex] = set()
        self._tells_links, self._grace, self._secrets = links, grace, secrets
        self.deprived = deprived
        self._began: dict[Epoch, float] = {}
        self.given_up: set[tuple[Epoch, View]] = set()
        """Views in which an honest node said NULLIFY."""
        self._links: set[tuple[SignerIndex, SignerIndex]] = set()
        self._lost: dict[SignerIndex, tuple[bytes, ...]] = {}
        liars = liars or {}
        self.liars = frozenset(SignerIndex(index) for index in liars)
        self.keyring = keyring or FakeKeyring()
        self.realm = Realm(self.keyring, seed, size + reserves, members=size, keeping=keeping)
        fewest = members_min or 3 * len(self.liars) + 1
        self._make_members(
            seed,
            wishes or {},
            partial(State, self.realm, members_min=fewest, rotate_every=rotate_every),
        )
        self.epochs: dict[Epoch, EpochDescription] = {self.members.epoch: self.members}
        """Every epoch that an honest node has begun."""
        self.omniscient = Omniscient(self.epochs, self.liars, self.realm.seats_of)
        self.ledger = Ledger(self.epochs, self.anchor, self.keyring.verify)
        self.served = Served()
        self.actors: dict[SignerIndex, Actor] = {}
        for role in self.roles:
            make = liars.get(role.index)
            self.actors[role.index] = Honest(role, self) if make is None else make(role)

    def _make_members(
        self, seed: int, wishes: dict[int, Digest], new_state: Callable[[], State]
    ) -> None:
        realm = self.realm
        self.members = realm.first
        self.chain = ChainId(sha256(b"chain %d" % seed).digest())
        self.anchor: Header = genesis_header(
            chain=self.chain, description=self.members.digest, time_ms=Milliseconds(WALL_START_MS)
        )
        self.roles = [
            Role(
                index=SignerIndex(index),
                node_key=realm.node_keys[index],
                vote_key=realm.vote_key(index, 0),
                chain=self.chain,
                members=self.members,
                anchor=self.anchor,
                verify=self.keyring.verify,
                settings=self.settings,
                random=Random(seed * 1000 + index),
                delay_classes=self.network.classes,
                wishes=wishes,
                realm=realm,
                vote_key_of=partial(realm.vote_key, index),
                new_state=new_state,
            )
            for index in range(len(realm.node_keys))
        ]

    # --- who is there -----------------------------------------------------------------------------

    def honest(self, index: int) -> Honest:
        """An honest node."""
        actor = self.actors[SignerIndex(index)]
        assert isinstance(actor, Honest)
        return actor

    @property
    def honest_nodes(self) -> list[Honest]:
        """All honest nodes, up or down."""
        return [
            actor
            for index, actor in self.actors.items()
            if isinstance(actor, Honest) and index not in self.liars
        ]

    @property
    def replicas(self) -> list[Replica]:
        """Replicas of the honest nodes that are up."""
        return [node.replica for node in self.honest_nodes if node.role.index not in self.down]

    def clock(self, index: int = -1) -> Now:
        """The time as a node sees it."""
        wall = WALL_START_MS + int((self.now - START) * 1000) + self.skew_ms.get(index, 0)
        return Now(self.now, Milliseconds(wall))

    # --- what the test does -----------------------------------------------------------------------

    def start(self, *but: int) -> "World":
        """Boot every node except some."""
        self.down.update(self.actors)
        for index in self.actors:
            if index not in but:
                self.restart(index)
        return self

    def restart(self, index: int) -> None:
        """Bring a node up."""
        node = SignerIndex(index)
        self.down.discard(node)
        self._note(f"{node} starts")
        actor = self.actors[node]
        if isinstance(actor, Honest):
            self._guarded(node, actor, lambda: actor.boot(self.clock(index)))
        self._arm(node)
        self._note_links()
        again = list(self._lost.pop(node, ()))
        while again and node not in self.down:
            self._deliver(node, Submitted(again.pop(0)))
        if again:
            self._lost[node] = (*self._lost.get(node, ()), *again)

    def crash(self, index: int) -> None:
        """Take a node's power now."""
        node = SignerIndex(index)
        if node in self.down:
            return
        self.down.add(node)
        self._ticks.pop(node, None)  # or the next boot's timer, if due at that very moment, is none
        self._note(f"{node} crashes")
        actor = self.actors[node]
        if isinstance(actor, Honest):
            self._lost[node] = self._lost.get(node, ()) + actor.untaken
            actor.crash()
        self._note_links()

    def lose_log(self, index: int) -> None:
        """Delete the log of a node that is down; clients hand in again what was in it and is not
        final."""
        assert index in self.down
        self._note(f"{index} loses its log")
        actor, node = self.honest(index), SignerIndex(index)
        self.omniscient.lost_log(node, actor.epoch)
        actor.lose_log()
        given = tuple(
            tx for tx, to in self.submitted.items() if to == node and tx not in actor.store.seen
        )
        self._lost[node] = tuple(dict.fromkeys(self._lost.get(node, ()) + given))

    def crash_at(self, index: int, point: str, count: int) -> None:
        """Take a node's power when it passes a boundary for the count-th time from now (any point
        if empty)."""
        self._crash_at[SignerIndex(index)] = (point, count)

    def stop_crashing(self) -> None:
        """Forget all planned crashes."""
        self._crash_at.clear()

    def cut_back(self, index: int, blocks: int) -> None:
        """Damage the block store of a node that is down: only so many blocks, and their outcomes,
        are left."""
        node = SignerIndex(index)
        assert node in self.down
        disk = self.honest(index).disk
        for file in (disk.blocks, disk.outcomes):
            file.replace(file.read()[:blocks])
        self.ledger.heights[node] = min(self.ledger.heights[node], blocks)

    def submit(self, index: int, transaction: bytes) -> None:
        """Hand a transaction to a node that is up."""
        node = SignerIndex(index)
        self.submitted[transaction] = node
        self._deliver(node, Submitted(transaction))

    def tempt(self, index: int, transaction: bytes) -> None:
        """Hand a liar a transaction, of which nothing is expected."""
        self._deliver(SignerIndex(index), Submitted(transaction))

    def tell(self, sender: int, receiver: int, message: Message) -> None:
        """Put a message into a link, as if its sender had said it."""
        self._push(
            self.now, "deliver", SignerIndex(receiver), _received(SignerIndex(sender), message)
        )

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
            len(self.transactions(node)) == wanted
            for node in self.honest_nodes
            if node.role.index not in self.down
        )

    def everybody_is_there(self) -> bool:
        """Is every honest node that is up at the same final block of one epoch, executed, with no
        wish open?"""
        nodes = [node for node in self.honest_nodes if node.role.index not in self.down]
        ends = {(node.epoch, node.replica.state.final.digest) for node in nodes}
        return len(ends) == 1 and all(
            node.is_done or (node.role.index in self.deprived and node.follows_well)
            for node in nodes
        )

    @property
    def everything_notarized_is_final(self) -> bool:
        """Does no honest node that is up hold a notarized block above its final one?

        If it rested so for ever, whoever must know that everything notarized is final would wait: a
        linearizable query.
        """
        return all(
            replica.state.newest_notarized is None
            for replica in self.replicas
            if not replica.state.ended
        )

    def check_executing(self) -> None:
        """Voting is not executing: without q members that execute no anchor is certified, and
        nothing goes on.

        Raises:
            Violation: fewer than q honest members that are up execute, and no liar could make up
                for it.
        """
        newest = self.epochs[max(self.epochs)]
        executing = [
            node.role.index
            for node in self.honest_nodes
            if node.own is not None
            and node.epoch == newest.epoch
            and node.executes
            and node.role.index not in self.down
        ]
        if len(executing) < newest.quorum.size:
            raise Violation(
                "executing", f"{len(executing)} of {newest.quorum.size} needed execute: {executing}"
            )

    def transactions(self, node: Honest) -> set[bytes]:
        """Submitted transactions that a node has stored as final."""
        return node.store.seen & self.submitted.keys()

    # --- what happens -----------------------------------------------------------------------------

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
            self._note_links()
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
            assert isinstance(payload, Received | Linked | Unlinked)
            self._deliver(node, payload)

    def _deliver(self, node: SignerIndex, event: ActorEvent) -> None:
        actor = self.actors[node]
        if self.trace is not None or isinstance(event, Received):
            self._note(
                f"{node} {describe(event) if self.trace is not None else type(event).__name__}"
            )
        self._guarded(node, actor, lambda: actor.on_event(event, self.clock(node)))
        self._arm(node)
        if (
            isinstance(actor, Honest)
            and self.events % MEMORY_CHECK_EVERY == 0
            and node not in self.down
        ):
            self._check_bounds(node, actor)

    def _check_bounds(self, node: SignerIndex, actor: Honest) -> None:
        check_memory(node, actor.replica, len(actor.members.validators))
        check_held(node, actor.unordered, actor.lane_bytes_max, actor.members, self._is_signed)
        check_guard(node, actor.enclave.floor, actor.final_view, FORGET_VIEWS)
        check_log(node, len(actor.disk.log), actor.participant.log_bytes)

    def _is_signed(self, batch: Batch, origin: PublicKey) -> bool:
        message = batch.header.signed_bytes(self.chain)
        return self.keyring.verify(origin, batch.signature, message)

    def _guarded(self, node: SignerIndex, actor: Actor, act: Callable[[], list[Send]]) -> None:
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
        if isinstance(send.message, Range) and send.to is not None and sender not in self.liars:
            self.served.sent(sender, send.to, send.message, self.now)
        everyone = [index for index in self.actors if index != sender]
        for receiver in everyone if send.to is None else [send.to]:
            for delay in self.network.delays(sender, receiver, send.message):
                self._push(self.now + delay, "deliver", receiver, _received(sender, send.message))

    def _note_links(self) -> None:
        """A link stands between two nodes that are up, if messages pass both ways."""
        if not self._tells_links:
            return
        up, cut = [node for node in self.actors if node not in self.down], self.network.cut
        links = {
            (a, b) for a in up for b in up if a != b and (a, b) not in cut and (b, a) not in cut
        }
        for node, peer in sorted(links ^ self._links):
            if self.actors[node].hears_links:
                event = Linked(peer) if (node, peer) in links else Unlinked(peer)
                self._push(self.now + LINK_DELAY, "link", node, event)
        self._links = links

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
                raise Violation(
                    "no busy loop", f"node {node} wants a tick at {deadline}, it is {self.now}"
                )

    def _note(self, line: str) -> None:
        self.digest.update(f"{self.now:.6f} {line}\n".encode())
        if self.trace is not None:
            self.trace.append(f"{self.now - START:9.4f} {line}")

    # --- what honest nodes show (Witness) ---------------------------------------------------------

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
        self._note(
            f"{node} signs {statement.kind.name} {statement.view} {statement.digest.hex()[:8]}"
        )
        if statement.kind is Kind.NULLIFY:
            self.given_up.add((statement.epoch, statement.view))
        self.omniscient.signed(node, statement)

    def began(self, node: SignerIndex, members: EpochDescription) -> None:
        self._note(f"{node} begins epoch {members.epoch}")
        self._began.setdefault(members.epoch, self.now)
        actor = self.honest(node)
        check_beginning(node, members.epoch, actor.store, follows=not actor.executes)
        if self.epochs.setdefault(members.epoch, members) != members:
            raise Violation(
                "exactly one next set", f"node {node} begins another epoch {members.epoch}"
            )

    def committed(self, node: SignerIndex, commit: Commit) -> None:
        self._note(f"{node} stores {commit.header.height} {commit.header.digest.hex()[:8]}")
        self.ledger.committed(node, commit)

    def booted(self, node: SignerIndex) -> None:
        blocks = self.honest(node).store.blocks
        for header, batches, certificate in blocks[self.ledger.heights[node] :]:
            digests = tuple(batch.header.digest for batch in batches)
            self.ledger.committed(
                node, Commit(header, digests, certificate)
            )  # survived, though never acknowledged
        self.ledger.booted(node, len(blocks))
        actor = self.honest(node)
        self.omniscient.booted(
            node, actor.epoch, actor.log, actor.final_view, silent=actor.amnesiac
        )
        final = set[bytes]().union(
            *(other.store.seen for other in self.honest_nodes if other.boots)
        )
        held = {tx for batch in actor.log.batches for tx in transactions_of(batch)}
        check_taken(node, actor.taken, held, final)

    def lost_secret(self, node: SignerIndex) -> bool:
        epoch = self.honest(node).epoch
        within = self.now < self._began.get(epoch, self.now) + self._grace
        return epoch > 0 and (within or node in self.deprived)

    def gives_secret(self, node: SignerIndex) -> bool:
        cut = self.network.cut
        up = [
            other
            for other in self.honest_nodes
            if other.role.index not in self.down and other.role.index != node
        ]
        peers = [
            peer for peer in up if not {(peer.role.index, node), (node, peer.role.index)} & cut
        ]
        if self._secrets is Secrets.NEVER or node in self.deprived:
            return False
        if any(peer.executes and peer.epoch >= self.honest(node).epoch for peer in peers):
            return True
        members = self.honest(node).members
        heard = 1 + sum(peer.own is not None and peer.epoch == members.epoch for peer in peers)
        return self._secrets is Secrets.HEADS and heard >= members.quorum.size

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
