"""The public set AMLworld HI-Small as four banks' transfers: its labelled laundering attempts, and
its first legitimate rows.

Owns reading of these files, and the right values. A bank of the set belongs to the member of its
number modulo four.
"""

import csv
import gzip
from calendar import timegm
from collections.abc import Iterator
from pathlib import Path
from time import strptime

from strongroom.consensus.errors import OperatorFault
from strongroom.node.demo.aml.transfers import (
    ROUND_TRIP,
    SCATTER_GATHER,
    Expected,
    Planted,
    Transfer,
    World,
    ends_of,
)

MEMBERS = 4
PATTERNS = "aml/HI-Small_Patterns.txt.gz"
LEGITIMATE = "aml/HI-Small_legit_first1000.csv.gz"
KINDS = {"CYCLE": ROUND_TRIP, "SCATTER-GATHER": SCATTER_GATHER}
QUIET_MIN = 8
"""Characters of an account that is told from chance."""
EXPECTED = {
    ROUND_TRIP: Expected(pooled=4_206, hits=49, alone=1_614, alone_hits=21),
    SCATTER_GATHER: Expected(pooled=35, hits=30),
}


def read_world(folder: Path) -> World:
    """The set as a world of four members.

    Raises:
        OperatorFault: a file is missing or is another one.
    """
    try:
        attempts = list(_attempts(folder / PATTERNS))
        rows = [row for _, some in attempts for row in some] + list(
            _legitimate(folder / LEGITIMATE)
        )
    except (OSError, ValueError, KeyError, IndexError) as fault:
        raise OperatorFault(
            f"{folder}: needs {PATTERNS} and {LEGITIMATE} of IBM's AMLworld HI-Small: {fault}"
        ) from None
    planted = tuple(
        Planted(KINDS[kind], tuple(sorted(some, key=lambda row: row.time)))
        for kind, some in attempts
        if kind in KINDS
    )
    members = tuple(f"bank{number}" for number in range(MEMBERS))
    busy = {end for kind, some in attempts for row in some for end in ends_of(row)}
    return World(
        members, tuple(rows), planted, _member, _quiet(members, rows, busy), dict(EXPECTED)
    )


def _member(bank: str) -> str:
    return f"bank{int(bank) % MEMBERS}"


def _quiet(
    members: tuple[str, ...], rows: list[Transfer], busy: set[tuple[str, str]]
) -> dict[str, str]:
    """Of each member an account in no attempt, whose transfers no other member sees."""
    seen: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        both = {_member(bank) for bank, _ in ends_of(row)}
        for end in ends_of(row):
            seen.setdefault(end, set()).update(both)
    found: dict[str, str] = {}
    for end, by in sorted(seen.items()):
        if len(by) == 1 and end not in busy and len(end[1]) >= QUIET_MIN:
            found.setdefault(next(iter(by)), end[1])
    if set(found) != set(members):
        raise OperatorFault("the set has no ordinary account of every member")
    return found


def _attempts(path: Path) -> Iterator[tuple[str, list[Transfer]]]:
    kind, rows = "", list[Transfer]()
    for line in _lines(path):
        if line.startswith("BEGIN"):
            kind, rows = line.split(" - ")[1].split(":")[0].strip(), []
        elif line.startswith("END"):
            yield kind, rows
        elif line.strip():
            at, a, b, c, d, received, _, _, _, channel, _ = line.split(",")
            rows.append(_transfer(at, (a, b), (c, d), received, channel))


def _legitimate(path: Path) -> Iterator[Transfer]:
    for row in csv.DictReader(_lines(path)):
        yield _transfer(
            row["timestamp"],
            (row["from_bank_id"], row["from_account_id"]),
            (row["to_bank_id"], row["to_account_id"]),
            row["amount_received"],
            row["payment_format"],
        )


def _transfer(
    at: str, payer: tuple[str, str], payee: tuple[str, str], amount: str, channel: str
) -> Transfer:
    return Transfer(
        str(int(payer[0])),
        payer[1],
        str(int(payee[0])),
        payee[1],
        timegm(strptime(at, "%Y/%m/%d %H:%M")),
        round(float(amount) * 100),
        channel,
    )


def _lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as file:
        yield from file
