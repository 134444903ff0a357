"""One node whose enclave's process is replaced, in a world made from a seed: its disk, its ledger
that goes on and rotates its keys, and processes that are slow, hang, refuse or end.

Owns the model and its checks. Time is a number; each effect of the plan is carried out against
processes that are as strict as the enclave's door. At every boundary of an effect the host, the
first process or the successor may end.
"""

from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from strongroom.consensus.types import Height
from strongroom.node.host import replacement_plan

GRACE = 20
"""Blocks after an epoch's end in which its input secret is needed."""
SEAL_SECONDS = 5
FAULTS = ("host ends", "first ends", "successor ends", "refuses", "hangs")


class Broken(AssertionError):
    """A check of the world failed."""


def check(holds: bool, words: str) -> None:
    if not holds:
        raise Broken(words)


@dataclass
class Shape:
    """What a world is made of."""

    rotations: tuple[int, ...] = (10,)
    """Heights of terminal blocks, ascending."""
    blocks: int = 120
    block_seconds: int = 2
    lag: int = 3
    """Blocks by which the anchor is behind."""
    rank: int = 0
    took: dict[str, int] = field(default_factory=dict)
    """Seconds that an effect takes, by its name."""
    faults: dict[int, str] = field(default_factory=dict)
    """By the number of the boundary."""
    followings: tuple[tuple[int, int], ...] = ()
    """(from, to) second: the enclave is caught up by outcomes meanwhile."""
    slow_teaching: tuple[int, ...] = ()
    """Seconds of the first attempts to learn."""

    @property
    def quiet_from(self) -> int:
        """When the last one that is caught up executes again, and a little later."""
        return max((to for _, to in self.followings), default=0) + 60


@dataclass(frozen=True)
class Sealed:
    """A sealed state."""

    secrets: frozenset[int]
    by: int
    """Number of the process that made it."""


@dataclass
class Ledger:
    """What is final, and which secrets blocks need."""

    shape: Shape
    height: int = 0

    @property
    def anchored(self) -> int:
        return max(0, self.height - self.shape.lag)

    def epoch_at(self, height: int) -> int:
        return sum(1 for end in self.shape.rotations if end < height)

    @property
    def epoch(self) -> int:
        return self.epoch_at(self.height + 1)

    def needs(self, height: int) -> set[int]:
        epoch = self.epoch_at(height)
        return {at for at in range(epoch + 1) if at == epoch or self.grace_ends(at) >= height}

    def grace_ends(self, epoch: int) -> int:
        return self.shape.rotations[epoch] + GRACE

    def erasable(self) -> set[int]:
        return {at for at in range(self.epoch) if self.grace_ends(at) < self.anchored}


class Process:
    """As strict as the real one."""

    numbers = count()

    def __init__(self, ledger: Ledger, secrets: frozenset[int]) -> None:
        self.ledger, self.number = ledger, next(self.numbers)
        self.secrets, self.heap = set(secrets), set(secrets)
        self.alive, self.waits, self.handed_over = True, False, False
        self.epochs = self.applied = 0
        self.said: set[tuple[int, int]] = set()

    def _check_speaks(self, what: str) -> None:
        check(self.alive, f"{what} of a process that has ended")
        check(not self.waits, f"{what} of a successor that has not taken over")
        check(not self.handed_over, f"{what} of a process that has handed over")

    def begin_epoch(self, epoch: int) -> None:
        check(epoch <= self.epochs + 1, f"epoch {epoch} is shown to who knows {self.epochs}")
        self.epochs = max(self.epochs, epoch)

    def cast(self, epoch: int, view: int) -> None:
        self._check_speaks("a vote")
        check(epoch <= self.epochs, f"a vote in epoch {epoch}, which was not shown")
        self.said.add((epoch, view))

    def execute(self, height: int) -> bool:
        self._check_speaks("execution")
        check(height == self.applied + 1, f"block {height} after {self.applied}")
        if not self.ledger.needs(height) <= self.secrets:
            return False
        self.applied = height
        return True

    def seal(self) -> Sealed:
        self._check_speaks("a sealed state")
        self.secrets -= self.ledger.erasable()
        return Sealed(frozenset(self.secrets), self.number)

    @property
    def due(self) -> bool:
        return bool(self.heap & self.ledger.erasable())


