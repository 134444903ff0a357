"""One node that catches up, in a world made from a seed: its disk, its enclave, peers that are
slow, silent or lie.

Owns the model and its checks. Nothing here is asyncio: time is a number, and each effect of the
machine is carried out against models that are as strict as the enclave's door. The node may crash
at every boundary of an effect.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Any

from tests.node.catch_up_chain import Shape, TrueChain, digest_of

from strongroom.consensus.blocks import Anchor
from strongroom.consensus.host_messages import OUTCOMES_MAX
from strongroom.consensus.types import Height, PublicKey
from strongroom.enclave.formats import merkle
from strongroom.node.sync import catch_up, snapshot_peer_search
from strongroom.node.sync.catch_up_events import Given, Link

TICK = 0.5


class Broken(AssertionError):
    """A check of the world failed."""


def check(holds: bool, words: str) -> None:
    if not holds:
        raise Broken(words)


# --- the node's own parts -------------------------------------------------------------------------


class Disk:
    """What survives a crash: final blocks, recorded outcomes. It is the machine's `Chain`."""

    def __init__(self, truth: TrueChain, newest: int) -> None:
        self.truth, self.newest = truth, Height(0)
        self.first = Height(1)
        """Blocks below are archived, and the archive is away."""
        self._ends: set[int] = set()
        self.tree = merkle.Tree([digest_of("genesis")])
        self.wishes: list[Any] = []
        self.grow(newest)

    def grow(self, newest: int) -> None:
        """Blocks came; the last of them has a certificate: by it what is below became final."""
        self.newest = Height(newest)
        self._ends.add(newest)

    @property
    def recorded(self) -> Height:
        return Height(self.tree.size - 1)

    def link(self, height: int) -> Link:
        check(self.first <= height <= self.newest, f"block {height} of {self.newest} is read")
        block = self.truth.at(height)
        certified = block.certified or height in self._ends
        return Link(
            block.height, block.epoch, block.anchor, block.next_epoch, certified, block.recovers
        )

    def frontier(self, size: int) -> merkle.Frontier:
        return self.tree.frontier(size)

    def append(self, given: Given) -> None:
        check(
            given.height == self.recorded + 1,
            f"height {given.height} is recorded after {self.recorded}",
        )
        self.tree.append(given.leaf)
        self.wishes.append(given.next_epoch)


@dataclass
class Enclave:
    """As strict as the real one: what it refuses for another reason than a missing key ends the
    node."""

    disk: Disk
    applied: int = 0
    confirmed: int = 0
    holds_keys: bool = True
    opens_from: int = 10**9
    """It can execute blocks from this height on."""
    keys_below: int = 0
    """Without all keys it can take over what lies below this height."""
    portion: int = 10**9
    """What one request holds, in blocks."""

    def apply(self, first: int, last: int) -> tuple[int, bool]:
        check(
            first == self.applied + 1 <= last <= self.disk.recorded,
            f"APPLY {first}…{last} on {self.applied}",
        )
        last = min(last, self.applied + self.portion)
        refused = not self.holds_keys and last >= self.keys_below
        if refused:
            last = max(self.applied, min(last, self.keys_below - 1))
        for height in range(first, last + 1):
            mine, truth = (
                self.disk.tree.frontier(height + 1),
                self.disk.truth.tree.frontier(height + 1),
            )
            check(mine.root == truth.root, f"APPLY of another outcome than a quorum's at {height}")
        self.applied = last
        return last, refused

    def confirm(self, anchor: int, certified: int) -> None:
        link, below = self.disk.link(certified), self.disk.link(anchor + 1)
        check(link.certified, f"CONFIRM by block {certified} without certificate")
        check(
            self.applied == anchor == link.anchor.height,
            f"CONFIRM at {self.applied} by anchor {link.anchor.height}",
        )
        check(
            below.epoch == link.epoch,
            f"CONFIRM by block {certified} of a later epoch than block {anchor + 1}",
        )
        check(
            certified - anchor <= catch_up.CONFIRM_HEADERS_MAX,
            "CONFIRM by more headers than its door reads",
        )
        self.confirmed = anchor

    def execute(self) -> bool:
        """Runs up to the next certificate each; whether it could execute all."""
        check(self.applied == self.confirmed, "EXECUTE while what was applied is provisional")
        while self.applied < self.disk.newest:
            end = next(
                at
                for at in range(self.applied + 1, self.disk.newest + 1)
                if self.disk.link(at).certified
            )
            if self.applied + 1 < self.opens_from or not self.holds_keys:
                return False
            for height in range(max(self.disk.recorded, self.applied) + 1, end + 1):
                block = self.disk.truth.at(height)
                self.disk.append(Given(block.height, b"", block.outcome, block.leaf, block.wished))
            self.applied = self.confirmed = end
        return True


