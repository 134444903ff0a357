"""The list of functions is closed over the installed engine: each exists there, and none fails on
any value (S3). What the engine has beside them is refused."""

import itertools
from functools import cache
from typing import Any

import pytest
from tests.enclave.room.analytics.world import checked, column, parser

from strongroom.enclave.room.analytics import emitting
from strongroom.enclave.room.analytics.engine import Engine
from strongroom.enclave.room.analytics.expressions import AGGREGATES
from strongroom.enclave.room.analytics.functions import CAST_FROM, CAST_NAMES, FUNCTIONS, PARTS
from strongroom.enclave.room.analytics.nodes import Node
from strongroom.enclave.room.analytics.policy import DataPolicy
from strongroom.enclave.room.analytics.refusals import Refused
from strongroom.enclave.room.analytics.relations import DataSet
from strongroom.enclave.room.analytics.settings import connect
from strongroom.enclave.room.analytics.tables import Table
from strongroom.enclave.room.analytics.types import (
    DATE,
    INTEGER,
    REAL,
    TEXT,
    TIMESTAMP,
    TRUTH,
    Kind,
    Type,
)

EDGES: dict[Kind, list[str]] = {
    Kind.INTEGER: ["0", "1", "-1", "9223372036854775807", "(-9223372036854775808)", "NULL"],
    Kind.DECIMAL: ["0", "1", "-1", "9223372036854775807", "(-9223372036854775808)", "NULL"],
    Kind.REAL: ["0.0", "-0.0", "'nan'", "'inf'", "'-inf'", "1e308", "-1e308", "5e-324", "NULL"],
    Kind.TEXT: ["''", "'a'", "'İß'", "'%_\\'", "repeat('x', 10000)", "'9e999'", "chr(0)", "NULL"],
    Kind.TRUTH: ["true", "false", "NULL"],
    Kind.DATE: ["'infinity'", "'-infinity'", "'5881580-07-10'", "'0001-01-01'", "NULL"],
    Kind.TIMESTAMP: ["'infinity'", "'-infinity'", "'294247-01-10'", "'0001-01-01'", "NULL"],
}
COLUMNS = {
    "i": INTEGER,
    "m": Type(Kind.DECIMAL, 2),
    "r": REAL,
    "t": TEXT,
    "b": TRUTH,
    "d": DATE,
    "s": TIMESTAMP,
}
POLICY = DataPolicy(
    columns=(
        column("unit", INTEGER, "i"),
        *(
            column(name, type_, "gofa", bounds=(-(10**15), 10**15) if type_ == REAL else None)
            for name, type_ in COLUMNS.items()
        ),
    ),
    unit="unit",
    k=1,
    rounding=1,
    noise=None,
)
INPUTS = {"x": DataSet(identity="x", policy=POLICY)}
CALLS = [
    *(f"{a} {name} {b}" for name in "+-*/" for a, b in itertools.product("imr", repeat=2)),
    *(f"i {name} {other}" for name in ("//", "%") for other in ("i", "0", "-1")),
    *(f"{name}({one})" for name in ("abs", "floor", "ceil", "sqrt", "ln", "-") for one in "imr"),
    *(f"round({one}, {digits})" for one in "imr" for digits in (-12, 0, 12)),
    *(f"{name}(t)" for name in ("lower", "upper", "trim", "length")),
    *(f"substr(t, {place}, {size})" for place in (1, 10**6) for size in (1, 10**6)),
    *(f"t {name} '{pattern}'" for name in ("LIKE", "NOT LIKE") for pattern in ("%", "a_", "\\")),
    *(f"date_part('{part}', {one})" for part in sorted(PARTS) for one in "ds"),
    *(f"date_trunc('{part}', {one})" for part in sorted(PARTS - {"isodow"}) for one in "ds"),
    *(f"{part}({one})" for part in sorted(PARTS) for one in "ds"),
    *(f"nullif({one}, {one})" for one in "imrtbds"),
    *(f"coalesce({one}, {one})" for one in "imrtbds"),
    *(f"CASE WHEN {one} IS NULL THEN {one} END" for one in "imrtbds"),
    *(
        f"TRY_CAST({one} AS {name})"
        for name, type_ in CAST_NAMES.items()
        for one, from_ in COLUMNS.items()
        if from_.kind in CAST_FROM[type_]
    ),
]


