"""The engine: what it takes, what it tells, and its one error that tells nothing (T63)."""

import io
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import duckdb
import nanoarrow as na
import numpy as np
import pytest
from nanoarrow import ipc
from tests.enclave.room.analytics.world import (
    INPUTS,
    PAY,
    checked,
    column,
    payments,
    table,
    with_k,
)
from tests.hang import HANG_SECONDS

from strongroom.enclave.room.analytics import settings
from strongroom.enclave.room.analytics.engine import Engine
from strongroom.enclave.room.analytics.policy import DataPolicy
from strongroom.enclave.room.analytics.refusals import QueryFailed
from strongroom.enclave.room.analytics.relations import DataSet
from strongroom.enclave.room.analytics.tables import Given, NotTheSchema, Table
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

GROUPS = "SELECT bank, count(*) AS n FROM pay GROUP BY bank"
ROWS = payments(seed=1, rows=400)


def answer(sql: str, given: Given, policy: DataPolicy = PAY, **limits: int) -> dict[str, Any]:
    inputs = {**INPUTS, "pay": DataSet(identity="p", policy=policy)}
    told = Engine(**limits).run({"pay": given}, checked(sql, inputs=inputs))
    return {name: list(values) for name, values in told.columns.items()}


def test_types_come_out_as_the_contract_says() -> None:
    policy = with_k(PAY, 1)
    rows = [
        {
            "account": index,
            "bank": "A",
            "amount": "12.30",
            "fee": 2**40,
            "rate": 1 / 3,
            "day": date(2024, 2, 29),
            "at": datetime(2024, 2, 29, 12, 30),
            "abroad": True,
            "note": None,
        }
        for index in range(3)
    ]
    told = answer(
        "SELECT bank, day, pay.at, abroad, sum(amount) AS s, sum(fee) AS f, avg(rate) AS r, "
        "stddev(fee) AS d, count(*) AS n FROM pay GROUP BY 1, 2, 3, 4",
        table(rows, PAY),
        policy,
    )
    assert told == {
        "bank": ["A"],
        "day": ["2024-02-29"],
        "at": ["2024-02-29 12:30:00"],
        "abroad": [True],
        "s": ["36.90"],
        "f": [3 * 2**40],
        "r": [0.333333],
        "d": [0.0],
        "n": [3],
    }


def test_sums_beyond_64_bits_are_exact() -> None:
    policy = with_k(PAY, 1)
    rows = [{**ROWS[0], "account": index, "fee": 2**63 - 1} for index in range(5)]
    assert answer("SELECT sum(fee) AS s FROM pay", table(rows, PAY), policy)["s"] == [
        5 * (2**63 - 1)
    ]


def test_rows_of_no_unit_are_not_there() -> None:
    rows = [{**ROWS[0], "account": index, "fee": 1, "bank": "A"} for index in range(5)]
    rows += [{**ROWS[0], "account": None, "fee": 1000, "bank": "A"}] * 9
    assert answer("SELECT sum(fee) AS s, count(*) AS n FROM pay", table(rows, PAY)) == {
        "s": [5],
        "n": [5],
    }


@pytest.mark.parametrize("k", [1, 2, 5, 24, 25, 40])
def test_a_group_shows_from_exactly_k_units_on(k: int) -> None:
    """For every k, sketched or counted: k - 1 units with many rows hide, k units show."""
    policy = with_k(PAY, k)
    for units, shows in ((k - 1, False), (k, True)):
        rows = [
            {**ROWS[0], "account": 1000 * index, "bank": "A"}
            for index in range(units)
            for _ in range(1 + 2 * k)
        ]
        told = answer(GROUPS, table(rows, PAY), policy)
        assert told["n"] == ([len(rows)] if shows else [])


def test_an_empty_table_tells_nothing() -> None:
    assert answer(GROUPS, table([], PAY)) == {"bank": [], "n": []}
    assert answer("SELECT count(*) AS n FROM pay", table([], PAY)) == {"n": []}


