"""Is a block valid? Pure functions of a header, its parent and what lies between them (PROTOCOL §7,
Validity).

Three answers: Ok, Bad with a typed reason, or Pending with what is missing; pending is never "no".
All but `Pending` are the same on every honest replica.
"""

from dataclasses import dataclass
from enum import StrEnum

from strongroom.consensus.blocks import BLOCK_BATCHES_MAX, BLOCK_BYTES_MAX, Header
from strongroom.consensus.leaders import leader_of
from strongroom.consensus.replica.events import Executed
from strongroom.consensus.replica.lanes import Cut, Walk
from strongroom.consensus.types import Digest, Height, Lane, SignerIndex, View

LAG_BLOCKS_MAX = 8
"""Blocks with batches above the anchor from which on a block may order no new ones
(Back-pressure)."""


class Flaw(StrEnum):
    """Why a block is invalid."""

    SEVERED = "does not descend from the final block"
    TERMINAL_PARENT = "child of a terminal block"
    HEIGHT = "height is not its parent's plus one"
    VIEW = "view is not above its parent's"
    LEADER = "proposer does not lead its view"
    TIME = "time is not above its parent's"
    CUT = "cut does not extend its parent's by chain"
    COUNT = "batch count or bytes are not those of its cut"
    LIMITS = "more batches or bytes than a block may order"
    PRESSURE = "new batches while execution lags"
    ANCHOR = "anchor below its parent's, or not below itself"
    ROOT = "anchor's root is not what was executed here"
    NEXT_EPOCH = "next epoch is not the state's wish at its anchor"


@dataclass(frozen=True, slots=True)
class Ok:
    """Held and valid, with all ancestors down to the final block."""


@dataclass(frozen=True, slots=True)
class Bad:
    """Invalid on every honest replica, unless execution is not deterministic."""

    flaw: Flaw


@dataclass(frozen=True, slots=True)
class Pending:
    """Not known yet."""

    headers: tuple[Digest, ...] = ()
    batches: tuple[tuple[Lane, Digest], ...] = ()
    executed: Height | None = None
    """Height up to which execution must come first."""


Verdict = Ok | Bad | Pending


def header_flaw(
    header: Header, parent: Header, parent_cut: Cut, *, order: tuple[SignerIndex, ...], lag: int
) -> Flaw | None:
    """What two headers alone show.

    Args:
        header: the block; chain and epoch were checked where it came in.
        parent: the block before it.
        parent_cut: the parent's cut; of an epoch's anchor, the initial one.
        order: the epoch's order of leaders.
        lag: blocks with batches in (anchor's height, parent's height].
    """
    parent_view = parent.view if parent.epoch == header.epoch else View(0)
    checks = (
        (header.height == parent.height + 1, Flaw.HEIGHT),
        (header.view > parent_view, Flaw.VIEW),
        (header.view > 0 and header.proposer == leader_of(order, header.view), Flaw.LEADER),
        (header.time_ms > parent.time_ms, Flaw.TIME),
        (_cut_grows(parent_cut, header.cut), Flaw.CUT),
        (
            header.batch_count <= BLOCK_BATCHES_MAX and header.batch_bytes <= BLOCK_BYTES_MAX,
            Flaw.LIMITS,
        ),
        (_counts_fit(parent_cut, header), Flaw.COUNT),
        (header.batch_count == 0 or lag < LAG_BLOCKS_MAX, Flaw.PRESSURE),
        (_anchor_fits(header, parent), Flaw.ANCHOR),
    )
    return next((flaw for holds, flaw in checks if not holds), None)


def _cut_grows(older: Cut, newer: Cut) -> bool:
    return len(older) == len(newer) and all(
        new.length > old.length or new == old for old, new in zip(older, newer, strict=True)
    )


def _counts_fit(parent_cut: Cut, header: Header) -> bool:
    return header.batch_count == sum(tip.length for tip in header.cut) - sum(
        tip.length for tip in parent_cut
    )


def _anchor_fits(header: Header, parent: Header) -> bool:
    if header.anchor.height == parent.anchor.height:
        return header.anchor == parent.anchor
    return parent.anchor.height < header.anchor.height < header.height


def data_flaw(header: Header, walk: Walk) -> Flaw | None:
    """What the batches between the two cuts show, once all are held."""
    if not walk.chained:
        return Flaw.CUT
    return None if walk.missing or walk.size == header.batch_bytes else Flaw.COUNT


def execution_flaw(
    header: Header, parent: Header, *, current: Digest, executed: Height, own: Executed | None
) -> Flaw | Pending | None:
    """Compare an anchor with one's own execution.

    Args:
        header: the block.
        parent: the block before it, valid.
        current: digest of this epoch's description.
        executed: newest height executed here.
        own: what was executed here at the anchor's height, if remembered.
    """
    if header.anchor.height > executed:
        return Pending(executed=header.anchor.height)
    wish = current
    if header.anchor.height != parent.anchor.height:
        if own is None:
            return Pending(executed=header.anchor.height)
        if own.root != header.anchor.root:
            return Flaw.ROOT
        wish = own.next_epoch
    return None if header.next_epoch == wish else Flaw.NEXT_EPOCH
