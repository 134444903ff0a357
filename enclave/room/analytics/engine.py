"""Runs a checked query over tables: rows, release, result (ROOMS §4).

Owns the order of things. Rows are loaded, each release is computed and protected, and all rows are
dropped before the rest of the query runs, which therefore reads what was released and nothing else.
Whatever goes wrong, the error is one and says nothing. Deadline, sandbox and memory are the
process's (settings.py has the limit).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.analytics.checking import Checked
from strongroom.enclave.room.analytics.exact import release_exactly
from strongroom.enclave.room.analytics.noising import noised
from strongroom.enclave.room.analytics.refusals import QueryFailed
from strongroom.enclave.room.analytics.settings import connect
from strongroom.enclave.room.analytics.tables import SOURCE, Given, Table, load
from strongroom.enclave.room.analytics.types import Kind, Type

RESULT_ROWS_MAX = 1_000_000
RESULT_BYTES_MAX = 256 * 1024 * 1024
ENGINE_MEMORY_BYTES = 4 * 1024 * 1024 * 1024
_STANDING = {
    "table": "SELECT table_name FROM duckdb_tables()",
    "view": "SELECT view_name FROM duckdb_views() WHERE NOT internal",
}


class Engine:
    """The engine within this process, one query at a time. Made before the sandbox rises.

    Args:
        memory_bytes: what the engine believes it may take.
        rows_max: rows of a result.
        bytes_max: bytes of a result's texts and numbers.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = ENGINE_MEMORY_BYTES,
        rows_max: int = RESULT_ROWS_MAX,
        bytes_max: int = RESULT_BYTES_MAX,
    ) -> None:
        self._engine = connect(memory_bytes)
        self._rows_max, self._bytes_max = rows_max, bytes_max

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
            self._drop_all()
            try:
                return self._run(tables, checked, secret)
            finally:
                self._drop_all()
        except Exception:  # The cause may hang on rows: nothing of it goes on (T63).
            raise QueryFailed from None

    def _run(self, tables: Mapping[str, Given], checked: Checked, secret: Secret | None) -> Table:
        engine = self._engine
        joined = any("JOIN" in step.text for step in checked.steps)
        for alias, data in checked.inputs.items():
            names = [column.name for column in data.policy.columns]
            unit = f"c{names.index(data.policy.unit)}"
            table = f"d_{alias}"
            # Each mention counts, wherever it stands: once too often costs a copy, no more. For
            # joins the engine must know sizes, which it does of its own tables alone.
            once = sum(step.text.count(table) for step in checked.steps) == 1 and not joined
            load(engine, table, tables[alias], data.policy, unit, once=once)
        for step in checked.steps:
            engine.execute(f"CREATE TABLE s{step.release.index} AS {step.text}")
            if step.noise is None:
                release_exactly(engine, step)
            elif secret is None:
                raise ValueError("noise without the job's secret")
            else:
                noised(engine, step, step.noise, secret)
        return self._finished(checked)

    def _finished(self, checked: Checked) -> Table:
        """The rest of a query, once everything is released and no row is left."""
        self._drop_all(but=tuple(step.release.table for step in checked.steps))
        rows = self._engine.execute(checked.final).fetchmany(self._rows_max + 1)
        if len(rows) > self._rows_max:
            raise ValueError("too many rows")
        return self._table(rows, checked)

    def _drop_all(self, but: Sequence[str] = ()) -> None:
        """No table and no view is left but these: what reads next sees nothing else."""
        for kind in ("view", "table"):
            found = self._engine.execute(_STANDING[kind]).fetchall()
            for (name,) in found:
                if name.startswith(SOURCE):
                    self._engine.unregister(name)
                elif name not in but:
                    self._engine.execute(f'DROP {kind} "{name}"')

    def _table(self, rows: Sequence[tuple[Any, ...]], checked: Checked) -> Table:
        columns: dict[str, list[Any]] = {}
        size = 0
        for index, (name, type_) in enumerate(zip(checked.names, checked.types, strict=True)):
            columns[name] = [_told(row[index], type_, checked.digits) for row in rows]
            size += sum(len(one) if isinstance(one, str) else 8 for one in columns[name])
        if size > self._bytes_max:
            raise ValueError("too many bytes")
        return Table.of(columns)


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
