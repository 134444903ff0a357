"""What the rules take, and how they hold where queries are nested, united and joined."""

from dataclasses import replace
from typing import Any

import pytest
from tests.enclave.room.analytics.world import INPUTS, PAY, checked, payments, table

from strongroom.enclave.room.analytics.engine import Engine
from strongroom.enclave.room.analytics.policy import Use
from strongroom.enclave.room.analytics.refusals import Refused
from strongroom.enclave.room.analytics.relations import DataSet

ACCEPTED = [
    "SELECT count(*) FROM pay",
    "select BANK, COUNT(*) from PAY group by Bank",
    'SELECT "bank", count(*) FROM "pay" GROUP BY "bank"',
    "FROM pay SELECT bank, count(*) GROUP BY bank",
    "SELECT bank, count(*) FROM pay GROUP BY pay.bank -- a comment",
    "SELECT bank AS b, count(*) FROM pay GROUP BY b",
    "SELECT bank, count(*) AS n FROM pay GROUP BY 1 ORDER BY 2 DESC, 1",
    "SELECT bank, count(*) AS n FROM pay GROUP BY bank ORDER BY count(DISTINCT account)",
    "SELECT bank FROM pay GROUP BY bank",
    "SELECT count(*) FROM pay GROUP BY fee",
    "SELECT bank, sum(fee) / count(*) AS r FROM pay GROUP BY bank "
    "HAVING sum(fee) > 3 AND bank <> 'A'",
    "SELECT bank, count(*) FROM pay WHERE abroad AND NOT (fee > 3) GROUP BY bank",
    "SELECT count(*) FROM pay WHERE bank IS DISTINCT FROM 'A' AND fee <> 3 AND rate < 0.5",
    "SELECT count(*) FROM pay WHERE day >= DATE '2024-01-01' AND day < TIMESTAMP '2024-02-01'",
    "SELECT count(*) FROM pay WHERE fee = rate",
    "SELECT year(day) AS y, count(*) FROM pay GROUP BY y",
    "SELECT EXTRACT(month FROM day) AS m, count(*) FROM pay GROUP BY m",
    "SELECT CASE bank WHEN 'A' THEN 1 ELSE 2 END AS k, count(*) FROM pay GROUP BY 1",
    "SELECT p.bank, count(*) FROM (SELECT bank FROM pay WHERE fee > 1) AS p GROUP BY p.bank",
    "SELECT count(*) FROM pay JOIN cust ON cust.account = pay.account "
    "AND pay.account = cust.account",
    "SELECT a.bank, count(*) FROM pay AS a JOIN again AS b ON a.account = b.account "
    "GROUP BY a.bank",
    "WITH a AS (SELECT bank, count(*) AS n FROM pay GROUP BY bank), "
    "b AS (SELECT city, count(*) AS n FROM cust GROUP BY city) "
    "SELECT a.bank, b.n FROM a JOIN b ON a.n = b.n",
    "WITH a AS (SELECT bank, day, count(*) AS n FROM pay GROUP BY bank, day) "
    "SELECT bank, sum(n) AS s, stddev(n) AS d FROM a WHERE n > 3 GROUP BY bank",
    "WITH a AS (SELECT bank, count(*) AS n FROM pay GROUP BY bank) "
    "SELECT x.bank, x.n / y.n AS r FROM a AS x JOIN a AS y ON x.bank = y.bank",
    "SELECT 'pay' AS src, count(*) AS n FROM pay UNION ALL "
    "SELECT 'cust' AS src, count(*) FROM cust ORDER BY n LIMIT 1",
]


@pytest.mark.parametrize("sql", ACCEPTED)
def test_it_is_taken_and_runs(sql: str) -> None:
    rows = payments(seed=3, rows=300)
    cust = [
        {"account": one, "age": 20 + one, "city": "XY"[one % 2], "segment": 1} for one in range(40)
    ]
    tables = {name: table(rows, PAY) for name in ("pay", "again")}
    tables["cust"] = table(cust, INPUTS["cust"].policy)
    told = Engine().run(tables, checked(sql))
    assert told.columns