# --- peers ----------------------------------------------------------------------------------------


Answer = tuple[tuple[Given, ...], str]


@dataclass
class Peer:
    """One linked node: honest, unless `lie` changes what it would say."""

    key: PublicKey
    delay: Callable[[], float]
    lie: Callable[[list[Given]], Answer] | None = None
    is_silent: bool = False
    offers: str = "nothing"
    """Which snapshot: nothing, good, forged, unnamed."""

    def answer(self, truth: TrueChain, start: int, newest: int) -> Answer | None:
        blocks = truth.blocks[start - 1 : min(newest, start - 1 + OUTCOMES_MAX)]
        given = [Given(one.height, b"", one.outcome, one.leaf, one.wished) for one in blocks]
        if self.lie is not None:
            return self.lie(given)
        return (tuple(given), "") if given else None


def forged_leaf(random: Random) -> Callable[[list[Given]], Answer]:
    def lie(given: list[Given]) -> Answer:
        at = random.randrange(len(given)) if given else 0
        return tuple(
            replace(one, leaf=digest_of("lie")) if i == at else one for i, one in enumerate(given)
        ), ""

    return lie


def forged_wish(given: list[Given]) -> Answer:
    return tuple(replace(one, next_epoch=digest_of("another epoch")) for one in given), ""


