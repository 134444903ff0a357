"""Rows made from a schema alone, so that an analyst sees the shape of an answer before anyone's
rows are asked (`rooms check`).

Owns the making: the same rows for the same schema and seed. Values mean nothing; groups are large
enough that some show. Knows no query.
"""

import random
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from strongroom.enclave.room.analytics.policy import MICROS, ColumnPolicy, DataPolicy, Use
from strongroom.enclave.room.analytics.relations import DataSet
from strongroom.enclave.room.analytics.tables import Table
from strongroom.enclave.room.analytics.types import Kind

LABELS = 4
"""Different values of a column that groups."""
_FIRST = datetime(2024, 1, 1)


def mock_tables(inputs: Mapping[str, DataSet], rows: int, seed: int = 0) -> dict[str, Table]:
    """A table for each input, of so many rows."""
    return {alias: mock_table(data.policy, rows, seed) for alias, data in inputs.items()}


def mock_table(policy: DataPolicy, rows: int, seed: int = 0) -> Table:
    """Rows of one data set; units come ten times each, from the same numbers in every data set."""
    columns = {}
    for column in policy.columns:
        dice = random.Random(f"{seed} {column.name}")
        columns[column.name] = [_value(column, dice, rows) for _ in range(rows)]
    return Table.of(columns)


def _value(column: ColumnPolicy, dice: random.Random, rows: int) -> Any:
    number = dice.randrange(max(1, rows // 10) if Use.IDENTITY in column.uses else LABELS)
    if Use.JOIN in column.uses or Use.IDENTITY in column.uses:
        return _LABELS[column.type.kind](column, number)
    if column.bounds is not None:
        low, high = column.bounds
        return _within(column, dice.randint(low, high))
    return _LABELS[column.type.kind](column, number)


def _within(column: ColumnPolicy, micros: int) -> Any:
    if column.type.kind is Kind.REAL:
        return micros / MICROS
    if column.type.kind is Kind.INTEGER:
        return micros // MICROS
    return f"{Decimal(micros) / MICROS:.{column.type.scale}f}"


_LABELS: Mapping[Kind, Callable[[ColumnPolicy, int], Any]] = {
    Kind.INTEGER: lambda _, number: number,
    Kind.DECIMAL: lambda column, number: f"{number:.{column.type.scale}f}",
    Kind.REAL: lambda _, number: float(number),
    Kind.TEXT: lambda column, number: f"{column.name}-{number}",
    Kind.TRUTH: lambda _, number: number % 2 == 0,
    Kind.DATE: lambda _, number: date(2024, 1, 1) + timedelta(days=number),
    Kind.TIMESTAMP: lambda _, number: (_FIRST + timedelta(hours=number)).isoformat(sep=" "),
}
