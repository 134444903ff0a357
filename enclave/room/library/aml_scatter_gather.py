"""aml.scatter_gather: one account pays several, and all of them pay one other account.

A pattern is a payer, a receiver, and at least `intermediaries_min` accounts between them: each was
paid by the payer before it paid the receiver, and all these transfers lie within `days_max` days
from the first. Two legs over one account make one intermediary. All banks' rows are one graph
(transfers.py); a bank alone sees no more than two hops of which one is another's.

The search joins each account's transfers in with its later ones out, payer by payer, in blocks of
bounded size; only pairs with enough accounts between them are looked at closer.
"""

from collections.abc import Iterator

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
    pool,
)

NAME = "aml.scatter_gather"
LEGS_MAX = 100_000_000
"""Pairs of a transfer in and one out that are looked at."""
BLOCK_LEGS_MAX = 1 << 20
"""Legs that are worked on at once, unless one payer has more …"""
PAYER_LEGS_MAX = 1 << 24
"""… of which no payer may have more."""
PATTERN_LEGS_MAX = 1_000_000
"""Legs of all patterns found."""
PATTERN_STEPS_MAX = 20_000_000
"""Steps in which windows are moved over the legs of pairs."""
_PATTERN = Column(
    name="pattern", kinds=(Kind.INTEGER,), meaning="number of the pattern in this result, from 1"
)
OUTPUTS = {
    "alerts": TableSchema(
        columns=(
            _PATTERN,
            Column(name="role", kinds=(Kind.TEXT,), meaning="payer, between or receiver"),
            *ALERT_COLUMNS,
        )
    ),
    "case": TableSchema(
        columns=(
            _PATTERN,
            Column(name="leg", kinds=(Kind.TEXT,), meaning="scatter or gather"),
            *CASE_COLUMNS,
        )
    ),
    "busy": BUSY_ACCOUNTS,
}
PARAMETERS = (
    Parameter(
        name="intermediaries_min",
        type=int,
        meaning="distinct accounts between payer and receiver, at least",
        default=3,
        minimum=2,
        maximum=1_000,
    ),
    DAYS,
    BUSY,
)
_TOO_DENSE = (
    "the transfers are too dense for this search: lower days_max or busy_above, or raise "
    "intermediaries_min"
)
Leg = tuple[int, int]
"""Numbers of a transfer in and of a later one out, over one account."""


def run(room: Inputs) -> Outputs:
    """Find all patterns.

    Raises:
        ProgramRefused: `steps` or `legs`: the transfers are too dense for these parameters.
    """
    pooled = pool(room.tables)
    busy = pooled.busy(room.integer("busy_above"))
    transfers = pooled.without(busy)
    patterns = find(
        transfers,
        at_least=room.integer("intermediaries_min"),
        seconds=room.integer("days_max") * DAY_SECONDS,
    )
    return {
        "alerts": _alerts(transfers, patterns),
        "case": _case(transfers, patterns),
        "busy": Table.of(pooled.named(busy)),
    }


def find(transfers: Transfers, *, at_least: int, seconds: int) -> list[list[Leg]]:
    """Legs of each pattern, in order; patterns by payer, then receiver.

    Raises:
        ProgramRefused: too many steps, or legs.
    """
    patterns: list[list[Leg]] = []
    found = 0
    budget = [PATTERN_STEPS_MAX]
    for into, out in _legs(transfers, seconds):
        for legs in _crowded(transfers, into, out, at_least):
            within = _within(transfers, legs, at_least, seconds, budget)
            if within:
                patterns.append(within)
                found += len(within)
            if found > PATTERN_LEGS_MAX:
                raise ProgramRefused("legs", _TOO_DENSE)
    return patterns