class World:
    """The node, from its start until all is erased that is to be."""

    def __init__(self, random: Random, shape: Shape, plan: Any = replacement_plan) -> None:
        self.random, self.shape, self.machine = random, shape, plan
        self.ledger = Ledger(shape)
        self.now = self.boundaries = self.starts = self.changes = self.halts = 0
        self.sealed, self.sealed_at = Sealed(frozenset({0}), -1), 0
        self.started_at: list[int] = []
        self.spoken: set[tuple[int, int]] = set()
        """By this boot."""
        self.live: list[Process] = []
        self._begin()

    # --- boots ---

    def _begin(self) -> None:
        for process in self.live:
            process.alive = False
        self.plan = self.machine.ReplacementPlan()
        self.successor: Process | None = None
        self.queue: list[Any] = []
        self.step: tuple[int, Any] | None = None
        """(when it is done, the effect)."""
        self.paused_since: int | None = None
        self.behind = self.over = self.struck = False
        self.hangs = False
        self.due_since: int | None = None
        self.failed_at: int | None = None
        given = self.ledger.needs(self.ledger.height + 1)  # by KEYS
        self.first = Process(self.ledger, self.sealed.secrets | given)
        self.first.epochs = self.shown = self.ledger.epoch
        self.first.applied = self.ledger.anchored
        self.live = [self.first]
        self.spoken = set()
        self.sealed = self.first.seal()

    # --- time ---

    def run(self, seconds: int) -> None:
        """So many seconds; then everything must have come to rest."""
        end = self.now + seconds
        while self.now < end and not self._rests():
            self.tick()
        due = self.first.due
        check(not due, "what is to be erased is on the heap")
        check(self.paused_since is None, "requests wait")
        check(len(self.live) == 1, "a successor was left behind")
        check(self.behind or self.first.applied == self.ledger.height, "blocks are not executed")

    def _rests(self) -> bool:
        """Nothing will happen any more."""
        height = self.ledger.height
        ended = (
            self.first.applied == height == self.shape.blocks and self.now > self.shape.quiet_from
        )
        waits = self.step is not None or self.paused_since is not None or self.behind
        return ended and not waits and not self.first.due and len(self.live) == 1

    def tick(self) -> None:
        """One second."""
        self.now += 1
        self._go_on()
        if self.paused_since is None:
            self._live()
        elif not self.over:
            wait = self.now - self.paused_since
            bound = replacement_plan.SHOW_SECONDS + self._seconds("AskHandOver") + 2
            check(wait <= bound, "requests wait for a successor that does not answer")
        if self.step is not None:
            self._feed(self.machine.Tick())
        if self.step is not None and not self.hangs and self.now >= self.step[0]:
            effect, self.step = self.step[1], None
            if not self._boundary(effect):
                self._finish(effect)
        if self.paused_since is None:
            self._look()

    def _go_on(self) -> None:
        grows = self.now % self.shape.block_seconds == 0
        if grows and self.ledger.height < self.shape.blocks:
            self.ledger.height += 1

    def _live(self) -> None:
        """What the node asks of its enclave, whoever that is."""
        process = self.first
        while self.shown < self.ledger.epoch:  # each once, to whoever is there then
            self.shown += 1
            process.begin_epoch(self.shown)
            process.secrets.add(self.shown)
            process.heap.add(self.shown)
        process.cast(self.ledger.epoch, self.now)
        self.spoken.add((self.ledger.epoch, self.now))
        check(self.spoken <= process.said, "promises of this boot are forgotten")
        follows = any(start <= self.now < end for start, end in self.shape.followings)
        if follows:
            self.behind = True
        elif self.behind:
            process.applied, self.behind = max(process.applied, self.ledger.anchored), False
        while not self.behind and process.applied < self.ledger.height:
            self.behind = not process.execute(process.applied + 1)
        if self.now - self.sealed_at >= SEAL_SECONDS:
            self.sealed, self.sealed_at = process.seal(), self.now

    def _look(self) -> None:
        due = self.first.due
        if not due:
            self.due_since = None
        elif self.due_since is None:
            self.due_since = self.now
        self._feed(self.machine.Look(due, self.shape.rank, not self.behind))

    # --- carrying out ---

    def _feed(self, event: Any) -> None:
        effects = self.plan.step(event, float(self.now))
        if not self.queue and self.step is None:
            self.queue = list(effects)
        else:  # time interrupts what is under way: only that may be
            for effect in effects:
                name = type(effect).__name__
                check(name in ("Resume", "Abandon"), f"{name} beside another step")
            if effects:
                self.queue, self.step, self.hangs = list(effects), None, False
        self._pump()

    def _pump(self) -> None:
        while self.queue and self.step is None:
            effect = self.queue.pop(0)
            if self._boundary(effect):
                return
            name = type(effect).__name__
            if name in ("Pause", "Resume", "FollowFrom", "Abandon", "Halt"):
                self._do_at_once(name, effect)
                continue
            self._check_may_begin(name, effect)
            self.step = (self.now + self._seconds(name), effect)

    def _seconds(self, name: str) -> int:
        if name == "Teach" and len(self.shape.slow_teaching) >= self.starts > 0:
            return self.shape.slow_teaching[self.starts - 1]
        return self.shape.took.get(name, 0)

    def _boundary(self, effect: Any) -> bool:
        """A fault may strike here; whether what was to be done is over by that."""
        self.boundaries += 1
        kind = self.shape.faults.get(self.boundaries)
        if kind is None:
            return False
        if kind == "host ends" or (kind == "first ends" and not self.over):
            self._begin()
            return True
        if type(effect).__name__ in ("Pause", "Resume", "FollowFrom", "Abandon", "Halt", "Switch"):
            return False
        if kind == "hangs":
            if self.over or type(effect).__name__ == "AskHandOver":
                return False
            self.step, self.hangs = (self.now, effect), True
            return True
        if kind == "successor ends" and self.successor is not None:
            self.successor.alive = False
        self.struck = self.struck or self.over
        if kind == "refuses" or self.successor is not None:
            self.queue, self.step = [], None
            self._feed(self.machine.StepFailed(kind))
            return True
        return False

    def _do_at_once(self, name: str, effect: Any) -> None:
        match name:
            case "Pause":
                self.paused_since = self.now
            case "Resume":
                check(not self.first.handed_over, "requests go to a process that has handed over")
                self.paused_since = None
            case "FollowFrom":
                assert self.successor is not None
                check(effect.height == self.successor.applied, "it is followed from elsewhere")
                self.behind = True
            case "Abandon":
                self._end_successor()
                self.failed_at = self.now
            case "Halt":
                check(self.over and self.struck, "the node stops, and the first could go on")
                self.halts += 1
                self._begin()

    def _end_successor(self) -> None:
        if self.successor is not None:
            self.successor.alive = False
            self.live.remove(self.successor)
            self.successor = None

    def _check_may_begin(self, name: str, effect: Any) -> None:
        match name:
            case "StartSuccessor":
                self.starts += 1
                self.started_at.append(self.now)
                check(self.due_since is not None, "a change that is not due")
                waited = self.now - (self.due_since or 0)
                rank = replacement_plan.RANK_SECONDS * self.shape.rank
                check(waited >= rank, "two members change at a time")
                check(not self.behind, "a change of a process that is caught up by outcomes")
                if self.failed_at is not None:
                    rested = self.now - self.failed_at
                    check(rested >= replacement_plan.TRY_AGAIN_SECONDS, "again without a pause")
                check(len(self.live) == 1, "a successor beside another")
            case "AskHandOver":
                check(self.paused_since is not None, "a hand-over while requests go in")
                check(not self.behind, "the follower loses the process that it catches up")

    def _finish(self, effect: Any) -> None:
        machine, successor, name = self.machine, self.successor, type(effect).__name__
        event: Any
        if name == "StartSuccessor":
            sealed = self.first.seal()
            self.successor = Process(self.ledger, sealed.secrets)
            self.live.append(self.successor)
            event = machine.Started()
        else:
            assert successor is not None
            event = self._finish_of(name, effect, successor)
        self._feed(event)

    def _finish_of(self, name: str, effect: Any, successor: Process) -> Any:
        machine, first = self.machine, self.first
        match name:
            case "Teach":
                successor.waits = True
                successor.epochs, successor.applied = self._taught()
                return machine.Learned(Height(successor.applied), not self.behind)
            case "ShowEpochs":
                successor.epochs = first.epochs
                return machine.EpochsShown()
            case "AskHandOver":
                first._check_speaks("a hand-over")
                sealed = first.seal()
                first.handed_over = self.over = True
                self._handed = (sealed, set(first.said))
                return machine.HandedOver(b"handed", Height(first.applied))
            case "TakeOver":
                check(first.handed_over, "a take-over before the hand-over")
                successor.waits = False
                successor.secrets = set(self._handed[0].secrets)
                successor.heap |= successor.secrets
                successor.said = set(self._handed[1])
                return machine.TookOver(b"sealed")
            case "StoreSealed":
                self.sealed, self.sealed_at = successor.seal(), self.now
                return machine.SealedStored()
            case "Repeat":
                check(effect.above == successor.applied, "it is repeated from elsewhere")
                height = effect.above
                while height < effect.up_to and successor.execute(height + 1):
                    height += 1
                return machine.Repeated(Height(height))
            case "Switch":
                check(self.sealed.by == successor.number, "its sealed state is not durable")
                stands = self.behind or successor.applied == first.applied
                check(stands, "blocks between the two processes are executed by neither")
                first.alive = False
                self.live = [successor]
                self.first, self.successor = successor, None
                self.paused_since, self.over, self.struck = None, False, False
                self.failed_at = None
                self.changes += 1
                return machine.Switched()
        raise Broken(f"no such effect: {name}")

    def _taught(self) -> tuple[int, int]:
        """What a successor knows that began to learn so many seconds ago."""
        blocks = self._seconds("Teach") // self.shape.block_seconds
        height = max(0, min(self.first.applied, self.ledger.anchored - blocks))
        return self.ledger.epoch_at(height + 1), height