def test_a_united_column_has_the_uses_that_all_parts_have() -> None:
    columns = tuple(
        replace(one, uses=one.uses - {Use.OUTPUT, Use.AGGREGATE})
        if one.name in ("bank", "fee")
        else one
        for one in PAY.columns
    )
    inputs = {
        **INPUTS,
        "other": DataSet(identity="b", policy=replace(PAY, columns=columns)),
    }
    for first, second in (("pay", "other"), ("other", "pay")):
        united = (
            f"WITH u AS (SELECT bank, fee FROM {first} UNION ALL SELECT bank, fee FROM {second}) "
        )
        for asked in ("bank, count(*) AS n FROM u GROUP BY bank", "sum(fee) AS n FROM u"):
            with pytest.raises(Refused, match="S5"):
                checked(f"{united} SELECT {asked}", inputs=inputs)
        checked(f"{united} SELECT count(*) AS n FROM u GROUP BY bank", inputs=inputs)


def test_a_gap_where_a_united_part_has_no_unit_is_no_unit() -> None:
    """Rows of the other part have no unit of this one: its sketch must not count them as one."""
    sql = (
        "WITH u AS (SELECT bank, fee FROM pay UNION ALL SELECT bank, fee FROM other) "
        "SELECT count(*) AS n FROM u"
    )
    base: dict[str, Any] = payments(seed=1, rows=1)[0]
    many = [{**base, "account": one} for one in range(60)]
    for start in range(0, 2000, 100):  # whatever their bits are
        few = [{**base, "account": start + one} for one in range(4)]
        told = Engine().run({"pay": table(many, PAY), "other": table(few, PAY)}, checked(sql))
        assert told.rows == 0


PER_ACCOUNT = (
    "WITH per AS (SELECT account AS who, bank, sum(fee) AS s, count(*) AS n FROM pay "
    "WHERE fee > -10 GROUP BY account, bank) "
)


def test_rows_that_were_grouped_by_their_unit_stay_the_units() -> None:
    rows = payments(seed=7, rows=600, accounts=30)
    sql = (
        f"{PER_ACCOUNT} SELECT bank, count(*) AS m, count(DISTINCT who) AS u, avg(s) AS a, "
        "sum(n) AS t FROM per GROUP BY bank"
    )
    told = Engine().run({"pay": table(rows, PAY)}, checked(sql))
    found = list(zip(*told.columns.values(), strict=True))
    kept = [row for row in rows if row["account"] is not None and (row["fee"] or -99) > -10]
    kept += [row for row in rows if row["account"] is not None and row["fee"] == 0]
    assert len(found) == 5
    for bank, many, units, mean, total in found:
        own: dict[int, list[int]] = {}
        for row in kept:
            if row["bank"] == bank:
                own.setdefault(row["account"], []).append(row["fee"])
        sums = [sum(fees) for fees in own.values()]
        assert (many, units, total) == (len(own), len(own), sum(map(len, own.values())))
        assert abs(mean - sum(sums) / len(sums)) < 1e-6


def test_k_holds_for_them_and_counts_stay_as_coarse() -> None:
    base = payments(seed=1, rows=1)[0]
    for units, shows in ((4, 0), (5, 1)):
        rows = [{**base, "account": one % units, "fee": 1, "bank": "A"} for one in range(93)]
        told = Engine().run(
            {"pay": table(rows, PAY)}, checked(f"{PER_ACCOUNT} SELECT sum(n) AS t FROM per")
        )
        assert told.rows == shows
    inputs = {**INPUTS, "pay": DataSet(identity="p", policy=replace(PAY, rounding=10))}
    for sql in ("SELECT sum(n) AS t FROM per", "SELECT avg(n) * count(n) AS t FROM per"):
        one = checked(f"{PER_ACCOUNT} {sql}", inputs=inputs)
        told = Engine().run({"pay": table(rows, PAY)}, one)
        assert list(told.columns["t"]) == [90]


def test_refusals_hold_no_literal_of_the_query() -> None:
    for sql in (
        "SELECT count(*) FROM pay WHERE note = 'CANARY'",
        "SELECT count(*) FROM pay WHERE account = 424242",
        "SELECT 'CANARY' || note FROM pay",
        "SELECT count(*) FROM pay WHERE day = 'CANARY'",
    ):
        with pytest.raises(Refused) as refused:
            checked(sql)
        assert "CANARY" not in str(refused.value)
        assert "424242" not in str(refused.value)
