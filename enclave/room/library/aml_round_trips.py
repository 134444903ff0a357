"""aml.round_trips: money that comes back to its account over others, in order of time.

A round trip is a chain of 2 to `hops_max` transfers; each is later than the one before, no account
comes twice, the last ends where the first began, and all lie within `days_max` days. Every chain is
found, and each once: it has one earliest transfer. All banks' rows are one graph (transfers.py).

The search goes forward from every transfer, in blocks of chains of one length; it is depth first
over blocks, so that memory stays bounded, and counts its steps.
"""

from dataclasses import dataclass

import numpy as np

from strongroom.enclave.room.library.shapes import (
    Column,
    Inputs,
    Kind,
    Outputs,
    Parameter,
    Program,
    ProgramRefused,
    Table,
    TableSchema,
)
from strongroom.enclave.room.library.transfers import (
    ALERT_COLUMNS,
    BUSY,
    BUSY_ACCOUNTS,
    CASE_COLUMNS,
    DAY_SECONDS,
    DAYS,
    TRANSFERS,
    Integers,
    Transfers,
    Truths,
    pool,
)

NAME = "aml.round_trips"
HOPS_MAX = 12
RINGS_MAX = 100_000
CHAIN_STEPS_MAX = 200_000_000
"""Chains that are looked at, over all lengths."""
BLOCK_CHAINS_MAX = 1 << 18
"""Chains of one block: what is worked on at once."""
TRIMMED_MAX = 64
"""Rounds in which transfers that lead nowhere are cut off."""
_RING = (
    Column(name="ring", kinds=(Kind.INTEGER,), meaning="number of the ring in this result, from 1"),
    Column(name="hops", kinds=(Kind.INTEGER,), meaning="transfers of the ring"),
    Column(name="place", kinds=(Kind.INTEGER,), meaning="place in the ring, from 1"),
)
OUTPUTS = {
    "alerts": TableSchema(columns=(*_RING, *ALERT_COLUMNS)),
    "case": TableSchema(columns=(*_RING, *CASE_COLUMNS)),
    "busy": BUSY_ACCOUNTS,
}
PARAMETERS = (
    Parameter(
        name="hops_max",
        type=int,
        meaning="transfers of the longest round trip",
        default=HOPS_MAX,
        minimum=2,
        maximum=HOPS_MAX,
    ),
    DAYS,
    Parameter(
        name="share_percent",
        type=int,
        meaning="the smaller of two amounts that follow each other, in percent of the greater, "
        "at least; 0: amounts do not count",
        default=0,
        minimum=0,
        maximum=100,
    ),
    BUSY,
)


def run(room: Inputs) -> Outputs:
    """Find all round trips.

    Raises:
        ProgramRefused: `amounts` are asked about but not there; `steps` or `rings`: the transfers
            are too dense for these parameters.
    """
    share = room.integer("share_percent")
    pooled = pool(room.tables)
    if share and not pooled.has_amounts:
        raise ProgramRefused("amounts", "share_percent needs the column amount in every table")
    busy = pooled.busy(room.integer("busy_above"))
    transfers = pooled.without(busy)
    rings = find(
        transfers,
        hops_max=room.integer("hops_max"),
        seconds=room.integer("days_max") * DAY_SECONDS,
        share=share,
    )
    hops = (rings >= 0).sum(axis=1)
    ring, place = np.nonzero(rings >= 0)
    which = rings[ring, place]
    ring_columns = {"ring": ring + 1, "hops": hops[ring], "place": place + 1}
    return {
        "alerts": Table.of({**ring_columns, **transfers.named(transfers.source[which])}),
        "case": Table.of({**ring_columns, **transfers.rows(which)}),
        "busy": Table.of(pooled.named(busy)),
    }


def find(transfers: Transfers, *, hops_max: int, seconds: int, share: int) -> Integers:
    """Numbers of each ring's transfers in order: a row per ring, -1 behind its end.

    Raises:
        ProgramRefused: too many steps, or rings.
    """
    rings: list[Integers] = []
    found = steps = 0
    graph = _Graph.of(transfers, seconds)
    blocks = [graph.begin()]
    while blocks:
        block, rest = blocks.pop().split()
        if rest is not None:
            blocks.append(rest)
        parent, following = block.followed()
        steps += len(parent)
        if steps > CHAIN_STEPS_MAX:
            raise ProgramRefused("steps", _TOO_DENSE)
        if share:
            like = graph.alike(block.chains[parent, -1], following, share)
            parent, following = parent[like], following[like]
        back = graph.target[following] == block.origins[parent]
        if back.any():
            closed = np.column_stack((block.chains[parent[back]], following[back]))
            rings.append(_padded(graph.place[closed]))
            found += len(closed)
            if found > RINGS_MAX:
                raise ProgramRefused("rings", _TOO_DENSE)
        if block.chains.shape[1] + 1 < hops_max:
            blocks.append(graph.longer(block, parent[~back], following[~back]))
    if not rings:
        return np.empty((0, HOPS_MAX), dtype=np.int64)
    unordered = np.concatenate(rings)
    return unordered[np.lexsort(unordered.T[::-1])]


_TOO_DENSE = (
    "the transfers are too dense for this search: lower hops_max, days_max or busy_above, or ask "
    "for like amounts with share_percent"
)


