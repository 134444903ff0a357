"""Data sets that the tests of the worker's SQL share: payments of two banks, customers, visits."""

import random
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import Any

from strongroom.enclave.room.analytics.checking import Checked, check
from strongroom.enclave.room.analytics.parser import Parser
from strongroom.enclave.room.analytics.policy import ColumnPolicy, DataPolicy, Noise, Use
from strongroom.enclave.room.analytics.relations import DataSet
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

MONEY = Type(Kind.DECIMAL, 2)
WORDS = {
    "i": Use.IDENTITY,
    "j": Use.JOIN,
    "o": Use.OUTPUT,
    "g": Use.GROUP,
    "a": Use.AGGREGATE,
    "f": Use.FILTER,
}


def column(name: str, type_: Type, uses: str, **more: Any) -> ColumnPolicy:
    """A column whose uses are initials."""
    return ColumnPolicy(name=name, type=type_, uses=frozenset(WORDS[one] for one in uses), **more)


PAY = DataPolicy(
    columns=(
        column("account", INTEGER, "ij"),
        column("bank", TEXT, "gof"),
        column("amount", MONEY, "a", bounds=(0, 10**10)),
        column("fee", INTEGER, "afg"),
        column("rate", REAL, "af", bounds=(-(10**6), 10**6)),
        column("day", DATE, "gof"),
        column("at", TIMESTAMP, "go"),
        column("abroad", TRUTH, "gof"),
        column("note", TEXT, ""),
    ),
    unit="account",
    k=5,
    rounding=1,
    noise=None,
)
CUSTOMERS = DataPolicy(
    columns=(
        column("account", INTEGER, "ij"),
        column("age", INTEGER, "afg"),
        column("city", TEXT, "go"),
        column("segment", INTEGER, "gofj"),
    ),
    unit="account",
    k=3,
    rounding=1,
    noise=None,
)
NOISE = Noise(epsilon_job=10**6, epsilon_life=10**7, groups=2, rows=3, threshold=10)
VISITS = DataPolicy(
    columns=(
        column("person", TEXT, "ij"),
        column("ward", TEXT, "gof"),
        column("cost", MONEY, "a", bounds=(0, 5_000_000)),
        column("weight", REAL, "a", bounds=(0, 10**8)),
    ),
    unit="person",
    k=5,
    rounding=1,
    noise=NOISE,
)
INPUTS = {
    "pay": DataSet(identity="bank-a/pay", policy=PAY),
    "other": DataSet(identity="bank-b/pay", policy=PAY),
    "again": DataSet(identity="bank-a/pay", policy=PAY),
    "cust": DataSet(identity="bank-a/cust", policy=CUSTOMERS),
    "visits": DataSet(identity="clinic/visits", policy=VISITS, epsilon=10**6),
}


@cache
def parser() -> Parser:
    """One parser for all tests: it remembers nothing."""
    return Parser()


def checked(sql: str, **more: Any) -> Checked:
    """A query over the shared inputs, judged."""
    return check(more.pop("inputs", INPUTS), sql, parser=parser(), **more)


def payments(seed: int, rows: int, accounts: int = 40) -> list[dict[str, Any]]:
    """Rows of PAY, some with gaps."""
    dice = random.Random(seed)
    start = date(2024, 1, 1)
    return [
        {
            "account": dice.randrange(accounts) if dice.random() > 0.02 else None,
            "bank": dice.choice(["A", "B", "C", "D", None]),
            "amount": dice.choice([None, f"{dice.randrange(-100, 2_000_000) / 100:.2f}"]),
            "fee": dice.choice([None, dice.randrange(-20, 20)]),
            "rate": dice.choice([None, dice.uniform(-1.5, 1.5), float("nan")]),
            "day": (start + timedelta(days=dice.randrange(5))).isoformat(),
            "at": f"2024-01-01 {dice.choice([0, 8, 16]):02}:{dice.randrange(60):02}:00",
            "abroad": dice.choice([True, False, None]),
            "note": f"CANARY-{dice.randrange(10**6)}",
        }
        for _ in range(rows)
    ]


def table(rows: list[dict[str, Any]], policy: DataPolicy) -> Table:
    """Rows as a table."""
    return Table.of({one.name: [row[one.name] for row in rows] for one in policy.columns})


def with_k(policy: DataPolicy, k: int, **more: Any) -> DataPolicy:
    """A policy with another k."""
    return replace(policy, k=k, **more)
