"""Columns with gaps: k holds for the values behind a number, not for the rows beside it (S9)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.enclave.room.analytics.world import CUSTOMERS, INPUTS, PAY, checked

from strongroom.enclave.room.analytics.engine import Engine
from strongroom.enclave.room.analytics.tables import Table

Row = dict[str, Any]
EMPTY: Row = {
    "bank": "A",
    "amount": None,
    "fee": None,
    "rate": None,
    "day": "2024-01-01",
    "at": "2024-01-01 00:00:00",
    "abroad": False,
    "note": "",
}
EVERY = (
    "sum(amount) AS s, count(amount) AS c, avg(amount) AS m, stddev(fee) AS d, "
    "count(DISTINCT fee) AS f, sum(rate) AS r"
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def pay(account: int, **values: Any) -> Row:
    return {**EMPTY, "account": account, **values}


def told(engine: Engine, sql: str, **rows: Sequence[Row]) -> dict[str, list[Any]]:
    """What a query over these rows tells."""
    asked = checked(sql)
    given = {}
    for alias in asked.inputs:
        names = [column.name for column in INPUTS[alias].policy.columns]
        columns = {name: [row[name] for row in rows[alias]] for name in names}
        given[alias] = Table.of(columns)
    return {name: list(column) for name, column in engine.run(given, asked).columns.items()}


def with_values(count: int, rows: int = 20) -> list[Row]:
    """So many accounts have values, of all."""
    some = {"amount": "777.77", "fee": 7, "rate": 0.5}
    return [pay(one, **(some if one < count else {})) for one in range(rows)]


@pytest.mark.parametrize("count", [0, 1, 4])
def test_T62_a_number_of_fewer_than_k_values_is_a_gap(engine: Engine, count: int) -> None:
    found = told(engine, f"SELECT count(*) AS n, {EVERY} FROM pay", pay=with_values(count))
    assert found.pop("n") == [20]
    assert set(map(tuple, found.values())) == {(None,)}


def test_k_values_are_told(engine: Engine) -> None:
    found = told(engine, f"SELECT {EVERY} FROM pay", pay=with_values(5))
    assert (found["s"], found["c"], found["d"], found["r"]) == (["3888.85"], [5], [0.0], [2.5])


def test_many_values_of_few_units_are_few(engine: Engine) -> None:
    rows = [*with_values(0), *(pay(index % 4, amount="1.00") for index in range(40))]
    assert told(engine, "SELECT sum(amount) AS s FROM pay", pay=rows) == {"s": [None]}


def test_a_gap_is_told_neither_by_having_nor_by_a_sum_of_the_told(engine: Engine) -> None:
    rows = [pay(one, bank=bank, amount="1.00") for bank in "ABC" for one in range(9)]
    rows += [pay(one, bank="D", amount="5.00" if one == 3 else None) for one in range(9)]
    asked = "SELECT bank, sum(amount) AS s, count(*) AS n FROM pay GROUP BY bank"
    found = told(engine, asked, pay=rows)
    assert found["n"] == [9, 9, 9, 9]
    # The smallest beside it hides too: whoever knows the whole would know the one.
    assert found["s"].count(None) == 2
    assert told(engine, f"{asked} HAVING sum(amount) < 9", pay=rows)["bank"] == []
    assert told(engine, f"SELECT sum(s) AS t FROM ({asked}) AS x", pay=rows)["t"] == ["18.00"]


def test_a_group_without_any_value_costs_no_neighbour(engine: Engine) -> None:
    rows = [pay(one, bank=bank, amount="1.00") for bank in "AB" for one in range(9)]
    rows += [pay(one, bank="C") for one in range(9)]
    asked = "SELECT bank, sum(amount) AS s, count(amount) AS c FROM pay GROUP BY bank"
    assert told(engine, asked, pay=rows) == {
        "bank": ["A", "B", "C"],
        "s": ["9.00", "9.00", None],
        "c": [9, 9, None],
    }
    rows += [pay(3, bank="C", amount="5.00")]
    assert told(engine, asked, pay=rows)["c"].count(None) == 2


def test_a_k_of_one_hides_no_value(engine: Engine) -> None:
    inputs = {"pay": replace(INPUTS["pay"], policy=replace(PAY, k=1))}
    asked = checked("SELECT sum(amount) AS s, count(fee) AS c FROM pay", inputs=inputs)
    for count, sure in ((0, (None, 0)), (1, ("777.77", 1))):
        rows = with_values(count)
        columns = {one.name: [row[one.name] for row in rows] for one in PAY.columns}
        found = engine.run({"pay": Table.of(columns)}, asked).columns
        assert (found["s"][0], found["c"][0]) == sure


def test_counts_within_a_unit_of_no_value_are_none(engine: Engine) -> None:
    for inner in ("count(amount)", "count(DISTINCT fee)", "sum(fee)"):
        asked = f"SELECT sum(c) AS s FROM (SELECT account, {inner} AS c FROM pay GROUP BY account)"
        assert told(engine, f"{asked} AS x", pay=with_values(3)) == {"s": [None]}
        assert told(engine, f"{asked} AS x", pay=with_values(6)) != {"s": [None]}


def test_in_a_union_each_data_set_has_k_values(engine: Engine) -> None:
    asked = (
        "SELECT sum(fee) AS s, count(*) AS n FROM "
        "(SELECT fee FROM pay UNION ALL SELECT fee FROM other) AS x"
    )
    assert told(engine, asked, pay=with_values(9), other=with_values(4)) == {"s": [None], "n": [40]}
    assert told(engine, asked, pay=with_values(9), other=with_values(5))["s"] == [98]


def test_joined_rows_with_a_value_are_of_k_units_on_both_sides(engine: Engine) -> None:
    asked = "SELECT sum(c.age) AS s FROM pay AS p JOIN cust AS c ON p.account = c.account"
    rows = [pay(one) for one in range(9)]
    assert CUSTOMERS.k == 3 < PAY.k
    for count, sure in ((4, [None]), (5, [50])):
        cust = [
            {"account": one, "age": 10 if one < count else None, "city": "X", "segment": 1}
            for one in range(9)
        ]
        assert told(engine, asked, pay=rows, cust=cust)["s"] == sure


def test_an_exact_count_of_units_sees_gaps_as_a_sketch_does(engine: Engine) -> None:
    policy = replace(PAY, k=30)
    inputs = {"pay": replace(INPUTS["pay"], policy=policy)}
    asked = checked("SELECT sum(amount) AS s FROM pay", inputs=inputs)
    for count, shown in ((29, [None]), (30, ["23333.10"])):
        rows = with_values(count, rows=60)
        columns = {one.name: [row[one.name] for row in rows] for one in policy.columns}
        found = engine.run({"pay": Table.of(columns)}, asked)
        assert list(found.columns["s"]) == shown


def test_T62_a_units_own_sum_keeps_to_the_bounds_of_its_column(engine: Engine) -> None:
    rows = [pay(one, amount="1.00") for one in range(9)]
    rows[4]["amount"] = "99999999.00"
    direct = told(engine, "SELECT sum(amount) AS s FROM pay", pay=rows)
    within = "SELECT account, sum(amount) AS t FROM pay GROUP BY account"
    assert told(engine, f"SELECT sum(t) AS s FROM ({within}) AS x", pay=rows) == direct
    assert direct == {"s": ["10008.00"]}
