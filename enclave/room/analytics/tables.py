"""Tables that come in and go out, and how they reach the engine.

Owns the check that a table is what its policy says, and nothing more: a column of another type, a
missing one, one too many is refused. Knows no query. Of the same shape as the library's tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from strongroom.enclave.room.analytics.policy import ColumnPolicy, DataPolicy
from strongroom.enclave.room.analytics.streams import Stream, shape
from strongroom.enclave.room.analytics.types import (
    INTEGER_MAX,
    INTEGER_MIN,
    Kind,
    day,
    moment,
    scaled,
)

Values = NDArray[Any] | Sequence[Any]


class NotTheSchema(Exception):
    """A table is not what its policy says. Never leaves the worker: it becomes QueryFailed."""


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """Columns of one length. Never changed: arrays are made read-only."""

    columns: Mapping[str, Values]
    rows: int

    @classmethod
    def of(cls, columns: Mapping[str, Values]) -> "Table":
        """Make one of its columns.

        Raises:
            NotTheSchema: columns differ in length.
        """
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1:
            raise NotTheSchema("columns of one table differ in length")
        kept = {name: _frozen(values) for name, values in columns.items()}
        return cls(MappingProxyType(kept), lengths.pop() if lengths else 0)

    def __repr__(self) -> str:
        """Names of columns alone: rows are never shown."""
        return f"Table({', '.join(self.columns)})"


Given = Table | bytes | Stream
"""A table, or an Arrow IPC stream."""

ARROW_FORMATS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.INTEGER: ("c", "C", "s", "S", "i", "I", "l"),
    Kind.REAL: ("f", "g"),
    Kind.TEXT: ("u", "U", "vu"),
    Kind.TRUTH: ("b",),
    Kind.DATE: ("tdD",),
    Kind.TIMESTAMP: ("tss:", "tsm:", "tsu:"),
}
"""Of the Arrow C data interface; a decimal is `d:PRECISION,SCALE` of its own scale."""
DECIMAL_PRECISION_MAX = 18
SOURCE = "given_"
"""Before a table's name: what the engine reads its rows from."""


def load(
    engine: duckdb.DuckDBPyConnection,
    table: str,
    given: Given,
    policy: DataPolicy,
    unit: str,
    *,
    once: bool = False,
) -> None:
    """Make a table of the engine with columns c0, c1 …; rows of no unit stay out.

    Args:
        engine: a connection of `settings.connect`.
        table: its name; what it reads from has the same name behind SOURCE.
        given: what it holds.
        policy: what it should be.
        unit: name of the unit column in the engine.
        once: it is read once, or little more: then it is a view of what was given, and no row is
            copied.

    Raises:
        NotTheSchema: it is something else.
        duckdb.Error, Exception: the bytes are no Arrow stream, or do not fit in memory.
    """
    source: Any
    if isinstance(given, Table):
        source, columns = _arrays(given, policy)
    else:
        source = given if isinstance(given, Stream) else Stream.of(given)
        columns = _arrow_columns(source, policy)
    engine.register(SOURCE + table, source)
    # Names and types are ours or were matched with the policy's; none is a row's.
    engine.execute(
        f"CREATE TEMP {'VIEW' if once else 'TABLE'} {table} AS SELECT * FROM "  # noqa: S608
        f"(SELECT {', '.join(columns)} FROM {SOURCE + table}) AS read WHERE {unit} IS NOT NULL"
    )
    if not once:
        engine.unregister(SOURCE + table)


def _arrow_columns(source: Stream, policy: DataPolicy) -> list[str]:
    fields = shape(source.batches().get_schema())
    if [name for name, _ in fields] != [column.name for column in policy.columns]:
        raise NotTheSchema("other columns")
    made = []
    for index, ((name, written), column) in enumerate(zip(fields, policy.columns, strict=True)):
        if column.type.kind is Kind.DECIMAL:
            expression = _arrow_decimal(name, written, column)
        elif written in ARROW_FORMATS[column.type.kind]:
            expression = _cleaned(f'CAST("{name}" AS {column.type.engine})', column)
        else:
            raise NotTheSchema("a column of another type")
        made.append(f"{expression} AS c{index}")
    return made


