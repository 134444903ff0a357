"""A second way to the same answer: plain loops over rows, for random queries of a known shape.

Knows none of the product's code. What is hidden is computed by its definition: groups below k,
then, while some line of groups hides exactly one, the smallest of its others. The same again for
each column, of rows with a value there: those aggregates are gaps.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import combinations
from math import isnan
from statistics import stdev
from typing import Any

Row = dict[str, Any]
Group = tuple[Any, ...]

COLUMNS = ("fee", "amount", "rate")
KEYS: dict[str, Callable[[Row], Any]] = {
    "bank": lambda row: row["bank"],
    "day": lambda row: row["day"],
    "abroad": lambda row: row["abroad"],
    "lower(bank)": lambda row: row["bank"] and row["bank"].lower(),
    "date_part('hour', pay.at)": lambda row: int(row["at"][11:13]),
    "day >= '2024-01-03'": lambda row: row["day"] >= "2024-01-03",
    "CASE WHEN bank = 'A' THEN 'first' WHEN abroad THEN 'abroad' END": lambda row: (
        "first" if row["bank"] == "A" else "abroad" if row["abroad"] else None
    ),
}
SHOWABLE = {key for key in KEYS if "hour" not in key}
FILTERS: dict[str, Callable[[Row], bool]] = {
    "bank <> 'A'": lambda row: row["bank"] is not None and row["bank"] != "A",
    "day BETWEEN '2024-01-02' AND '2024-01-04'": lambda row: (
        "2024-01-02" <= row["day"] <= "2024-01-04"
    ),
    "fee > -5": lambda row: row["fee"] is not None and row["fee"] > -5,
    "fee % 3 = 0": lambda row: row["fee"] is not None and row["fee"] % 3 == 0,
    "bank IN ('A', 'B')": lambda row: row["bank"] in ("A", "B"),
    "NOT abroad": lambda row: row["abroad"] is False,
    "abroad OR fee IS NULL": lambda row: row["abroad"] is True or row["fee"] is None,
    "bank LIKE '%A%'": lambda row: row["bank"] == "A",
    "rate < 0.25": lambda row: number(row["rate"]) is not None and row["rate"] < 0.25,
}
JOINED_FILTERS: dict[str, Callable[[Row], bool]] = {
    "age >= 40": lambda row: row["age"] is not None and row["age"] >= 40
}


def number(value: Any) -> float | None:
    """A real number, or a gap."""
    return None if value is None or isnan(value) else value


def cents(row: Row) -> int | None:
    """An amount within its bounds, in hundredths."""
    if row["amount"] is None:
        return None
    whole = int(Fraction(row["amount"]) * 100)
    return min(10**6, max(0, whole))


def clamped_rate(row: Row) -> float | None:
    """A rate within its bounds."""
    value = number(row["rate"])
    return None if value is None else min(1.0, max(-1.0, value))


@dataclass
class Made:
    """One random query: its text, and what it is made of."""

    keys: list[str]
    filters: list[str]
    aggregates: list[str]
    joined: bool
    order: list[tuple[int, bool]] = field(default_factory=list)
    limit: int | None = None
    having: int | None = None

    @property
    def sql(self) -> str:
        """As an analyst would write it."""
        shown = [f"{key} AS k{index}" for index, key in enumerate(self.keys) if key in SHOWABLE]
        told = [f"{one} AS a{index}" for index, one in enumerate(self.aggregates)]
        source = "pay JOIN cust ON pay.account = cust.account" if self.joined else "pay"
        text = f"SELECT {', '.join(shown + told)} FROM {source}"
        if self.filters:
            text += f" WHERE {' AND '.join(f'({one})' for one in self.filters)}"
        if self.keys:
            text += f" GROUP BY {', '.join(self.keys)}"
        if self.having is not None:
            text += f" HAVING count(*) > {self.having}"
        if self.order:
            keys = [f"{index + 1} {'DESC' if down else 'ASC'}" for index, down in self.order]
            text += f" ORDER BY {', '.join(keys)}"
        if self.limit is not None:
            text += f" LIMIT {self.limit}"
        return text


def make(dice: random.Random) -> Made:
    """One random query."""
    keys = dice.sample(sorted(KEYS), dice.randrange(4))
    joined = dice.random() < 0.3
    filters = dice.sample(sorted(FILTERS), dice.randrange(3))
    if joined and dice.random() < 0.5:
        filters += JOINED_FILTERS
    of_account = "pay.account" if joined else "account"
    possible = [
        "count(*)",
        "count(fee)",
        f"count(DISTINCT {of_account})",
        "count(DISTINCT fee)",
        "sum(fee)",
        "sum(amount)",
        "sum(rate)",
        "avg(amount)",
        "avg(fee)",
        "stddev(fee)",
        "stddev(rate)",
        "sum(fee) * 2 + count(*)",
    ]
    aggregates = dice.sample(possible, dice.randrange(1, 4))
    made = Made(keys, filters, aggregates, joined)
    width = len([key for key in keys if key in SHOWABLE]) + len(aggregates)
    if dice.random() < 0.5:
        made.order = [(dice.randrange(width), dice.random() < 0.5)]
        made.limit = dice.choice([None, 0, 1, 3])
    made.having = dice.choice([None, None, 12, 40])
    return made


def answer(
    made: Made, pay: list[Row], customers: list[Row], k: tuple[int, int], steps: dict[str, int]
) -> list[tuple[Any, ...]]:
    """What the query must tell, in its order."""
    rows = [row for row in pay if row["account"] is not None]
    if made.joined:
        rows = [
            {**one, "age": other["age"]}
            for one in rows
            for other in customers
            if one["account"] == other["account"]
        ]
    tests = {**FILTERS, **JOINED_FILTERS}
    rows = [row for row in rows if all(tests[one](row) for one in made.filters)]
    groups: dict[Group, list[Row]] = {} if made.keys else {(): []}
    for row in rows:
        groups.setdefault(tuple(KEYS[key](row) for key in made.keys), []).append(row)
    least = max(k) if made.joined else k[0]
    there = {group for group, rows in groups.items() if rows}
    visible = shown(groups, least, there, lambda _: True) & there
    valued = {
        column: shown(groups, least, visible, partial(has_value, column)) for column in COLUMNS
    }
    told = []
    for group in visible:
        inside = groups[group]
        if made.having is not None and not rounded(len(inside), steps["count"]) > made.having:
            continue
        labels = [part for part, key in zip(group, made.keys, strict=True) if key in SHOWABLE]
        numbers = (
            None
            if any(column in one and group not in valued[column] for column in COLUMNS)
            else aggregate(one, inside, steps)
            for one in made.aggregates
        )
        told.append((*labels, *numbers))
    told.sort(key=lambda row: [sortable(part) for part in row])
    for index, down in made.order:
        told.sort(key=lambda row: sortable(row[index], down), reverse=down)
    return told[: made.limit]


def sortable(value: Any, down: bool = False) -> tuple[bool, Any]:
    """Gaps last, whichever way."""
    return (value is None) != down, Fraction(0) if value is None else value


def has_value(column: str, row: Row) -> bool:
    """Whether a row is a part of aggregates of a column."""
    return number(row[column]) is not None if column == "rate" else row[column] is not None


def shown(
    groups: dict[Group, list[Row]], k: int, visible: set[Group], counts: Callable[[Row], bool]
) -> set[Group]:
    """Groups of these that show, by their units in rows that count."""
    units = {
        group: len({row["account"] for row in rows if counts(row)})
        for group, rows in groups.items()
    }
    sizes = {group: sum(map(counts, rows)) or 10**9 for group, rows in groups.items()}
    none = {group for group, count in units.items() if not count and groups[group] and k > 1}
    hidden = {group for group, count in units.items() if count < k or group not in visible}
    hidden -= none & visible if k > 1 else visible
    width = len(next(iter(groups), ()))
    again = bool(width)
    while again:
        again = False
        for size in [*range(1, width), 0]:
            for some in combinations(range(width), size):
                lines: dict[Group, list[Group]] = {}
                for group in groups:
                    lines.setdefault(tuple(group[one] for one in some), []).append(group)
                found = set()
                for line in lines.values():
                    rest = [group for group in line if group not in hidden]
                    if len(line) - len(rest) == 1 and rest:
                        found.add(min(rest, key=lambda one: (sizes[one], order_of(one))))
                hidden |= found
                again |= bool(found)
    return set(groups) - hidden - none


def order_of(group: Group) -> list[tuple[bool, Any]]:
    """Of keys: gaps last."""
    return [sortable(part) for part in group]


def rounded(value: int, step: int) -> int:
    """To a multiple, halves away from zero."""
    if step <= 1:
        return value
    up = (abs(value) * 2 + step) // (2 * step) * step
    return -up if value < 0 else up


def aggregate(name: str, rows: list[Row], steps: dict[str, int]) -> Any:
    """One aggregate of a group, told as the policy says."""
    fees = [row["fee"] for row in rows if row["fee"] is not None]
    amounts = [one for one in map(cents, rows) if one is not None]
    rates = [one for one in map(clamped_rate, rows) if one is not None]
    fee = rounded(sum(fees), steps["fee"])
    amount = rounded(sum(amounts), steps["amount"])
    count, many = steps["count"], rounded(len(rows), steps["count"])
    return {
        "count(*)": many,
        "count(fee)": rounded(len(fees), count),
        "count(DISTINCT account)": rounded(len({row["account"] for row in rows}), count),
        "count(DISTINCT fee)": rounded(len(set(fees)), count),
        "sum(fee)": fee if fees else None,
        "sum(amount)": amount if amounts else None,
        "sum(rate)": sum(rates) if rates else None,
        "avg(amount)": average(amount, len(amounts), count, 100),
        "avg(fee)": average(fee, len(fees), count, 1),
        "stddev(fee)": spread([float(one) for one in fees], steps["fee"]),
        "stddev(rate)": spread(rates, 0),
        "sum(fee) * 2 + count(*)": fee * 2 + many if fees else None,
    }[name.replace("pay.", "")]


def average(total: int, count: int, step: int, unit: int) -> float | None:
    """A released sum by a released count."""
    by = rounded(count, step)
    return total / unit / by if by else None


def spread(values: list[float], step: int) -> float | None:
    """Sample deviation."""
    if len(values) < 2:
        return None
    found = stdev(values)
    return rounded_real(found, step) if step else found


def rounded_real(value: float, step: int) -> float:
    """To a multiple."""
    whole, rest = divmod(value, step)
    return float((whole + (rest * 2 >= step)) * step)
