"""Is there work, and of what kind (PROTOCOL §7: Work, quiet, pressure)?

Owns the one question whose answer decides whether the chain moves or is quiet. A function of what
is held, executed and final; it sends nothing, and notes nothing but since when a batch waits.
"""

from dataclasses import dataclass

from strongroom.consensus.blocks import Header
from strongroom.consensus.replica.blocktree import BlockTree
from strongroom.consensus.replica.lanes import HeldBatch, Lanes
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.replica.validity import LAG_BLOCKS_MAX
from strongroom.consensus.types import Milliseconds

RELAY_DELTAS = 2
"""A held batch that its lane could order next, and does not for this many Δ, is relayed."""

REST_DELTAS = 6
"""An empty block that is notarized and not final for so many Δ is work: some have said X of its
view and some F, so it may become neither, and whoever must know that everything notarized is final
would wait for ever. Until then its F votes are on their way: as long as t_view, beyond which Δ
grows, so that a slow network makes no block after the other."""


@dataclass(frozen=True, slots=True)
class PendingWork:
    """What waits to be done."""

    build: bool = False
    """A block would advance something: a leader builds at once."""
    settle: bool = False
    """Something below waits to become final: a leader builds a block even if it is empty, after
    some patience."""
    arms: bool = False
    """It is time to measure the leader by the clock."""
    throttled: bool = False
    """No new batches: execution or finality lags."""
    waiting: tuple[HeldBatch, ...] = ()
    """The first unordered batch of each lane that is not frozen; none while throttled."""
    relay: tuple[HeldBatch, ...] = ()
    """Those that have waited for long, with what follows them: they are relayed once, before they
    arm anybody."""
    wake: float | None = None
    """Monotonic seconds when a waiting batch will be due for relay, an idle block wanted, or a rest
    too long."""

    @property
    def any(self) -> bool:
        """Is there work?"""
        return self.build or self.settle


@dataclass(slots=True)
class Demand:
    """What moves the chain from outside."""

    until_ms: Milliseconds
    """A deadline in state: work until a block of at least this time is final."""
    idle_at: float | None
    """Monotonic seconds from which on even an empty block is wanted; None: never."""


def draw_up(
    tree: BlockTree,
    lanes: Lanes,
    tip: Header,
    demand: Demand,
    *,
    rested_at: float,
    settings: Settings,
    delta: float,
    now: float,
) -> PendingWork:
    """What waits above `tip`, the newest notarized block whose chain is held, since `rested_at`
    (monotonic seconds)."""
    final = tree.final
    idle = demand.idle_at is not None and demand.idle_at <= now
    outside = final.time_ms < demand.until_ms or idle
    if tree.is_terminal(final):
        return PendingWork()
    unrest = rested_at + REST_DELTAS * delta
    settle = tip != final and (outside or unrest <= now or _advanced(tree, tip))
    if tree.is_terminal(tip):
        return PendingWork(settle=settle, arms=settle)
    anchor, _ = tree.newest_anchor(tip)
    loaded = tree.loaded_above(tip, tip.anchor.height)
    throttled = (
        tip.height - final.height >= settings.depth_max
        or len([height for height in loaded if height > anchor.height]) >= LAG_BLOCKS_MAX
    )
    urgent = (
        any([height <= tree.executed for height in loaded])
        or (tree.wish != tree.current and tree.executed > tip.anchor.height)
        or tip.time_ms < demand.until_ms
        or (idle and tip == final)
    )
    waiting: tuple[HeldBatch, ...] = ()
    if throttled:
        lanes.hold_back(tree.cut_of(tip))
    else:
        waiting = lanes.waiting(tree.cut_of(tip), now)
    due = [
        (batch, (batch.first_at or 0.0) + RELAY_DELTAS * delta)
        for batch in waiting
        if not batch.relayed
    ]
    young = [at for _, at in due if at > now]
    late = [batch for batch, at in due if at <= now]
    wakes = young if idle or demand.idle_at is None else [*young, demand.idle_at]
    if tip != final and not settle:
        wakes.append(unrest)
    return PendingWork(
        build=urgent or bool(waiting),
        settle=settle,
        arms=urgent or settle or len(young) < len(waiting),
        throttled=throttled,
        waiting=waiting,
        relay=tuple(
            batch
            for first in late
            for batch in _unrelayed(lanes, first, settings.relay_batches_max)
        ),
        wake=min(wakes, default=None),
    )


def _advanced(tree: BlockTree, tip: Header) -> bool:
    """Is some block above the final one, up to the tip, not empty? Cuts and anchors only grow."""
    final = tree.final
    return (
        tree.cut_of(tip) != tree.cut_of(final)
        or tip.anchor != final.anchor
        or tree.is_terminal(tip)
    )


def _unrelayed(lanes: Lanes, first: HeldBatch, count_max: int) -> list[HeldBatch]:
    """The first unordered batch of a lane, and those after it that were not relayed either."""
    found: list[HeldBatch] = []
    batch: HeldBatch | None = first
    while batch is not None and not batch.relayed and len(found) < count_max:
        found.append(batch)
        batch = lanes.following(batch)
    return found
