"""One cell of a file: which texts and which typed values a column's type takes.

Owns the strict rules, as expressions of the engine, and how names of a header become names of
columns. Nothing is rounded, guessed or dropped: a number with more digits than its type is refused.
"""

import re
from collections.abc import Sequence

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.room.analytics.policy import ColumnPolicy
from strongroom.enclave.room.analytics.types import Kind, Type

DECIMAL_DIGITS = 18
_WHOLE = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
)
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_TYPED = {
    Kind.REAL: frozenset(("FLOAT", "DOUBLE")) | _WHOLE,
    Kind.TEXT: frozenset(("VARCHAR",)),
    Kind.TRUTH: frozenset(("BOOLEAN",)),
    Kind.DATE: frozenset(("DATE",)),
    Kind.TIMESTAMP: frozenset(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "DATE")),
    Kind.INTEGER: _WHOLE,
    Kind.DECIMAL: _WHOLE,
}
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TEXTS = {
    Kind.INTEGER: "[+-]?[0-9]+",
    Kind.REAL: r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?",
    Kind.TRUTH: "true|false|True|False|TRUE|FALSE|1|0",
    Kind.DATE: _DAY,
    Kind.TIMESTAMP: _DAY + r"([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?",
}


def cell(name: str, written: str, column: ColumnPolicy) -> tuple[str, str]:
    """(value, whether it fits) as expressions of the engine over a column that is not null.

    Args:
        name: of the column in the engine.
        written: the engine's type of what the file holds.
        column: what the terms say.

    Raises:
        ClientFault: no value of that type is ever one of this column.
    """
    kind = column.type.kind
    value = f"TRY_CAST({name} AS {_engine_type(column.type)})"
    fits = f"{value} IS NOT NULL"
    if kind is Kind.REAL:
        fits = f"isfinite({value})"
    if written == "VARCHAR":
        if kind is Kind.TEXT:
            return name, "true"
        return value, f"(regexp_full_match({name}, '{_pattern(column.type)}') AND {fits})"
    if written not in _TYPED[kind] and not _is_narrower(written, column.type):
        raise ClientFault(
            f"column {column.name}: the file holds {written}, the terms say {column.type}"
        )
    return value, fits


def canonical_names(written: Sequence[str]) -> list[str]:
    """Names of columns as terms have them: `From Bank` is from_bank, a second one from_bank_2."""
    names: list[str] = []
    for one in written:
        name = re.sub("[^a-z0-9_]+", "_", one.strip().lower()).strip("_") or "column"
        times = 1 + sum(re.fullmatch(rf"{name}(_\d+)?", before) is not None for before in names)
        names.append(name if times == 1 and name not in names else f"{name}_{times}")
    return names


def _engine_type(type_: Type) -> str:
    if type_.kind is Kind.DECIMAL:
        return f"DECIMAL({DECIMAL_DIGITS}, {type_.scale})"
    return type_.engine


def _pattern(type_: Type) -> str:
    if type_.kind is not Kind.DECIMAL:
        return _TEXTS[type_.kind]
    behind = f"(\\.[0-9]{{0,{type_.scale}}})?"
    return f"[+-]?([0-9]+{behind}|\\.[0-9]{{1,{max(type_.scale, 1)}}})"


def _is_narrower(written: str, type_: Type) -> bool:
    """Does a decimal of the file have no more digits behind its point?"""
    found = _DECIMAL.fullmatch(written)
    if found is None:
        return False
    return type_.kind is Kind.REAL or (type_.kind is Kind.DECIMAL and int(found[2]) <= type_.scale)
