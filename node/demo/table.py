"""Reading real payments and balances from CSV or TSV files, gzip understood.

Owns columns, delimiters and decimal amounts. It knows no ledger: it gives accounts as text and
amounts as integers of the smallest unit.
"""

import csv
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context
from itertools import islice
from pathlib import Path

from strongroom.consensus.errors import OperatorFault

ROWS_MAX = 10_000_000
SCALE_MAX = 18
"""2^63 has 19 digits."""
_GZIP_MAGIC = b"\x1f\x8b"
_DELIMITERS = ("\t", ";", ",", "|")
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_EXACT = Context(prec=200)


class TableInvalid(OperatorFault):
    """A data file cannot be read as asked; the message names file, line and column."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One row: who pays whom how much, in the smallest unit."""

    source: str
    target: str
    amount: int


@dataclass(frozen=True, slots=True)
class TransferColumns:
    """Names of the columns of a file of transfers."""

    source: str = "from"
    target: str = "to"
    amount: str = "amount"


@dataclass(frozen=True, slots=True)
class BalanceColumns:
    """Names of the columns of a file of opening balances."""

    account: str = "account"
    balance: str = "balance"


def read_transfers(
    path: Path, columns: TransferColumns, *, scale: int, limit: int | None = None
) -> list[Transfer]:
    """All transfers of a file in its order, at most `limit`.

    Raises:
        TableInvalid: not such a table, a column is missing, an amount is no number.
    """
    wanted = (columns.source, columns.target, columns.amount)
    rows = islice(_rows(path, wanted), ROWS_MAX if limit is None else limit)
    return [
        Transfer(
            _account(path, line, source),
            _account(path, line, target),
            _amount(path, line, text, scale),
        )
        for line, (source, target, text) in rows
    ]


def read_balances(path: Path, columns: BalanceColumns, *, scale: int) -> dict[str, int]:
    """Opening balance by account, in the file's order.

    Raises:
        TableInvalid: as above, or an account stands twice, or a balance is negative.
    """
    balances: dict[str, int] = {}
    for line, (account, text) in _rows(path, (columns.account, columns.balance)):
        name, balance = _account(path, line, account), _amount(path, line, text, scale)
        if name in balances:
            raise TableInvalid(f"{path}, line {line}: account {name} stands there twice")
        if balance < 0:
            raise TableInvalid(
                f"{path}, line {line}: account {name} opens with {text}: a balance is at least 0"
            )
        balances[name] = balance
    return balances


def to_smallest_unit(text: str, scale: int) -> int:
    """Read a decimal as an integer of 10^-scale: `12.345` with scale 2 is 1235, halves go away from
    zero.

    Commas between exact groups of three digits are read as thousands separators.

    Raises:
        ValueError: not a finite decimal number.
    """
    plain = text.strip()
    if _GROUPED.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        number = _EXACT.create_decimal(plain)
    except ArithmeticError:
        raise ValueError(f"{text!r} is not a number") from None
    if not number.is_finite() or number.adjusted() > _EXACT.prec // 2:
        raise ValueError(f"{text!r} is not a number of usable size")
    return int(number.scaleb(scale, _EXACT).to_integral_value(ROUND_HALF_UP, _EXACT))


def sniff_delimiter(header: str) -> str:
    """The delimiter that the header line has most of; a comma when it has none."""
    return max(_DELIMITERS, key=lambda delimiter: (header.count(delimiter), delimiter == ","))


def _rows(path: Path, wanted: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line number and the wanted columns of each row that is not empty."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP_MAGIC
        opener = gzip.open if packed else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            names = next(csv.reader([header], delimiter=sniff_delimiter(header)), [])
            places = [_place(path, [name.strip() for name in names], name) for name in wanted]
            reader = csv.reader(file, delimiter=sniff_delimiter(header))
            for row in reader:
                if not row:
                    continue
                if len(row) <= max(places):
                    raise TableInvalid(
                        f"{path}, line {reader.line_num + 1}: has "
                        f"{len(row)} of {len(names)} columns"
                    )
                yield reader.line_num + 1, tuple(row[place] for place in places)
    except (OSError, EOFError) as fault:
        raise TableInvalid(
            f"{path} cannot be read: {getattr(fault, 'strerror', None) or fault}"
        ) from None
    except (UnicodeDecodeError, csv.Error) as fault:
        raise TableInvalid(f"{path} is not a CSV or TSV table in UTF-8: {fault}") from None


def _place(path: Path, names: list[str], wanted: str) -> int:
    if wanted not in names:
        there = ", ".join(names) if any(names) else "none: the file is empty"
        raise TableInvalid(
            f"{path} has no column {wanted!r}; its columns are {there}: choose with --…-column"
        )
    return names.index(wanted)


def _account(path: Path, line: int, text: str) -> str:
    name = text.strip()
    if not name:
        raise TableInvalid(f"{path}, line {line}: an account is empty")
    return name


def _amount(path: Path, line: int, text: str, scale: int) -> int:
    try:
        return to_smallest_unit(text, scale)
    except ValueError as fault:
        raise TableInvalid(f"{path}, line {line}: {fault}") from None
