"""One seed: its world run to the end, replayed with a transcript, or shrunk while it still fails.

Owns what may be left out of a schedule. The world itself, and what may go wrong in it, is
tests/simulation.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic

from scripts.simulate_liar import Contained, load_liar
from tests.simulation.actors.actor import Actor, Role
from tests.simulation.actors.honest import Honest
from tests.simulation.chaos import Chaos
from tests.simulation.network import Network
from tests.simulation.world import World

from strongroom.consensus.errors import OperatorFault

SHRINK_SECONDS_MAX = 60.0
CHANGES_FROM = 1_000
"""Numbers of transactions from which on they ask for another set or other keys."""
STORM_SHARES = (0.1, 0.25, 0.5)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the options fix for every seed."""

    nodes: int | None = None
    liar: Path | None = None


@dataclass(frozen=True, slots=True)
class Less:
    """What a schedule leaves out."""

    transactions: frozenset[int] = frozenset()
    strikes: frozenset[int] = frozenset()
    liars: frozenset[int] = frozenset()
    calm: bool = False
    """The network delays a little, and neither loses nor doubles."""
    storm: float = 1.0
    """Share of the storm's seconds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was done in a run."""

    transactions: tuple[int, ...]
    strikes: tuple[str, ...]
    liars: tuple[int, ...]
    seconds: float
    """Simulated, until all was final or a check failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One seed's end."""

    seed: int
    check: str
    """Name of the check that failed; empty if all hold."""
    detail: str
    faults: Counter[str]
    mistakes: Counter[str]
    """Errors that a given liar raised itself."""
    plan: Plan
    transcript: tuple[str, ...] = ()


class Schedule(Chaos):
    """A seed's world with some of it left out."""

    def __init__(
        self, seed: int, less: Less, liar: Callable[[Role], Actor] | None, size: int | None
    ) -> None:
        self._less = less
        super().__init__(seed, liar=liar, size=size)
        self.storm *= less.storm
        self.strikes: list[str] = []
        self.transactions: list[int] = []
        for index in sorted(less.liars & self.world.liars):
            self._make_honest(self.world, index)

    def _make_honest(self, world: World, index: int) -> None:
        role = world.roles[index]
        world.liars -= {role.index}
        world.omniscient.liars = world.liars
        world.actors[role.index] = Honest(role, world)

    def _draw_network(self, seed: int) -> Network:
        drawn = super()._draw_network(seed)
        if self._less.calm:
            drawn.heal()
        return drawn

    def _submit(self, number: int) -> None:
        if number not in self._less.transactions:
            self.transactions.append(number)
            super()._submit(number)

    def _change(self, number: int) -> None:
        if CHANGES_FROM + number not in self._less.transactions:
            self.transactions.append(CHANGES_FROM + number)
            super()._change(number)

    def _strike(self) -> None:
        number, before = len(self.strikes), self.done.copy()
        self.strikes.append("")
        if number in self._less.strikes:
            return
        super()._strike()
        kind, at = next(iter(self.done - before)), self.world.now - self._began
        self.strikes[number] = f"{kind} at {at:.2f} s"
        if self.world.trace is not None:
            cut = ", ".join(
                f"{sender} to {receiver}" for sender, receiver in sorted(self.world.network.cut)
            )
            self.world.trace.append(
                f"{at:9.4f} - strike: {kind}; links that pass nothing: {cut or 'none'}"
            )

    def run(self) -> World:
        """As Chaos, and remember when it began."""
        self._began = self.world.now
        return super().run()


def run_seed(seed: int, shape: Shape, less: Less | None = None, *, trace: bool = False) -> Outcome:
    """Run one seed to its end.

    Raises:
        OperatorFault: the given liar does not load, or has no place in so small a cluster.
    """
    mistakes: Counter[str] = Counter()
    liar = None
    if shape.liar is not None:
        liar = partial(_contained, load_liar(shape.liar), mistakes)
        if (shape.nodes or 0) < 4:
            raise OperatorFault("a liar needs a cluster of at least four: --nodes 4")
    schedule = Schedule(seed, less or Less(), liar, shape.nodes)
    began = schedule.world.now
    if trace:
        schedule.world.trace = []
    check = detail = ""
    try:
        schedule.run()
    except Exception as error:  # an error in the replica is as much a finding as a broken promise
        check, detail = getattr(error, "check", type(error).__name__), str(error)
    return Outcome(
        seed,
        check,
        detail,
        +schedule.done,
        mistakes,
        Plan(
            tuple(schedule.transactions),
            tuple(schedule.strikes),
            tuple(schedule.world.liars),
            schedule.world.now - began,
        ),
        tuple(schedule.world.trace or ()),
    )


def shrink(seed: int, shape: Shape) -> tuple[Less, Outcome]:
    """Leave out of a failing seed whatever it fails without, one thing after the other, until
    nothing more can go."""
    less, outcome = Less(), run_seed(seed, shape)
    end, progress = monotonic() + SHRINK_SECONDS_MAX, True
    while progress and outcome.check:
        progress = False
        for smaller in itertools.takewhile(
            lambda _: monotonic() < end, smaller_of(less, outcome.plan)
        ):
            tried = run_seed(seed, shape, smaller)
            if tried.check:
                less, outcome, progress = smaller, tried, True
                break
    return less, outcome


def smaller_of(less: Less, plan: Plan) -> Iterator[Less]:
    """Schedules that leave out more, the boldest first."""
    half = len(plan.transactions) // 2
    for dropped in (plan.transactions[:half], plan.transactions[half:]):
        if dropped:
            yield replace(less, transactions=less.transactions | frozenset(dropped))
    if not less.calm:
        yield replace(less, calm=True)
    for number, strike in enumerate(plan.strikes):
        if strike:
            yield replace(less, strikes=less.strikes | {number})
    for liar in plan.liars:
        yield replace(less, liars=less.liars | {liar})
    for share in STORM_SHARES:
        if share < less.storm:
            yield replace(less, storm=share)


def _contained(liar: type[Actor], mistakes: Counter[str], role: Role) -> Actor:
    return Contained(role, liar, mistakes)