@cache
def expression_of(call: str) -> Node:
    """What a call comes to, as it stands in the text that runs."""
    try:
        one = checked(f"SELECT ({call}) AS k, count(*) AS n FROM x GROUP BY 1", inputs=INPUTS)
    except Refused as error:
        if "real number as a key" not in str(error):
            raise
        one = checked(f"SELECT count(*) AS n FROM x WHERE ({call}) > 1", inputs=INPUTS)
        node: Node = one.steps[0].release.where or {}
        return node
    return one.steps[0].release.keys[0].node


def test_every_call_is_total_on_edge_values() -> None:
    engine = connect(256 * 1024 * 1024)
    tables = []
    for index, (name, type_) in enumerate(COLUMNS.items()):
        values = ", ".join(f"({one}::{type_.engine})" for one in EDGES[type_.kind])
        tables.append(f"(VALUES {values}) AS v{name}(c{index + 1})")
    failed = {}
    for call in CALLS:
        node = emitting.named(expression_of(call), "k")
        used = {one["column_names"][1] for one in _columns(node)}
        sources = [source for source in tables if source.rpartition("(")[2][:-1] in used]
        text = parser().text(emitting.select([node], emitting.table("edges", "t1")))
        engine.execute(f"CREATE TABLE edges AS SELECT * FROM {', '.join(sources)}")
        try:
            engine.execute(text).fetchall()
        except Exception as error:
            failed[call] = str(error)
        engine.execute("DROP TABLE edges")
    assert failed == {}
    assert len(CALLS) > 150


def _columns(node: Any) -> list[Node]:
    found, waiting = [], [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if one.get("class") == "COLUMN_REF":
                found.append(one)
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found


def test_every_function_of_the_list_was_called() -> None:
    written = "\n".join(parser().text(_select(call)) for call in CALLS)
    for name in FUNCTIONS:
        engine_name = "date_part" if name in PARTS else name
        assert engine_name in written, name


def _select(call: str) -> Node:
    return emitting.select(
        [emitting.named(expression_of(call), "k")], emitting.table("edges", "t1")
    )


def test_all_names_of_the_list_exist_in_the_engine() -> None:
    engine = connect(256 * 1024 * 1024)
    found = engine.execute("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()
    known = {name for (name,) in found} | {"nullif"}
    assert set(FUNCTIONS) - known == set()
    assert AGGREGATES - known == set()


def test_every_other_function_of_the_engine_is_refused() -> None:
    engine = connect(256 * 1024 * 1024)
    found = engine.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() "
        "WHERE regexp_full_match(function_name, '[a-z_0-9]+')"
    ).fetchall()
    others = sorted({name for (name,) in found} - set(FUNCTIONS) - AGGREGATES - {"coalesce"})
    assert len(others) > 500
    for name in others:
        for arguments in ("t", "i, i"):
            with pytest.raises(Refused):
                checked(
                    f'SELECT "{name}"({arguments}) AS k, count(*) AS n FROM x GROUP BY 1',
                    inputs=INPUTS,
                )


@pytest.mark.parametrize("name", ["sum", "avg", "stddev"])
def test_aggregates_are_total_on_edge_values(name: str) -> None:
    edges: dict[str, list[Any]] = {
        "i": [2**63 - 1, -(2**63), None],
        "m": ["92233720368547758.07", "-92233720368547758.08", None],
        "r": [float("inf"), float("-inf"), 1e308, float("nan"), None],
    }
    for one, values in edges.items():
        rows: dict[str, list[Any]] = {key: [None] * len(values) for key in COLUMNS}
        table = Table.of({"unit": list(range(len(values))), **rows, one: values})
        told = Engine().run(
            {"x": table}, checked(f"SELECT {name}({one}) AS told FROM x", inputs=INPUTS)
        )
        assert told.rows == 1