def unreadable(given: list[Given]) -> Answer:
    return tuple(given[: len(given) // 2]), "not canonical"


def drip(given: list[Given]) -> Answer:
    return tuple(given[:1]), ""


def forged_then_silent(random: Random) -> Callable[[list[Given]], Answer]:
    """A little that is false, and then nothing: whoever goes on from there is taken for the
    liar."""
    turns = count()

    def lie(given: list[Given]) -> Answer:
        return forged_leaf(random)(given[:1]) if next(turns) % 2 == 0 else ((), "")

    return lie


def empty(given: list[Given]) -> Answer:
    return (), ""


# --- the world ------------------------------------------------------------------------------------


@dataclass
class Plan:
    """What happens, from a seed; tests of one thing set its fields."""

    shape: Shape
    stored: int
    """Blocks that the node has at the beginning."""
    own: int = 0
    """Of which it recorded outcomes, as if it had executed them."""
    growth: float = 0.0
    """Blocks per second, until the chain is quiet."""
    keys_at: float = 0.0
    """When the enclave gets the ledger's secrets; until then those below `keys_below` are
    enough."""
    keys_below: int = 0
    portion: int = 10**9
    opens_from: int = 10**9
    opens_at: float = 0.0
    """When it gets the input secret of what lies from `opens_from` on."""
    crashes: int = 0
    """So many of the first effects' boundaries may be a crash."""
    peers: list[Peer] = field(default_factory=list)


class World:
    """The node in its world; `run` goes on until nothing moves any more, or time is over."""

    def __init__(
        self,
        random: Random,
        plan: Plan,
        machine: Any = catch_up,
        search: Any = snapshot_peer_search,
    ) -> None:
        self.random, self.plan, self.machine_module, self.search = random, plan, machine, search
        self.truth = TrueChain(random, plan.shape)
        self.disk = Disk(self.truth, plan.stored)
        for block in self.truth.blocks[: plan.own]:
            self.disk.append(Given(block.height, b"", block.outcome, block.leaf, block.wished))
        self.now = 0.0
        self.blamed: set[PublicKey] = set()
        self.done = False
        self.loaded = 0
        self.boundaries = 0
        self._queue: list[tuple[float, int, int, Any]] = []
        self._number = count()
        self._crashes = plan.crashes
        self._life = 0
        self._fetching: Peer | None = None
        self._whole = ""
        self._offered = 0
        """The height of the peer's snapshot; the last one of a quiet chain is named by nothing that
        is proven."""
        self._begin()

    # --- lives ---

    def _begin(self) -> None:
        """A process begins: the disk is what it was, and the enclave stands where replay brings
        it."""
        self._life += 1
        self.enclave = Enclave(
            self.disk, keys_below=self.plan.keys_below, portion=self.plan.portion
        )
        self._give_keys()
        self._fetching, self._whole, self.done = None, "", False
        if self._has_keys() or self.plan.keys_below:
            anchors = [self.disk.link(at) for at in range(1, self.disk.newest + 1)]
            usable = [
                link.anchor.height
                for link in anchors
                if link.certified
                and 0 < link.anchor.height <= self.disk.recorded
                and self.disk.link(link.anchor.height + 1).epoch == link.epoch
                and link.height - link.anchor.height <= catch_up.CONFIRM_HEADERS_MAX
            ]
            best = max(usable, default=0)
            self.enclave.applied = best if self._has_keys() else min(best, self.plan.keys_below - 1)
            self.enclave.confirmed = best if self.enclave.applied == best else 0
        self.machine = self.machine_module.CatchUp(self.disk)
        self.machine.known = self.disk.newest
        self._later(0.0, self._began)
        self._later(0.0, self._tick)

    def _began(self) -> Any:
        return self.machine_module.Began(self.enclave.applied, self.enclave.confirmed)

    def _has_keys(self) -> bool:
        return self.now >= self.plan.keys_at

    def _is_given(self) -> bool:
        return self.now >= max(self.plan.keys_at, self.plan.opens_at) + TICK

    def _tick(self) -> Any:
        self._later(TICK, self._tick)
        self._give_keys()
        return self.machine_module.Tick(tuple(peer.key for peer in self.plan.peers))

    def _give_keys(self) -> None:
        self.enclave.holds_keys = self._has_keys()
        if self.now >= self.plan.opens_at:
            self.enclave.opens_from = self.plan.opens_from

    def _later(self, delay: float, make: Callable[[], Any]) -> None:
        heapq.heappush(self._queue, (self.now + delay, next(self._number), self._life, make))

    # --- time ---

    def run(self, seconds: float, steps_max: int = 100_000) -> None:
        """Live until `seconds`, or until the enclave executes everything and the chain is quiet."""
        end, grown, look_at = self.now + seconds, self.now, self.now + 30.0
        for _ in range(steps_max):
            if not self._queue or self._queue[0][0] > end:
                return
            self.now, _, life, make = heapq.heappop(self._queue)
            blocks = int((self.now - grown) * self.plan.growth)
            if blocks and self.disk.newest < len(self.truth.blocks):
                grown = self.now
                self.disk.grow(min(len(self.truth.blocks), self.disk.newest + blocks))
                if self.done:
                    self.done = self.enclave.execute()
            if self.now >= look_at:
                look_at = self.now + 20.0
                if (
                    self.disk.newest == len(self.truth.blocks)
                    and self._is_given()
                    and self.has_arrived()
                ):
                    return
            if life != self._life or self.done:
                continue
            event = make()
            if event is not None and self._step(event):
                continue
        raise Broken(f"{steps_max} steps without an end: it spins")

    def _step(self, event: Any) -> bool:
        effects = self.machine.step(event, self.now)
        while self.machine.is_reading and not effects:
            effects = self.machine.step(self.machine_module.MoreToRead(), self.now)
        check(
            len(self.machine._given) <= 3 * OUTCOMES_MAX + self.plan.shape.lag,
            "peers fill the memory",
        )
        for effect in effects:
            if self._may_crash():
                return True
            self._carry_out(effect)
            if self._may_crash():
                return True
        return False

    def _may_crash(self) -> bool:
        self.boundaries += 1
        if self._crashes and self.random.random() < 0.1:
            self._crashes -= 1
            self._begin()
            return True
        return False

    # --- effects ---

    def _carry_out(self, effect: Any) -> None:
        getattr(self, "_" + type(effect).__name__.lower())(effect)

    def _ask(self, effect: Any) -> None:
        peer = next(peer for peer in self.plan.peers if peer.key == effect.peer)
        check(effect.start >= 1, "asks for genesis")
        answer = (
            None if peer.is_silent else peer.answer(self.truth, effect.start, self.disk.newest - 1)
        )
        if answer is not None:
            given, fault = answer
            came = self.machine_module.OutcomesCame(peer.key, effect.start, given, fault)
            self._later(peer.delay(), lambda: came)

    def _blame(self, effect: Any) -> None:
        peer = next(peer for peer in self.plan.peers if peer.key == effect.peer)
        check(peer.lie is not None, f"an honest peer is blamed: {effect.reason}")
        self.blamed.add(effect.peer)

    def _record(self, effect: Any) -> None:
        for given in effect.outcomes:
            if (
                self._crashes and self.random.random() < 0.02
            ):  # a torn tail: what came before is durable
                self._crashes -= 1
                self._begin()
                return
            self.disk.append(given)
        self._later(0.0, self.machine_module.WasRecorded)
        newest = self.disk.recorded
        check(
            self.disk.tree.root() == self.truth.tree.root(newest + 1),
            f"what is recorded at {newest} is not true",
        )
        for given in effect.outcomes:
            anchored = given.height in self.truth.anchored
            check(
                not anchored or given.next_epoch == self.truth.at(given.height).wished,
                "a false wish is recorded",
            )

    def _apply(self, effect: Any) -> None:
        applied, refused = self.enclave.apply(effect.first, effect.last)
        self._later(0.01, lambda: self.machine_module.WasApplied(Height(applied), refused))

    def _confirm(self, effect: Any) -> None:
        self.enclave.confirm(effect.anchor, effect.certified)
        self._later(0.01, lambda: self.machine_module.WasConfirmed(False))

    def _execute(self, effect: Any) -> None:
        self.done = self.enclave.execute()
        if not self.done:
            reached = Height(self.enclave.applied)
            self._later(0.0, lambda: self.machine_module.WasExecuted(reached, True))

    def _halt(self, effect: Any) -> None:
        raise Broken(f"halts at {effect.height}, and its disk is as it must be")

    # --- snapshots ---

    def _fetchsnapshot(self, effect: Any) -> None:
        check(self.enclave.applied == 0, "looks for a snapshot that the enclave cannot load")
        peer = next(peer for peer in self.plan.peers if peer.key == effect.peer)
        self._fetching, self._whole = peer, ""
        blocks, newest = (
            self.truth.shape.snapshot_blocks,
            self.disk.link(self.disk.newest).anchor.height,
        )
        self._offered = newest - newest % blocks - (blocks if peer.offers != "unnamed" else 0)
        if peer.offers == "contradicts":
            self._later(peer.delay(), self._if_fetching(peer, self.search.ChunkRefused))
        elif peer.offers != "nothing":
            self._later(peer.delay(), self._if_fetching(peer, self.search.ChunkCame))
            self._later(2 * peer.delay(), self._if_fetching(peer, self._came_whole))

    def _if_fetching(self, peer: Peer, make: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: make() if self._fetching is peer and self._whole == "" else None

    def _came_whole(self) -> Any:
        assert self._fetching is not None
        self._whole = self._fetching.offers
        return self.search.SnapshotWhole()

    def _askchunk(self, effect: Any) -> None:
        check(self._whole == "", "asks for a chunk of what is whole")

    def _dropsnapshot(self, effect: Any) -> None:
        self._fetching, self._whole = None, ""

    def _trysnapshot(self, effect: Any) -> None:
        check(
            self.disk.link(effect.certified).anchor.height <= self.disk.recorded,
            "tries by an anchor not recorded",
        )
        check(self._whole != "", "tries a snapshot that is not whole")
        self._later(0.01, lambda: self._tried(effect.certified))

    def _tried(self, certified: int) -> Any:
        newest = self._offered
        if newest <= 0 or self.truth.named_at(newest) > self.disk.link(certified).anchor.height:
            return self.search.SnapshotTried(Height(0))
        if self._whole == "forged":
            self._fetching, self._whole = None, ""
            return self.search.SnapshotTried(Height(0), gone=True)
        if not self.enclave.holds_keys:
            return self.search.SnapshotTried(Height(0), waits=True)
        check(
            self.enclave.applied == 0, "loads a snapshot into an enclave that has applied something"
        )
        self.loaded = self.enclave.applied = self.enclave.confirmed = newest
        return self.search.SnapshotTried(Height(newest))

    # --- where it must arrive ---

    def has_arrived(self) -> bool:
        """Whether `check_arrived` has nothing to say."""
        try:
            self.check_arrived()
        except Broken:
            return False
        return True

    def check_arrived(self) -> None:
        """Everything that the chain proves is recorded, applied and confirmed, or the enclave
        executes again."""
        if self.done:
            check(
                self.enclave.applied == self.disk.newest, "it says that it executes, and does not"
            )
            return
        newest = self.disk.link(self.disk.newest).anchor.height
        words = (
            f"{self.enclave.confirmed} ≤ {self.enclave.applied} ≤ {self.disk.recorded} of {newest}"
        )
        check(self.disk.recorded >= newest, f"recorded ends below what is proven: {words}")
        if self._has_keys():
            best = max(
                (
                    link.anchor.height
                    for link in (self.disk.link(at) for at in range(1, self.disk.newest + 1))
                    if link.certified
                    and link.height - link.anchor.height <= catch_up.CONFIRM_HEADERS_MAX
                    and (
                        link.anchor.height == 0
                        or self.disk.link(link.anchor.height + 1).epoch == link.epoch
                    )
                ),
                default=0,
            )
            check(self.enclave.confirmed >= best, f"confirmed ends below {best}: {words}")
            check(self.enclave.opens_from > best + 1, f"could execute and does not: {words}")


def anchor_of(disk: Disk, height: int) -> Anchor:
    return disk.link(height).anchor


def peer_of(number: int, random: Random, **fields: Any) -> Peer:
    """A peer that answers within some milliseconds, unless told otherwise."""
    fields.setdefault("delay", lambda: random.uniform(0.001, 0.05))
    return Peer(PublicKey(bytes(31) + bytes((number,))), **fields)


def plan_from(random: Random) -> Plan:
    """A world of any kind: f of 3f+1 peers are slow, silent or lie."""
    shape = Shape(
        blocks=random.choice((5, random.randint(11, 30), 40, 70, 130, 300, 700)),
        lag=random.choice((1, 3, 12, 40, 90)),
        stride=random.choice((1, 3, 17, 64, 200)),
        epoch_blocks=random.choice((10, 60, 1000)),
        snapshot_blocks=random.choice((8, 50)),
        steady=random.random() < 0.2,
    )
    growth = random.choice((0.0, 0.0, 5.0, 60.0))
    stored = shape.blocks if growth == 0.0 else random.randint(1, shape.blocks)
    delays: tuple[Callable[[], float], ...] = (
        lambda: random.uniform(0.001, 0.05),
        lambda: random.uniform(0.3, 1.5),
        lambda: random.uniform(2.0, 7.0),
    )
    usual = random.choice((delays[0], delays[0], delays[1], delays[2]))
    offers = ("nothing", "good", "good", "unnamed")
    peers = [
        peer_of(number, random, delay=usual, offers=random.choice(offers))
        for number in range(1, random.choice((3, 6)))
    ]
    lies = (forged_leaf(random), forged_wish, unreadable, drip, empty, forged_then_silent(random))
    for _ in range(len(peers) // 3 + 1):
        liar = random.choice(peers)
        liar.lie, liar.is_silent = random.choice(lies), random.random() < 0.2
        liar.offers = random.choice(("forged", "contradicts", "unnamed", "nothing"))
        liar.delay = random.choice(delays)
    if all(peer.lie for peer in peers):
        peers.append(peer_of(99, random, delay=usual))
    own = random.choice((0, 0, random.randint(0, max(0, stored - 1))))
    return Plan(
        shape=shape,
        stored=stored,
        own=own,
        growth=growth,
        keys_at=random.choice((0.0, 0.0, 20.0)),
        keys_below=random.choice((0, random.randint(1, shape.blocks))),
        portion=random.choice((10**9, 10**9, 7)),
        opens_at=random.choice((0.0, 0.0, 50.0)),
        opens_from=random.choice((10**9, 1, random.randint(1, shape.blocks))),
        crashes=random.choice((0, 0, 1, 4)),
        peers=peers,
    )


def run_seed(seed: int, machine: Any = catch_up, search: Any = snapshot_peer_search) -> World:
    """One world, to its end; raises what is broken."""
    random = Random(seed)
    world = World(random, plan_from(random), machine, search)
    world.run(1200.0)
    world.check_arrived()
    return world
