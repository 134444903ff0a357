"""Runs a checked query over tables: rows, release, result (ROOMS §4).

Owns the order of things. Rows are loaded, each release is computed and protected, and all rows are
dropped before the rest of the query runs, which therefore reads what was released and nothing else.
Whatever goes wrong, the error is one and says nothing. Deadline, sandbox and memory are the
process's (settings.py has the limit).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import combinations
from math import isfinite
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.analytics.checking import Checked, Step
from strongroom.enclave.room.analytics.noising import noised
from strongroom.enclave.room.analytics.policy import MICROS
from strongroom.enclave.room.analytics.refusals import QueryFailed
from strongroom.enclave.room.analytics.releases import Aggregate
from strongroom.enclave.room.analytics.settings import connect
from strongroom.enclave.room.analytics.suppression import shown
from strongroom.enclave.room.analytics.tables import Given, Table, load
from strongroom.enclave.room.analytics.types import Kind, Type

RESULT_ROWS_MAX = 1_000_000
RESULT_BYTES_MAX = 256 * 1024 * 1024
ENGINE_MEMORY_BYTES = 4 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The engine within this process, one query at a time."""

    memory_bytes: int = ENGINE_MEMORY_BYTES
    rows_max: int = RESULT_ROWS_MAX
    bytes_max: int = RESULT_BYTES_MAX
    """Of the result's texts and numbers."""

    def run(
        self, tables: Mapping[str, Given], checked: Checked, secret: Secret | None = None
    ) -> Table:
        """Run a query.

        Args:
            tables: by alias; those that the query does not read are not looked at.
            checked: of `checking.check`.
            secret: of the job, from which noise is drawn.

        Returns:
            Columns of whole numbers, texts, truths, None; decimals, dates and moments are texts;
            real numbers are rounded to the contract's digits. Rows stand in one order.

        Raises:
            QueryFailed: whatever the cause.
        """
        try:
            engine = connect(self.memory_bytes)
            try:
                return self._run(engine, tables, checked, secret)
            finally:
                engine.close()
        except Exception:  # The cause may hang on rows: nothing of it goes on (T63).
            raise QueryFailed from None

    def _run(
        self,
        engine: duckdb.DuckDBPyConnection,
        tables: Mapping[str, Given],
        checked: Checked,
        secret: Secret | None,
    ) -> Table:
        for alias, data in checked.inputs.items():
            names = [column.name for column in data.policy.columns]
            unit = f"c{names.index(data.policy.unit)}"
            load(engine, f"d_{alias}", tables[alias], data.policy, unit)
        for step in checked.steps:
            engine.execute(f"CREATE TABLE s{step.release.index} AS {step.text}")
        for alias in checked.inputs:
            engine.execute(f"DROP TABLE d_{alias}")
        for step in checked.steps:
            if step.noise is None:
                _release_exactly(engine, step)
            else:
                if secret is None:
                    raise ValueError("noise without the job's secret")
                noised(engine, step, step.noise, secret)
            engine.execute(f"DROP TABLE s{step.release.index}")
        rows = engine.execute(checked.final).fetchmany(self.rows_max + 1)
        if len(rows) > self.rows_max:
            raise ValueError("too many rows")
        return self._table(rows, checked)

    def _table(self, rows: Sequence[tuple[Any, ...]], checked: Checked) -> Table:
        columns: dict[str, list[Any]] = {}
        size = 0
        for index, (name, type_) in enumerate(zip(checked.names, checked.types, strict=True)):
            columns[name] = [_told(row[index], type_, checked.digits) for row in rows]
            size += sum(len(one) if isinstance(one, str) else 8 for one in columns[name])
        if size > self.bytes_max:
            raise ValueError("too many bytes")
        return Table.of(columns)


def _release_exactly(engine: duckdb.DuckDBPyConnection, step: Step) -> None:
    """r of s: groups of k units, without complements, rounded."""
    release = step.release
    source = f"s{release.index}"
    counts = [f"u{index}" for index in range(len(release.units))]
    found = _arrays(engine, f"SELECT rowid, {', '.join(counts)} FROM {source}")  # noqa: S608
    units = [found[name] for name in counts]
    enough = np.ones(len(found["rowid"]), dtype=bool)
    for (_, k), unit in zip(release.units, units, strict=True):
        enough &= unit >= k
    visible = enough
    if not enough.all() and release.keys:
        order, lines = _lines(engine, source, len(release.keys))
        by = np.argsort(found["rowid"])
        sizes = np.zeros(len(enough), dtype=np.int64)
        for unit in units:
            sizes += unit
        visible = np.empty_like(enough)
        visible[by] = shown(enough[by], sizes[by], order, lines)
    keys = [f"g{index}" for index in range(len(release.keys))]
    told = [_rounded(one, f"a{index}") for index, one in enumerate(release.aggregates)]
    engine.register("kept", {"i": found["rowid"][visible]})
    engine.execute(
        f"CREATE TABLE {release.table} AS SELECT {', '.join([*keys, *told]) or 'u0'} "  # noqa: S608
        f"FROM {source} WHERE rowid IN (SELECT i FROM kept)"
    )
    engine.unregister("kept")


def _lines(
    engine: duckdb.DuckDBPyConnection, source: str, keys: int
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
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
        f"SELECT rowid, {', '.join([place, *ranks])} FROM {source}",  # noqa: S608
    )
    by = np.argsort(found["rowid"])
    everything = np.zeros(len(by), dtype=np.int64)
    lines = [found[f"l{index}"][by] for index in range(len(subsets))]
    return found["place"][by], [*lines, everything]


def _arrays(engine: duckdb.DuckDBPyConnection, text: str) -> dict[str, NDArray[np.int64]]:
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


def _told(value: Any, type_: Type, digits: int) -> Any:
    """One value of a result, in the form that every executor gives it."""
    if value is None:
        return None
    match type_.kind:
        case Kind.INTEGER:
            return int(value)
        case Kind.DECIMAL:
            return f"{Decimal(int(value)).scaleb(-type_.scale):.{type_.scale}f}"
        case Kind.REAL:
            number = float(value)
            # -0.0 is 0.0: two executors may differ in a sign that means nothing.
            return round(number, digits) + 0.0 if isfinite(number) else None
        case Kind.TEXT:
            return str(value)
        case Kind.TRUTH:
            return bool(value)
        case Kind.DATE:
            return value.isoformat() if isinstance(value, date) else str(value)
        case Kind.TIMESTAMP:
            return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)
