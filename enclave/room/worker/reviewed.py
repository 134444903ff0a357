"""Texts of SQL that all owners approved, exactly as they stand, over rows as they are (ROOMS §5).

Owns the engine for them, and that none of their tables stays. Knows no policy: whoever approved a
text has read it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb

from strongroom.enclave.room.analytics.engine import RESULT_ROWS_MAX
from strongroom.enclave.room.analytics.settings import connect
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.library.shapes import Kind, Table

_OFTEN = re.compile("JOIN|PRODUCT|CTE|DELIM")
"""Of the engine's plan: what makes it read an input again, or choose an order by the sizes of
inputs, which it knows of its own tables alone."""
_COPIED = "rows/copied"
"""No input has such a name."""
_INTEGERS = frozenset(
    (
        *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "NUMBER"),
        *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    )
)
_REALS = frozenset(("FLOAT", "DOUBLE"))
"""Types of the engine, as a result names them."""


class Reviewed:
    """An engine for one text at a time, made before the walls rise."""

    def __init__(self, memory_bytes: int) -> None:
        self._engine = connect(memory_bytes)

    def run(self, text: str, inputs: Mapping[str, Stream]) -> tuple[Table, dict[str, Kind]]:
        """The rows of one SELECT, and what each column holds.

        Raises:
            ValueError: it is not one SELECT, has too many rows, or two columns of one name.
            Exception: as the engine says.
        """
        engine = self._engine
        statements = engine.extract_statements(text)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise ValueError("not one SELECT")
        try:
            for name, stream in inputs.items():
                if '"' in name:
                    raise ValueError("a name that cannot be quoted")
                engine.register(name, stream)
            plan = str(engine.execute(f"EXPLAIN (FORMAT json) {text}").fetchall())
            if _OFTEN.search(plan):
                self._copy(inputs)
            told = engine.execute(statements[0])
            names = [column[0] for column in told.description]
            written = [str(column[1]) for column in told.description]
            rows = told.fetchmany(RESULT_ROWS_MAX + 1)
        finally:
            self._take_back(inputs)
        if len(rows) > RESULT_ROWS_MAX or len(set(names)) != len(names):
            raise ValueError("too many rows, or two columns of one name")
        kinds = {name: _kind(type_) for name, type_ in zip(names, written, strict=True)}
        columns = {
            name: [_plain(row[at], kinds[name]) for row in rows] for at, name in enumerate(names)
        }
        return Table.of(columns), kinds

    def _copy(self, inputs: Mapping[str, Stream]) -> None:
        """Have tables of the engine's own, instead of reading rows where they lie."""
        for name, stream in inputs.items():
            self._engine.unregister(name)
            self._engine.register(_COPIED, stream)
            self._engine.execute(f'CREATE TABLE "{name}" AS SELECT * FROM "{_COPIED}"')  # noqa: S608
            self._engine.unregister(_COPIED)

    def _take_back(self, names: Iterable[str]) -> None:
        for name in (*names, _COPIED):
            self._engine.unregister(name)
        found = self._engine.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        for (name,) in found:
            self._engine.execute(f'DROP TABLE "{name}"')


def _kind(written: str) -> Kind:
    if written in _INTEGERS:
        return Kind.INTEGER
    if written in _REALS:
        return Kind.REAL
    return Kind.TRUTH if written == "BOOLEAN" else Kind.TEXT


def _plain(value: Any, kind: Kind) -> Any:
    return str(value) if kind is Kind.TEXT and value is not None else value