def _arrow_decimal(name: str, written: str, column: ColumnPolicy) -> str:
    precision, _, scale = written.removeprefix("d:").partition(",")
    if not written.startswith("d:") or scale != str(column.type.scale):
        raise NotTheSchema("a decimal of other digits")
    if not precision.isdecimal() or int(precision) > DECIMAL_PRECISION_MAX:
        raise NotTheSchema("a decimal of too many digits")
    wide = f'CAST("{name}" AS DECIMAL(38, {scale}))'
    return f"CAST({wide} * {10**column.type.scale} AS BIGINT)"


def _cleaned(expression: str, column: ColumnPolicy) -> str:
    if column.type.kind is not Kind.REAL:
        return expression
    return f"CASE WHEN isnan({expression}) THEN NULL ELSE {expression} END"


def _arrays(given: Table, policy: DataPolicy) -> tuple[dict[str, Any], list[str]]:
    if set(given.columns) != {column.name for column in policy.columns}:
        raise NotTheSchema("other columns")
    arrays, made = {}, []
    for index, column in enumerate(policy.columns):
        values = given.columns[column.name]
        arrays[f"c{index}"] = _array(values, column)
        cast = _cleaned(f"CAST(c{index} AS {column.type.engine})", column)
        made.append(f"{cast} AS c{index}")
    return arrays, made


def _array(values: Values, column: ColumnPolicy) -> NDArray[Any]:
    kind = column.type.kind
    if isinstance(values, np.ndarray) and values.dtype.kind in _ARRAY_KINDS[kind]:
        return values.astype(_ARRAY_TYPES[kind], copy=False)
    if isinstance(values, np.ndarray) and values.dtype.kind not in "OU":
        raise NotTheSchema("an array of another type")
    read = [None if value is None else _read(value, column) for value in values]
    if kind is Kind.TEXT:
        return np.array(read, dtype=object)
    gaps = np.array([value is None for value in read], dtype=bool)
    filled = [_EMPTY[kind] if value is None else value for value in read]
    return np.ma.masked_array(np.array(filled, dtype=_ARRAY_TYPES[kind]), mask=gaps)


_ARRAY_KINDS: Final[Mapping[Kind, str]] = {
    Kind.INTEGER: "i",
    Kind.DECIMAL: "i",
    Kind.REAL: "f",
    Kind.TEXT: "",
    Kind.TRUTH: "b",
    Kind.DATE: "M",
    Kind.TIMESTAMP: "M",
}
_ARRAY_TYPES: Final[Mapping[Kind, str]] = {
    Kind.INTEGER: "int64",
    Kind.DECIMAL: "int64",
    Kind.REAL: "float64",
    Kind.TEXT: "object",
    Kind.TRUTH: "bool",
    Kind.DATE: "datetime64[us]",
    Kind.TIMESTAMP: "datetime64[us]",
}
_EMPTY: Final[Mapping[Kind, Any]] = {
    Kind.INTEGER: 0,
    Kind.DECIMAL: 0,
    Kind.REAL: 0.0,
    Kind.TRUTH: False,
    Kind.DATE: np.datetime64(0, "us"),
    Kind.TIMESTAMP: np.datetime64(0, "us"),
}


def _read(value: Any, column: ColumnPolicy) -> Any:
    """One value of a list, as the engine gets it."""
    kind = column.type.kind
    found: Any = None
    if isinstance(value, np.generic):
        value = value.item()
    match kind:
        case Kind.INTEGER:
            found = value if type(value) is int else None
        case Kind.DECIMAL:
            number = isinstance(value, int | str | Decimal) and not isinstance(value, bool)
            found = scaled(str(value), column.type.scale) if number else None
        case Kind.REAL:
            found = float(value) if type(value) in (int, float) else None
        case Kind.TEXT:
            found = value if type(value) is str else None
        case Kind.TRUTH:
            found = value if type(value) is bool else None
        case Kind.DATE:
            text = day(value.isoformat() if type(value) is date else str(value))
            found = text and np.datetime64(text, "us")
        case Kind.TIMESTAMP:
            text = moment(value.isoformat() if type(value) is datetime else str(value))
            found = text and np.datetime64(text, "us")
    if found is None or (type(found) is int and not INTEGER_MIN <= found <= INTEGER_MAX):
        raise NotTheSchema("a value of another type")
    return found


def _frozen(values: Values) -> Values:
    if isinstance(values, np.ndarray):
        view = values.view()
        view.setflags(write=False)
        return view
    return tuple(values)