def test_a_lone_hidden_group_hides_the_smallest_beside_it() -> None:
    def rows(bank: str, units: int, times: int = 1) -> list[dict[str, Any]]:
        return [{**ROWS[0], "account": f, "bank": bank} for f in range(units) for _ in range(times)]

    told = answer(GROUPS, table(rows("A", 9) + rows("B", 7) + rows("C", 4), PAY))
    assert told["bank"] == ["A"]
    told = answer(GROUPS, table(rows("A", 9) + rows("B", 7) + rows("C", 4) + rows("D", 1), PAY))
    assert told["bank"] == ["A", "B"]
    told = answer(GROUPS, table(rows("A", 9) + rows("B", 7), PAY))
    assert told["bank"] == ["A", "B"]


def test_united_rows_show_with_k_units_of_each_data_set() -> None:
    sql = (
        "WITH u AS (SELECT bank, fee FROM pay UNION ALL SELECT bank, fee FROM other) "
        "SELECT bank, count(*) AS n FROM u GROUP BY bank"
    )
    mine = [{**ROWS[0], "account": index, "bank": "A"} for index in range(50)]
    theirs = [{**ROWS[0], "account": 100 + index, "bank": "A"} for index in range(4)]
    one = checked(sql)
    told = Engine().run({"pay": table(mine, PAY), "other": table(theirs, PAY)}, one)
    assert told.rows == 0
    theirs += [{**ROWS[0], "account": 300, "bank": "A"}]
    told = Engine().run({"pay": table(mine, PAY), "other": table(theirs, PAY)}, one)
    assert list(told.columns["n"]) == [55]


def test_having_and_order_see_rounded_numbers_alone() -> None:
    policy = replace(PAY, rounding=10)
    rows = [{**ROWS[0], "account": index % 9, "bank": "A"} for index in range(13)]
    rows += [{**ROWS[0], "account": index % 9, "bank": "B"} for index in range(11)]
    for least, shown in ((9, ["A", "B"]), (10, []), (12, [])):
        told = answer(f"{GROUPS} HAVING count(*) > {least}", table(rows, PAY), policy)
        assert told["bank"] == shown
    told = answer(f"{GROUPS} ORDER BY n DESC", table(rows[::-1], PAY), policy)
    assert told == {"bank": ["A", "B"], "n": [10, 10]}


def test_an_average_tells_no_more_than_rounded_sum_and_count() -> None:
    policy = replace(PAY, rounding=10)
    rows = [{**ROWS[0], "account": index, "fee": 7} for index in range(13)]
    told = answer(
        "SELECT avg(fee) AS a, sum(fee) AS s, count(fee) AS n FROM pay", table(rows, PAY), policy
    )
    assert told == {"a": [9.1], "s": [91], "n": [10]}


def arrow(fields: dict[str, tuple[Any, Any]]) -> bytes:
    children = [
        na.c_array(values, type_) if isinstance(values, list) else values
        for type_, values in fields.values()
    ]
    schema = na.struct({name: type_ for name, (type_, _) in fields.items()})
    rows = len(next(iter(fields.values()))[1])
    batch = na.c_array_from_buffers(schema, rows, [None], children=children)
    file = io.BytesIO()
    with ipc.StreamWriter.from_writable(file) as writer:
        writer.write_array(batch)
    return file.getvalue()


SMALL = DataPolicy(
    columns=(
        column("who", TEXT, "i"),
        column("ward", TEXT, "go"),
        column("age", INTEGER, "a"),
        column("weight", REAL, "a", bounds=(0, 10**9)),
        column("sick", TRUTH, "go"),
        column("day", DATE, "go"),
        column("at", TIMESTAMP, "go"),
    ),
    unit="who",
    k=2,
    rounding=1,
    noise=None,
)
FIELDS: dict[str, tuple[Any, list[Any]]] = {
    "who": (na.string(), ["a", "b", None]),
    "ward": (na.string(), ["n", "n", "n"]),
    "age": (na.int32(), [30, 5, 9]),
    "weight": (na.float64(), [1.5, 2.5, 9.0]),
    "sick": (na.bool_(), [True, True, True]),
    "day": (na.date32(), [19782, 19782, 19782]),
    "at": (na.timestamp("us"), [0, 0, 0]),
}
ASKED = (
    "SELECT ward, sick, day, s.at, sum(age) AS a, avg(weight) AS w, count(*) AS n "
    "FROM s GROUP BY 1, 2, 3, 4"
)


