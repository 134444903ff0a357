"""The engine's own parser, asked for trees and texts: no second reading of SQL exists (T61).

Owns the connection that parses and writes, which holds no table, and the check that a text that was
written reads as the tree that it was written from (S12). Knows no policy.
"""

import json

import duckdb

from strongroom.enclave.room.analytics import emitting
from strongroom.enclave.room.analytics.nodes import Node, read, same
from strongroom.enclave.room.analytics.places import Places
from strongroom.enclave.room.analytics.refusals import Refused, Rule
from strongroom.enclave.room.analytics.settings import connect

SQL_BYTES_MAX = 16 * 1024
"""Of a query's text, in UTF-8."""
SQL_BRACKETS_MAX = 200
"""Open at once, in a query's text: the engine's parser takes half a minute for 5,000."""
EMITTED_BYTES_MAX = 1024 * 1024
"""Of a tree that is written: a WITH query stands as often as it is read."""

_SERIALIZE = (
    "SELECT json_serialize_sql(?::VARCHAR, skip_null := false, skip_empty := false, "
    "skip_default := false)"
)


class Parser:
    """The parser of the installed engine."""

    def __init__(self) -> None:
        self._engine = connect(memory_bytes=256 * 1024 * 1024)

    def tree(self, sql: str) -> Node:
        """The tree of the one statement that a text is.

        Raises:
            Refused: it is too long, no SQL, not one SELECT statement.
        """
        places = Places(self._encoded(sql))
        _check_brackets(sql)
        return self._statement(self._serialized(sql), places)

    def text(self, query: Node) -> str:
        """The text of a tree of ours, which reads as the same tree.

        Raises:
            Refused: it does not (S12), or it is too long.
        """
        written = json.dumps(emitting.statement(query))
        if len(written) > EMITTED_BYTES_MAX:
            raise Refused(
                Rule.S12, "the query", "too long once written out", "read each WITH query once"
            )
        try:
            (text,) = self._one("SELECT json_deserialize_sql(?::JSON)", written)
            read_again = self._serialized(text)
            statements = read_again.get("statements")
            (again,) = self._one("SELECT json_deserialize_sql(?::JSON)", json.dumps(read_again))
        except (duckdb.Error, RecursionError):
            raise _not_the_same() from None
        if again != text or not same(statements, emitting.statement(query)["statements"]):
            raise _not_the_same()
        return str(text)

    def aggregates(self) -> frozenset[str]:
        """Names of all functions of the engine that aggregate."""
        asked = "SELECT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'"
        return frozenset(name for (name,) in self._engine.execute(asked).fetchall())

    def _serialized(self, sql: str) -> Node:
        self._encoded(sql, EMITTED_BYTES_MAX)
        try:
            (found,) = self._one(_SERIALIZE, sql)
            tree = json.loads(found)
        except (duckdb.Error, RecursionError, ValueError):
            raise Refused(Rule.S1, "the query", "the parser ends", "write less deeply") from None
        return tree if isinstance(tree, dict) else {}

    def _statement(self, tree: Node, places: Places) -> Node:
        if tree.get("error") is not False:
            position = str(tree.get("position", ""))
            where = {"query_location": int(position)} if position.isdecimal() else None
            raise Refused(
                Rule.S1,
                places.of(where, "the query"),
                "not one SELECT that can be read",
                "write SELECT, WITH and UNION ALL alone",
            )
        statements = tree.get("statements")
        if not isinstance(statements, list) or len(statements) != 1:
            raise Refused(Rule.S1, "the query", "not one statement", "write one SELECT")
        query: Node = read(statements[0], "STATEMENT", places, "the query")["node"]
        return query

    def _encoded(self, sql: str, bytes_max: int = SQL_BYTES_MAX) -> bytes:
        try:
            encoded = sql.encode("utf-8") if isinstance(sql, str) else b"\0"
        except UnicodeEncodeError:
            encoded = b"\0"
        if len(encoded) > bytes_max or b"\0" in encoded:
            raise Refused(
                Rule.S1,
                "the query",
                f"not a text of at most {bytes_max} bytes",
                "shorten it, and leave out what is no character",
            )
        return encoded

    def _one(self, sql: str, value: str) -> tuple[str]:
        found = self._engine.execute(sql, [value]).fetchone()
        if found is None or not isinstance(found[0], str):
            raise _not_the_same()
        return (found[0],)


def _check_brackets(sql: str) -> None:
    """Those within texts and comments count too: no second reading of SQL exists."""
    depth = 0
    for letter in sql:
        depth += (letter in "([{") - (letter in ")]}" and depth > 0)
        if depth > SQL_BRACKETS_MAX:
            raise Refused(
                Rule.S1, "the query", f"more than {SQL_BRACKETS_MAX} open brackets", "write fewer"
            )


def _not_the_same() -> Refused:
    return Refused(
        Rule.S12,
        "the query",
        "what would run does not read as what was checked",
        "write it more simply, and report it",
    )
