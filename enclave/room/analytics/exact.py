"""An exact release: which groups have k units, and what of them shows (S9).

Owns the way from table s (every group) to table r (what is told): sketches first, exact counts of
the groups that they leave open, suppression, rounding. All text here is ours; names are g0, a0 …
"""

from collections.abc import Sequence
from itertools import combinations

import duckdb
import numpy as np
from numpy.typing import NDArray

from strongroom.enclave.room.analytics.checking import Step
from strongroom.enclave.room.analytics.nodes import Node, same
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
    visible = _shown(engine, step, enough, sizes)
    keys = [f"g{index}" for index in range(len(release.keys))]
    gaps = _gaps(engine, step, rowid, visible, sizes)
    told = []
    for index, one in enumerate(release.aggregates):
        part = None if one.part is None else _place_of(one.part, release.parts)
        number = _rounded(one, f"a{index}")
        if part in gaps:
            number = f"CASE WHEN rowid IN (SELECT i FROM gaps{part}) THEN NULL ELSE {number} END"  # noqa: S608
        told.append(f"{number} AS a{index}")
    for part, hidden in gaps.items():
        engine.register(f"gaps{part}", {"i": rowid[hidden]})
    engine.register("kept", {"i": rowid[visible]})
    engine.execute(
        f"CREATE TABLE {release.table} AS SELECT {', '.join([*keys, *told]) or 'n'} "  # noqa: S608
        f"FROM {source} WHERE rowid IN (SELECT i FROM kept)"
    )
    for name in ("kept", *(f"gaps{part}" for part in gaps)):
        engine.unregister(name)


def _shown(engine: duckdb.DuckDBPyConnection, step: Step, enough: Truths, sizes: Numbers) -> Truths:
    """Which of the groups that are enough show, complements looked for."""
    release = step.release
    if enough.all() or not release.keys:
        return enough
    order, lines = _lines(engine, f"s{release.index}", len(release.keys))
    return shown(enough, sizes, order, lines)


def _gaps(
    engine: duckdb.DuckDBPyConnection, step: Step, rowid: Numbers, visible: Truths, sizes: Numbers
) -> dict[int | None, Truths]:
    """By the number of a part: groups in which fewer than k units have a value there, or whose
    number would tell of such a one. They show, and their aggregates of it do not. Where nobody has
    a value, as where there is no group, no neighbour tells of anybody."""
    gaps: dict[int | None, Truths] = {}
    if all(k == 1 for _, k in step.release.units):
        return gaps
    source = f"s{step.release.index}"
    for part in range(len(step.release.parts)):
        found = _arrays(engine, f"SELECT rowid, p{part} AS p FROM {source} ORDER BY rowid")  # noqa: S608
        values, told = found["p"], visible.copy()
        unsure = visible & (values < sizes) & (values > 0)
        if unsure.any():
            told[unsure] = _have_part(engine, step, source, rowid[unsure], part)
            told = _shown(engine, step, told, np.where(values > 0, values, np.iinfo(np.int64).max))
        hidden = visible & ~(told & (values > 0))
        if hidden.any():
            gaps[part] = hidden
    return gaps


def _place_of(part: Node, parts: Sequence[Node]) -> int:
    return next(index for index, one in enumerate(parts) if same(part, one))


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


def _have_part(
    engine: duckdb.DuckDBPyConnection, step: Step, source: str, asked: Numbers, part: int
) -> Truths:
    """Whether each of these groups has k units of every data set with this part: sketched first,
    then counted; or as it was counted where the rows were, which are not here (step.unit_text)."""
    if step.unit_text is None:
        return _counted_before(engine, step, source, asked, part)
    enough = np.zeros(len(asked), dtype=bool)
    if all(k <= SKETCHED_K_MAX for _, k in step.release.units):
        enough = _counted(engine, step, source, asked, part, sketched=True)
    if not enough.all():
        enough[~enough] = _counted(engine, step, source, asked[~enough], part)
    return enough


def behind(part: int, unit: int) -> str:
    """Column of table s in which units with a part were counted already."""
    return f"q{part}u{unit}"


def _counted_before(
    engine: duckdb.DuckDBPyConnection, step: Step, source: str, asked: Numbers, part: int
) -> Truths:
    names = [behind(part, unit) for unit in range(len(step.release.units))]
    engine.register("asked", {"i": asked})
    found = _arrays(
        engine,
        f"SELECT rowid, {', '.join(names)} FROM {source} "  # noqa: S608 (names of ours)
        "WHERE rowid IN (SELECT i FROM asked) ORDER BY rowid",
    )
    engine.unregister("asked")
    enough = np.ones(len(asked), dtype=bool)
    for name, (_, k) in zip(names, step.release.units, strict=True):
        enough &= found[name] >= k
    return enough


def _counted(
    engine: duckdb.DuckDBPyConnection,
    step: Step,
    source: str,
    asked: Numbers,
    part: int | None = None,
    *,
    sketched: bool = False,
) -> Truths:
    """Whether each of these groups has k units of every data set: of all rows, or of those that
    have this part. Counted exactly, or `sketched`, which may say no where it is so."""
    release = step.release
    keys = [f"g{index}" for index in range(len(release.keys))]
    equal = " AND ".join(f"x.{key} IS NOT DISTINCT FROM y.{key}" for key in keys) or "true"
    with_part = "" if part is None else f"CASE WHEN x.x{part} THEN "
    end = "" if part is None else " END"
    count = (
        "coalesce(bit_count(bit_or({0}(CASE WHEN x.u{1} IS NULL THEN CAST(NULL AS UBIGINT) "
        "ELSE CAST(1 AS UBIGINT) << (hash(x.u{1}) & 63) END){2})), 0) AS u{1}"
        if sketched
        else "count(DISTINCT {0}x.u{1}{2}) AS u{1}"
    )
    counts = [count.format(with_part, index, end) for index in range(len(release.units))]
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
        return f"round({name} / {one.step / MICROS!r}) * {one.step / MICROS!r}"
    up = f"(abs({name}) + {one.step // 2}) // {one.step} * {one.step}"
    return f"CASE WHEN {name} < 0 THEN -({up}) ELSE {up} END"