def draw(random: Random) -> Shape:
    """A world of a seed."""
    first = random.randint(4, 30)
    rotations = [first]
    while random.random() < 0.6 and len(rotations) < 4:
        rotations.append(rotations[-1] + random.choice((1, 3, 10, GRACE, 40)))
    took = {
        name: random.choice((0, 0, 1, 3, 30))
        for name in ("StartSuccessor", "Teach", "TakeOver", "StoreSealed", "Repeat", "Switch")
    }
    took |= {"ShowEpochs": random.choice((0, 1, 5)), "AskHandOver": random.choice((0, 1, 2))}
    took["Teach"] = random.choice((0, 5, 60, 120))
    faults = {}
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        faults[random.randint(1, 40)] = random.choice(FAULTS)
    followings = []
    if random.random() < 0.5:
        start = random.randint(1, 200)
        followings.append((start, start + random.choice((5, 40, 90))))
    return Shape(
        rotations=tuple(rotations),
        blocks=rotations[-1] + GRACE + random.randint(10, 80),
        block_seconds=random.choice((1, 2, 5)),
        lag=random.randint(1, 8),
        rank=random.choice((0, 0, 1, 3)),
        took=took,
        faults=faults,
        followings=tuple(followings),
    )


def run_seed(seed: int, plan: Any = replacement_plan) -> World:
    """A seed's world, to its end."""
    random = Random(seed)
    world = World(random, draw(random), plan)
    world.run(10_000)
    return world