def small(data: bytes) -> dict[str, Any]:
    inputs = {"s": DataSet(identity="s", policy=SMALL)}
    told = Engine().run({"s": data}, checked(ASKED, inputs=inputs))
    return {name: list(values) for name, values in told.columns.items()}


def test_arrow_bytes_are_read() -> None:
    assert small(arrow(FIELDS)) == {
        "ward": ["n"],
        "sick": [True],
        "day": ["2024-02-29"],
        "at": ["1970-01-01 00:00:00"],
        "a": [35],
        "w": [2.0],
        "n": [2],
    }
    gaps = {
        "who": (na.string(), ["a", "b", "c"]),
        "age": (na.int32(), [30, 5, None]),
        "weight": (na.float64(), [1.5, 2.5, float("nan")]),
    }
    found = small(arrow({**FIELDS, **gaps}))
    assert (found["a"], found["w"], found["n"]) == ([35], [2.0], [3])


def test_arrow_decimals_are_whole_numbers_of_their_last_digit() -> None:
    policy = DataPolicy(
        columns=(column("who", INTEGER, "i"), column("sum", Type(Kind.DECIMAL, 2), "a")),
        unit="who",
        k=1,
        rounding=1,
        noise=None,
    )
    inputs = {"s": DataSet(identity="s", policy=policy)}
    one = checked("SELECT sum(sum) AS s FROM s", inputs=inputs)
    amounts = b"".join(
        one.to_bytes(16, "little", signed=True) for one in (125, -5, 999_999_999_999_999)
    )
    for type_, told in (
        (na.decimal128(15, 2), ["10000000000001.19"]),
        (na.decimal128(15, 3), None),
    ):
        data = arrow(
            {
                "who": (na.int64(), [1, 2, 3]),
                "sum": (type_, na.c_array_from_buffers(type_, 3, [None, amounts])),
            }
        )
        if told is None:
            with pytest.raises(QueryFailed):
                Engine().run({"s": data}, one)
        else:
            assert list(Engine().run({"s": data}, one).columns["s"]) == told


@pytest.mark.parametrize(
    "change",
    [
        {"age": (na.string(), ["CANARY", "b", "c"])},
        {"age": (na.float64(), [1.0, 2.0, 3.0])},
        {"age": (na.uint64(), [2**64 - 1, 2, 3])},
        {"ward": (na.int64(), [1, 2, 3])},
        {"sick": (na.int64(), [1, 2, 3])},
        {"day": (na.timestamp("us"), [1, 2, 3])},
        {"at": (na.timestamp("ns"), [1, 2, 3])},
        {"at": (na.timestamp("us", timezone="UTC"), [1, 2, 3])},
        {"more": (na.int64(), [1, 2, 3])},
    ],
)
def test_another_schema_is_no_result(change: dict[str, Any]) -> None:
    with pytest.raises(QueryFailed) as failed:
        small(arrow({**FIELDS, **change}))
    assert str(failed.value) == "the query failed"


def test_broken_arrow_bytes_are_no_result() -> None:
    good = arrow(FIELDS)
    for data in (b"", b"\xff" * 100, good[:40], good[: len(good) // 2], good[8:]):
        with pytest.raises(QueryFailed):
            small(data)
    swapped = arrow(dict(reversed(FIELDS.items())))
    with pytest.raises(QueryFailed):
        small(swapped)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("account", ["1"]),
        ("account", [1.0]),
        ("account", [True]),
        ("account", [2**63]),
        ("bank", [1]),
        ("amount", ["1.234"]),
        ("amount", [1.5]),
        ("amount", ["CANARY"]),
        ("amount", [True]),
        ("rate", ["0.5"]),
        ("day", ["2024-02-30"]),
        ("day", [3]),
        ("at", ["2024-01-01T00:00:00Z"]),
        ("abroad", [1]),
        ("account", np.array([1.5])),
        ("account", np.array(["1"])),
        ("rate", np.array([1])),
        ("bank", np.array([1])),
    ],
)
def test_a_value_of_another_type_is_no_result(name: str, values: Any) -> None:
    columns = {one.name: [ROWS[0][one.name]] for one in PAY.columns}
    with pytest.raises(QueryFailed):
        answer(GROUPS, Table.of({**columns, name: values}))


