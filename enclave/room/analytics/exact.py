"""An exact release: which groups have k units, and what of them shows (S9).

Owns the way from table s (every group) to table r (what is told): sketches first, exact counts of
the groups that they leave open, suppression, rounding. All text here is ours; names are g0, a0 …
"""

from itertools import combinations

import duckdb
import numpy as np
from numpy.typing import NDArray

from strongroom.enclave.room.analytics.checking import Step
from strongroom.enclave.room.analytics.policy import MICROS
from strongroom.enclave.room.analytics.releases import SKETCHED_K_MAX, Aggregate
from strongroom.enclave.room.analytics.suppression import shown
from strongroom.enclave.room.analytics.types import Kind

Numbers = NDArray[np.int64]
Truths = NDArray[np.bool_]


def release_exactly(engine: duckdb.DuckDBPyConnection, step: Step) -> None:
    """Make the table r of a step from its table s; the rows must still be there."""
    release = step.release
    source = f"s{release.index}"
    rowid, enough, sizes = _judged(engine, step, source)
    visible = enough
    if not enough.all() and release.keys:
        order, lines = _lines(engine, source, len(release.keys))
        visible = shown(enough, sizes, order, lines)
    keys = [f"g{index}" for index in range(len(release.keys))]
    told = [_rounded(one, f"a{index}") for index, one in enumerate(release.aggregates)]
    engine.register("kept", {"i": rowid[visible]})
    engine.execute(
        f"CREATE TABLE {release.table} AS SELECT {', '.join([*keys, *told]) or 'n'} "  # noqa: S608
        f"FROM {source} WHERE rowid IN (SELECT i FROM kept)"
    )
    engine.unregister("kept")


def _judged(
    engine: duckdb.DuckDBPyConnection, step: Step, source: str
) -> tuple[Numbers, Truths, Numbers]:
    """Number of each group, whether it has k units of every data set, and its rows."""
    columns = [
        f"coalesce(bit_count(b{index}), 0) AS u{index}" if k <= SKETCHED_K_MAX else f"u{index}"
        for index, (_, k) in enumerate(step.release.units)
    ]
    found = _arrays(
        engine,
        f"SELECT rowid, n, {', '.join(columns)} FROM {source} ORDER BY rowid",  # noqa: S608
    )
    rowid, rows = found["rowid"], found["n"]
    enough = np.ones(len(rowid), dtype=bool)
    possible = np.ones(len(rowid), dtype=bool)
    for index, (_, k) in enumerate(step.release.units):
        enough &= found[f"u{index}"] >= k
        # As many units as rows at most; an exact count below k is the last word.
        possible &= (rows >= k) if k <= SKETCHED_K_MAX else found[f"u{index}"] >= k
    open_groups = possible & ~enough
    if open_groups.any() and step.unit_text is not None:
        enough[open_groups] = _counted(engine, step, source, rowid[open_groups])
    return rowid, enough, rows


def _counted(engine: duckdb.DuckDBPyConnection, step: Step, source: str, asked: Numbers) -> Truths:
    """Whether each of these groups has k units of every data set, counted exactly."""
    release = step.release
    keys = [f"g{index}" for index in range(len(release.keys))]
    equal = " AND ".join(f"x.{key} IS NOT DISTINCT FROM y.{key}" for key in keys) or "true"
    counts = [f"count(DISTINCT x.u{index}) AS u{index}" for index in range(len(release.units))]
    engine.register("asked", {"i": asked})
    found = _arrays(
        engine,
        f"WITH y AS (SELECT rowid AS i, * FROM {source} "  # noqa: S608
        f"WHERE rowid IN (SELECT i FROM asked)) "
        f"SELECT y.i AS i, {', '.join(counts)} FROM ({step.unit_text}) AS x "
        f"JOIN y ON {equal} GROUP BY y.i ORDER BY y.i",
    )
    engine.unregister("asked")
    if not np.array_equal(found["i"], asked):
        raise ValueError("a group without rows")
    enough = np.ones(len(asked), dtype=bool)
    for index, (_, k) in enumerate(release.units):
        enough &= found[f"u{index}"] >= k
    return enough


def _lines(
    engine: duckdb.DuckDBPyConnection, source: str, keys: int
) -> tuple[Numbers, list[Numbers]]:
    """Place of each group among all, and its line for each proper subset of the keys."""
    names = [f"g{index}" for index in range(keys)]
    subsets = [some for size in range(1, keys) for some in combinations(names, size)]
    ranks = [
        f"dense_rank() OVER (ORDER BY {', '.join(some)}) - 1 AS l{index}"
        for index, some in enumerate(subsets)
    ]
    place = f"row_number() OVER (ORDER BY {', '.join(names)}) AS place"
    found = _arrays(
        engine,
        f"SELECT rowid, {', '.join([place, *ranks])} FROM {source} ORDER BY rowid",  # noqa: S608
    )
    everything = np.zeros(len(found["rowid"]), dtype=np.int64)
    return found["place"], [*(found[f"l{index}"] for index in range(len(subsets))), everything]


def _arrays(engine: duckdb.DuckDBPyConnection, text: str) -> dict[str, Numbers]:
    found = engine.execute(text).fetchnumpy()
    return {name: np.asarray(values, dtype=np.int64) for name, values in found.items()}


def _rounded(one: Aggregate, name: str) -> str:
    """An aggregate as a multiple of its step, halves away from zero."""
    if one.step <= (0 if one.type.kind is Kind.REAL else 1):
        return name
    if one.type.kind is Kind.REAL:
        return f"round({name} / {one.step / MICROS!r}) * {one.step / MICROS!r} AS {name}"
    up = f"(abs({name}) + {one.step // 2}) // {one.step} * {one.step}"
    return f"CASE WHEN {name} < 0 THEN -({up}) ELSE {up} END AS {name}"