def _padded(rings: Integers) -> Integers:
    padded = np.full((len(rings), HOPS_MAX), -1, dtype=np.int64)
    padded[:, : rings.shape[1]] = rings
    return padded


@dataclass(frozen=True, slots=True)
class _Block:
    """Chains of one length that may go on."""

    chains: Integers
    """Per chain the transfers that it is made of, by their place in the graph."""
    origins: Integers
    """Account that each began at."""
    limits: Integers
    """Last rank of time at which each may end."""
    first: Integers
    """Where the transfers begin that each may go on with …"""
    count: Integers
    """… and how many they are."""

    def split(self) -> "tuple[_Block, _Block | None]":
        """As many chains as may be worked on at once, at least one, and the rest."""
        size = int(np.searchsorted(np.cumsum(self.count), BLOCK_CHAINS_MAX, side="right"))
        size = max(1, size)
        if size >= len(self.count):
            return self, None
        return self._part(slice(size)), self._part(slice(size, None))

    def followed(self) -> tuple[Integers, Integers]:
        """Every chain's number with each transfer that it may go on with."""
        parent = np.repeat(np.arange(len(self.count)), self.count)
        skipped = np.cumsum(self.count) - self.count
        following = np.arange(len(parent)) - np.repeat(skipped - self.first, self.count)
        return parent, following

    def _part(self, which: slice) -> "_Block":
        return _Block(
            self.chains[which],
            self.origins[which],
            self.limits[which],
            self.first[which],
            self.count[which],
        )


@dataclass(frozen=True, slots=True)
class _Graph:
    """Transfers ordered by payer, then time, for search by a joint key of both."""

    source: Integers
    target: Integers
    rank: Integers
    """Of the time, among all times: two transfers of one time share it."""
    amount: Integers
    place: Integers
    """Of each transfer in the order of `Transfers`."""
    ranks: int
    key: Integers
    """Payer and rank in one number; the last is greater than any."""
    row: Integers
    """Of each transfer, the key at which those of its paid account begin."""
    after: Integers
    """Of each transfer, the first that its paid account makes later."""
    limits: Integers
    """Rank of the last transfer that could close a chain which begins with each; -1: none."""

    @classmethod
    def of(cls, transfers: Transfers, seconds: int) -> "_Graph":
        place = _trimmed(transfers)
        place = place[np.lexsort((transfers.time[place], transfers.source[place]))]
        kept = transfers.only(place)
        times, rank = np.unique(kept.time, return_inverse=True)
        ranks = len(times) + 1
        key, row = kept.source * ranks + rank, kept.target * ranks
        within = np.searchsorted(times, kept.time + seconds, side="right") - 1
        into = np.sort(row + rank)
        last = np.searchsorted(into, kept.source * ranks + within, side="right") - 1
        closing = into[last] if len(into) else into
        return cls(
            source=kept.source,
            target=kept.target,
            rank=rank,
            amount=kept.amount,
            place=place,
            ranks=ranks,
            key=np.append(key, np.iinfo(np.int64).max),
            row=row,
            after=np.searchsorted(key, row + rank, side="right"),
            limits=np.where((last >= 0) & (closing // ranks == kept.source), closing % ranks, -1),
        )

    def begin(self) -> _Block:
        """Chains of one transfer, of all that something could close."""
        first = np.flatnonzero(self.limits > self.rank)
        return self._block(first[:, None], self.source[first], self.limits[first])

    def longer(self, block: _Block, parent: Integers, following: Integers) -> _Block:
        """Chains that are longer by one, where they go on in time and to a new account."""
        first = self.after[following]
        alive = self.key[first] <= self.row[following] + block.limits[parent]
        parent, following = parent[alive], following[alive]
        account = self.target[following]
        new = np.ones(len(parent), dtype=bool)
        for place in range(block.chains.shape[1]):
            new &= self.target[block.chains[parent, place]] != account
        parent, following = parent[new], following[new]
        chains = np.column_stack((block.chains[parent], following))
        return self._block(chains, block.origins[parent], block.limits[parent])

    def alike(self, before: Integers, after: Integers, share: int) -> Truths:
        """Whether the amounts of two transfers are alike."""
        one, other = self.amount[before], self.amount[after]
        like: Truths = np.minimum(one, other) * 100 >= np.maximum(one, other) * share
        return like

    def _block(self, chains: Integers, origins: Integers, limits: Integers) -> _Block:
        last = chains[:, -1]
        first = self.after[last]
        end = np.searchsorted(self.key, self.row[last] + limits, side="right")
        return _Block(chains, origins, limits, first, np.maximum(end - first, 0))


def _trimmed(transfers: Transfers) -> Integers:
    """Transfers that lie between one into their payer and one out of whom they pay."""
    kept = np.arange(len(transfers.time))
    for _ in range(TRIMMED_MAX):
        pays = np.zeros(len(transfers.accounts), dtype=bool)
        is_paid = pays.copy()
        pays[transfers.source[kept]] = True
        is_paid[transfers.target[kept]] = True
        stays = is_paid[transfers.source[kept]] & pays[transfers.target[kept]]
        if stays.all():
            break
        kept = kept[stays]
    return kept


PROGRAM = Program(
    name=NAME,
    finds="money that comes back to its account over others, in order of time",
    parameters=PARAMETERS,
    inputs=lambda parameters: TRANSFERS,
    outputs=OUTPUTS,
    run=run,
)