def test_missing_and_added_columns_and_tables_are_no_result() -> None:
    columns: dict[str, Any] = {one.name: [ROWS[0][one.name]] for one in PAY.columns}
    with pytest.raises(QueryFailed):
        answer(GROUPS, Table.of({**columns, "more": [1]}))
    with pytest.raises(QueryFailed):
        answer(GROUPS, Table.of({name: columns[name] for name in columns if name != "note"}))
    with pytest.raises(QueryFailed):
        Engine().run({}, checked(GROUPS))
    with pytest.raises(NotTheSchema):
        Table.of({"a": [1], "b": [1, 2]})


def test_limits_end_it_without_a_word() -> None:
    policy = with_k(PAY, 1)
    rows = table([{**ROWS[0], "bank": f"CANARY-{one}", "account": one} for one in range(50)], PAY)
    assert len(answer(GROUPS, rows, policy)["n"]) == 50
    for limits in ({"rows_max": 49}, {"bytes_max": 100}):
        with pytest.raises(QueryFailed) as failed:
            answer(GROUPS, rows, policy, **limits)
        assert str(failed.value) == "the query failed"
        assert failed.value.__cause__ is None
        assert failed.value.__suppress_context__


def test_the_same_rows_tell_the_same_in_one_order() -> None:
    sql = (
        "SELECT bank, day, sum(rate) AS s, avg(rate) AS a, stddev(fee) AS d, count(*) AS n "
        "FROM pay GROUP BY bank, day"
    )
    first = answer(sql, table(ROWS, PAY))
    assert first == answer(sql, table(ROWS, PAY))
    keys = [
        (bank is None, bank or "", day)
        for bank, day in zip(first["bank"], first["day"], strict=True)
    ]
    assert keys == sorted(keys)


def test_one_engine_forgets_between_queries() -> None:
    engine = Engine()
    one = checked(GROUPS)
    first = dict(engine.run({"pay": table(ROWS, PAY)}, one).columns)
    with pytest.raises(QueryFailed):
        engine.run({"pay": Table.of({"a": [1]})}, one)
    assert dict(engine.run({"pay": table(ROWS, PAY)}, one).columns) == first
    left = engine._engine.execute("SELECT count(*) FROM duckdb_tables()").fetchone()
    assert left == (0,)


def test_the_rest_of_a_query_runs_where_no_rows_are() -> None:
    engine = Engine()
    one = checked(GROUPS)
    seen: list[Any] = []

    class Spy:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        def execute(self, text: str, *more: Any) -> Any:
            if text == one.final:
                found = self._inner.execute("SELECT table_name FROM duckdb_tables()").fetchall()
                seen.append(found)
            return self._inner.execute(text, *more)

    engine._engine = Spy(engine._engine)  # type: ignore[assignment]
    engine.run({"pay": table(ROWS, PAY)}, one)
    assert seen == [[("r0",)]]


@pytest.mark.parametrize(
    "text",
    [
        "SET threads = 4",
        "SET lock_configuration = false",
        "COPY (SELECT 1) TO '/tmp/strongroom-never.csv'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "INSTALL httpfs",
        "ATTACH '/tmp/strongroom-never.db' AS x",
    ],
)
def test_the_settings_hold(text: str) -> None:
    connection = settings.connect(128 * 1024 * 1024)
    with pytest.raises(duckdb.Error):
        connection.execute(text).fetchall()


def test_a_local_variable_is_no_table() -> None:
    CANARY = np.array([1])
    assert len(CANARY)
    connection = settings.connect(128 * 1024 * 1024)
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT * FROM CANARY").fetchall()


def test_the_process_is_bound_in_memory() -> None:
    code = """
import numpy as np
from strongroom.enclave.room.analytics.settings import limit_memory
kept = np.ones(1000)
limit_memory(600 * 1024 * 1024)
try:
    np.ones(200_000_000)
except MemoryError:
    print("bound")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert done.stdout == "bound\n", done.stderr
