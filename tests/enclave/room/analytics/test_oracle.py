"""Random valid queries tell what plain loops over the rows tell, and hide what those hide."""

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.enclave.room.analytics import oracle
from tests.enclave.room.analytics.world import (
    CUSTOMERS,
    INPUTS,
    PAY,
    checked,
    payments,
    table,
)

from strongroom.enclave.room.analytics.engine import Engine
from strongroom.enclave.room.analytics.relations import DataSet

QUERIES_PER_SEED = 15


def plain(value: Any) -> Any:
    """A told value as the oracle has it: decimals in hundredths."""
    return int(Decimal(value) * 100) if isinstance(value, str) and _is_money(value) else value


def _is_money(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit() and "." in text


def close(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        return one is not None and other is not None and abs(one - other) < 2e-6
    return bool(one == other)


@pytest.mark.parametrize("seed", range(6))
def test_the_engine_tells_what_loops_over_the_rows_tell(seed: int) -> None:
    compare(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(6, 200))
def test_the_engine_tells_it_for_many_seeds(seed: int) -> None:
    compare(seed)


def compare(seed: int) -> None:
    """Random queries over random rows, under a random policy."""
    dice = random.Random(seed)
    steps = {"count": dice.choice([1, 1, 5]), "fee": dice.choice([0, 4]), "amount": 0}
    k = (dice.choice([1, 2, 5, 9]), dice.choice([1, 3]))
    columns = tuple(
        replace(column, rounding=steps["fee"] * 10**6) if column.name == "fee" else column
        for column in PAY.columns
    )
    policy = replace(PAY, k=k[0], rounding=steps["count"], columns=columns)
    customers = replace(CUSTOMERS, k=k[1])
    if steps["count"] > 1:
        customers = replace(customers, rounding=1)
    inputs = {
        **INPUTS,
        "pay": DataSet(identity="pay", policy=policy),
        "cust": DataSet(identity="cust", policy=customers),
    }
    pay = payments(seed, dice.choice([90, 300, 900]), accounts=dice.choice([12, 40]))
    known = [
        {
            "account": account,
            "age": dice.choice([None, 30, 50]),
            "city": dice.choice(["X", "Y"]),
            "segment": dice.randrange(3),
        }
        for account in range(30)
    ]
    tables = {"pay": table(pay, PAY), "cust": table(known, CUSTOMERS)}
    told_something = 0
    for _ in range(QUERIES_PER_SEED):
        made = oracle.make(dice)
        result = Engine().run(tables, checked(made.sql, inputs=inputs))
        found = [tuple(map(plain, row)) for row in zip(*result.columns.values(), strict=True)]
        expected = oracle.answer(made, pay, known, k, steps)
        assert len(found) == len(expected), made.sql
        for row, right in zip(found, expected, strict=True):
            assert all(map(close, row, right)), (made.sql, row, right)
        told_something += bool(found)
    assert told_something