def _legs(transfers: Transfers, seconds: int) -> Iterator[tuple[Integers, Integers]]:
    """All legs, in blocks: those of one payer are in one block, payers in order."""
    by_payer = np.lexsort((transfers.time, transfers.source))
    times, rank = np.unique(transfers.time, return_inverse=True)
    ranks = len(times) + 1
    key = transfers.source[by_payer] * ranks + rank[by_payer]
    within = np.searchsorted(times, transfers.time + seconds, side="right") - 1
    row = transfers.target[by_payer] * ranks
    first = np.searchsorted(key, row + rank[by_payer], side="right")
    count = np.searchsorted(key, row + within[by_payer], side="right") - first
    total = np.cumsum(count)
    if len(total) and total[-1] > LEGS_MAX:
        raise ProgramRefused("steps", _TOO_DENSE)
    new_payer = np.diff(transfers.source[by_payer], append=-1) != 0
    payer_ends = np.flatnonzero(new_payer) + 1
    start = 0
    while start < len(by_payer):
        done = total[start - 1] if start else 0
        fits = np.searchsorted(total, done + BLOCK_LEGS_MAX, side="right")
        whole = payer_ends[(payer_ends > start) & (payer_ends <= fits)]
        end = whole[-1] if len(whole) else payer_ends[payer_ends > start][0]
        if total[end - 1] - done > PAYER_LEGS_MAX:
            raise ProgramRefused("steps", _TOO_DENSE)
        part = slice(start, int(end))
        repeated = np.repeat(np.arange(part.start, part.stop), count[part])
        skipped = np.cumsum(count[part]) - count[part]
        following = np.arange(len(repeated)) - np.repeat(skipped - first[part], count[part])
        yield by_payer[repeated], by_payer[following]
        start = int(end)


def _crowded(
    transfers: Transfers, into: Integers, out: Integers, at_least: int
) -> Iterator[list[Leg]]:
    """Legs of each pair of payer and receiver with enough accounts between them, at any time."""
    payer, between, receiver = transfers.source[into], transfers.target[into], transfers.target[out]
    order = np.lexsort((out, into, between, receiver, payer))
    order = order[(payer != receiver)[order]]
    payer, between, receiver = payer[order], between[order], receiver[order]
    new_pair = np.ones(len(order), dtype=bool)
    new_pair[1:] = (payer[1:] != payer[:-1]) | (receiver[1:] != receiver[:-1])
    new_between = new_pair.copy()
    new_between[1:] |= between[1:] != between[:-1]
    pair = np.cumsum(new_pair) - 1
    distinct = np.bincount(pair, weights=new_between) if len(pair) else np.empty(0)
    starts = np.append(np.flatnonzero(new_pair), len(order))
    for one in np.flatnonzero(distinct >= at_least):
        members = order[starts[one] : starts[one + 1]]
        yield list(zip(into[members].tolist(), out[members].tolist(), strict=True))


def _within(
    transfers: Transfers, legs: list[Leg], at_least: int, seconds: int, budget: list[int]
) -> list[Leg]:
    """Legs that lie in a window with enough accounts between; a window begins with a leg."""
    timed = sorted(
        (
            int(transfers.time[into]),
            int(transfers.time[out]),
            int(transfers.target[into]),
            into,
            out,
        )
        for into, out in legs
    )
    kept: set[Leg] = set()
    for place, (begin, *_) in enumerate(timed):
        budget[0] -= len(timed) - place
        if budget[0] < 0:
            raise ProgramRefused("steps", _TOO_DENSE)
        inside = [one for one in timed[place:] if one[1] - begin <= seconds]
        if len({between for _, _, between, _, _ in inside}) >= at_least:
            kept.update((into, out) for *_, into, out in inside)
    return sorted(kept)


def _alerts(transfers: Transfers, patterns: list[list[Leg]]) -> Table:
    rows: list[tuple[int, str, int]] = []
    for number, legs in enumerate(patterns, 1):
        into, out = legs[0]
        rows.append((number, "payer", int(transfers.source[into])))
        between = sorted({int(transfers.target[into]) for into, _ in legs})
        rows += [(number, "between", account) for account in between]
        rows.append((number, "receiver", int(transfers.target[out])))
    accounts = np.array([account for _, _, account in rows], dtype=np.int64)
    return Table.of(
        {
            "pattern": np.array([number for number, _, _ in rows], dtype=np.int64),
            "role": [role for _, role, _ in rows],
            **transfers.named(accounts),
        }
    )


def _case(transfers: Transfers, patterns: list[list[Leg]]) -> Table:
    rows: list[tuple[int, str, int]] = []
    for number, legs in enumerate(patterns, 1):
        rows += [(number, "scatter", into) for into in sorted({into for into, _ in legs})]
        rows += [(number, "gather", out) for out in sorted({out for _, out in legs})]
    return Table.of(
        {
            "pattern": np.array([number for number, _, _ in rows], dtype=np.int64),
            "leg": [leg for _, leg, _ in rows],
            **transfers.rows(np.array([one for _, _, one in rows], dtype=np.int64)),
        }
    )


PROGRAM = Program(
    name=NAME,
    finds="one account that pays another over several between them",
    parameters=PARAMETERS,
    inputs=lambda parameters: TRANSFERS,
    outputs=OUTPUTS,
    run=run,
)
