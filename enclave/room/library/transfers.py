"""Transfers of several banks as one graph.

Owns what one transfer is when two banks report it, and which accounts are too busy to be searched.
Knows no pattern. Rows of a bank's table need no order; the graph is the same in any.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strongroom.enclave.room.library.shapes import (
    Column,
    Kind,
    Parameter,
    ProgramRefused,
    Table,
    TableSchema,
    Values,
)

Integers = NDArray[np.int64]
Truths = NDArray[np.bool_]
DAY_SECONDS = 86_400
DAYS_MAX = 366
TRANSFER_SECONDS_MAX = 2**40
TRANSFER_AMOUNT_MAX = 2**53
BUSY_DEFAULT = 1_000
_NAME = (Kind.TEXT, Kind.INTEGER)
TRANSFERS = TableSchema(
    columns=(
        Column(name="from_bank", kinds=_NAME, meaning="bank that pays, one name for all tables"),
        Column(name="from_account", kinds=_NAME, meaning="account there that pays"),
        Column(name="to_bank", kinds=_NAME, meaning="bank that is paid"),
        Column(name="to_account", kinds=_NAME, meaning="account there that is paid"),
        Column(name="time", kinds=(Kind.INTEGER,), meaning="seconds since 1970"),
        Column(
            name="amount",
            kinds=(Kind.INTEGER,),
            meaning="smallest units; in all tables or in none",
            optional=True,
        ),
    )
)
DAYS = Parameter(
    name="days_max",
    type=int,
    meaning="days from the first transfer of a pattern to its last",
    default=20,
    minimum=1,
    maximum=DAYS_MAX,
)
BUSY = Parameter(
    name="busy_above",
    type=int,
    meaning="accounts with more transfers in, or out, are left out and named in `busy`",
    default=BUSY_DEFAULT,
    minimum=1,
    maximum=1_000_000,
)
ALERT_COLUMNS = (
    Column(name="bank", kinds=(Kind.TEXT,), meaning="of the account"),
    Column(name="account", kinds=(Kind.TEXT,), meaning="that takes part"),
)
CASE_COLUMNS = (
    Column(name="from_bank", kinds=(Kind.TEXT,), meaning="bank that pays"),
    Column(name="from_account", kinds=(Kind.TEXT,), meaning="account that pays"),
    Column(name="to_bank", kinds=(Kind.TEXT,), meaning="bank that is paid"),
    Column(name="to_account", kinds=(Kind.TEXT,), meaning="account that is paid"),
    Column(name="time", kinds=(Kind.INTEGER,), meaning="seconds since 1970"),
    Column(name="amount", kinds=(Kind.INTEGER,), meaning="smallest units; 0 if none was given"),
)
BUSY_ACCOUNTS = TableSchema(
    columns=(
        Column(name="bank", kinds=(Kind.TEXT,), meaning="of the account"),
        Column(name="account", kinds=(Kind.TEXT,), meaning="that was left out"),
    )
)


@dataclass(frozen=True, slots=True, repr=False)
class Transfers:
    """Transfers, each once, ordered by time and all else; accounts are numbers."""

    accounts: list[tuple[str, str]]
    """(bank, account) of each number, in order."""
    source: Integers
    target: Integers
    time: Integers
    amount: Integers
    """Zeros if no table has amounts."""
    has_amounts: bool

    def without(self, accounts: Integers) -> "Transfers":
        """Those that touch none of these accounts, and end elsewhere than they begin."""
        gone = np.zeros(len(self.accounts), dtype=bool)
        gone[accounts] = True
        kept = ~gone[self.source] & ~gone[self.target] & (self.source != self.target)
        return self.only(np.flatnonzero(kept))

    def only(self, which: Integers) -> "Transfers":
        """These transfers, in this order."""
        return Transfers(
            self.accounts,
            self.source[which],
            self.target[which],
            self.time[which],
            self.amount[which],
            self.has_amounts,
        )

    def busy(self, above: int) -> Integers:
        """Numbers of accounts with more transfers in, or out, than this."""
        out = np.bincount(self.source, minlength=len(self.accounts))
        into = np.bincount(self.target, minlength=len(self.accounts))
        return np.flatnonzero((out > above) | (into > above))

    def named(self, accounts: Integers) -> dict[str, list[str]]:
        """Columns `bank` and `account` of these numbers."""
        pairs = [self.accounts[one] for one in accounts.tolist()]
        return {"bank": [bank for bank, _ in pairs], "account": [name for _, name in pairs]}

    def rows(self, which: Integers) -> dict[str, Values]:
        """Columns `CASE_COLUMNS` of these transfers."""
        payer, paid = self.named(self.source[which]), self.named(self.target[which])
        return {
            "from_bank": payer["bank"],
            "from_account": payer["account"],
            "to_bank": paid["bank"],
            "to_account": paid["account"],
            "time": self.time[which],
            "amount": self.amount[which],
        }


def pool(tables: Mapping[str, Table]) -> Transfers:
    """Put the tables of all banks together.

    A transfer that two tables hold is one transfer: both banks report it. A row that one table
    holds twice is two transfers. So each row counts as often as in the table that has it most.

    Raises:
        ProgramRefused: some tables have amounts and some do not, or a number is beyond its bound.
    """
    with_amounts = {"amount" in table.columns for table in tables.values()}
    if len(with_amounts) > 1:
        raise ProgramRefused("amounts", "give the column amount in all tables, or in none")
    has_amounts = with_amounts == {True}
    numbers: dict[tuple[str, str], int] = {}
    source, target, time, amount, origin = [], [], [], [], []
    for place, alias in enumerate(sorted(tables)):
        columns, rows = tables[alias].columns, tables[alias].rows
        source.append(_numbered(numbers, columns["from_bank"], columns["from_account"]))
        target.append(_numbered(numbers, columns["to_bank"], columns["to_account"]))
        time.append(_bounded(columns["time"], -TRANSFER_SECONDS_MAX, TRANSFER_SECONDS_MAX, "time"))
        amounts = columns["amount"] if has_amounts else np.zeros(rows, dtype=np.int64)
        amount.append(_bounded(amounts, 0, TRANSFER_AMOUNT_MAX, "amount"))
        origin.append(np.full(rows, place, dtype=np.int64))
    accounts = sorted(numbers)
    order = np.empty(len(accounts), dtype=np.int64)
    order[[numbers[one] for one in accounts]] = np.arange(len(accounts))
    found = Transfers(
        accounts,
        order[np.concatenate(source)],
        order[np.concatenate(target)],
        np.concatenate(time),
        np.concatenate(amount),
        has_amounts,
    )
    return found.only(_each_once(found, np.concatenate(origin)))


def _numbered(numbers: dict[tuple[str, str], int], banks: Values, accounts: Values) -> Integers:
    keys = zip(_texts(banks), _texts(accounts), strict=True)
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _texts(values: Values) -> Iterable[str]:
    return map(str, values.tolist() if isinstance(values, np.ndarray) else values)


def _bounded(values: Values, low: int, high: int, name: str) -> Integers:
    if not len(values):
        return np.empty(0, dtype=np.int64)
    try:
        numbers = np.asarray(values).astype(np.int64, casting="safe", copy=False)
    except (TypeError, OverflowError):
        numbers = None
    if numbers is None or numbers.min() < low or numbers.max() > high:
        raise ProgramRefused("bounds", f"the column {name} must lie within {low} and {high}")
    return numbers


def _each_once(all_rows: Transfers, origin: Integers) -> Integers:
    """Places of the rows that stay, in order of time, accounts and amount."""
    if not len(origin):
        return origin
    row = (all_rows.time, all_rows.source, all_rows.target, all_rows.amount)
    order = np.lexsort((origin, *reversed(row)))
    new_row = np.ones(len(order), dtype=bool)
    new_row[1:] = np.any([values[order][1:] != values[order][:-1] for values in row], axis=0)
    new_run = new_row.copy()
    new_run[1:] |= origin[order][1:] != origin[order][:-1]
    places = np.arange(len(order))
    copy = places - np.maximum.accumulate(np.where(new_run, places, 0))
    key = np.cumsum(new_row) * (int(copy.max()) + 1) + copy
    _, first = np.unique(key, return_index=True)
    return order[first]
