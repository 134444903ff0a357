"""The public data sets beside the checkout (../shared/data), as the programs' tables. Tests that
read them are skipped by name where they are not."""

import csv
import gzip
from calendar import timegm
from collections.abc import Iterator
from pathlib import Path
from time import strptime
from typing import NamedTuple

import pytest

from strongroom.enclave.room.library.shapes import Table

FOLDER = Path(__file__).resolve().parents[5] / "shared" / "data"
needs_public_sets = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the public data sets are not beside this checkout"
)


class Transfer(NamedTuple):
    """One row of IBM's AMLworld HI-Small; the bank's name is its number."""

    from_bank: str
    from_account: str
    to_bank: str
    to_account: str
    time: int
    amount: int


class Ring(NamedTuple):
    """One laundering attempt that the set labels."""

    kind: str
    transfers: list[Transfer]


def text_lines(name: str) -> Iterator[str]:
    """Lines of a file, unpacked if it is packed."""
    path = FOLDER / name
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from file


def rings() -> list[Ring]:
    """All 370 attempts of HI-Small."""
    found: list[Ring] = []
    for line in text_lines("aml/HI-Small_Patterns.txt.gz"):
        if line.startswith("BEGIN"):
            found.append(Ring(line.split(" - ")[1].split(":")[0].strip(), []))
        elif line.strip() and not line.startswith("END"):
            time, a, b, c, d, received, *_ = line.split(",")
            found[-1].transfers.append(_transfer(time, a, b, c, d, received))
    return found


def legitimate() -> list[Transfer]:
    """The first 1,000 rows of HI-Small, none of them laundering."""
    return [
        _transfer(
            row["timestamp"],
            row["from_bank_id"],
            row["from_account_id"],
            row["to_bank_id"],
            row["to_account_id"],
            row["amount_received"],
        )
        for row in csv.DictReader(text_lines("aml/HI-Small_legit_first1000.csv.gz"))
    ]


def amlsim() -> list[Transfer]:
    """AMLSim 20K: 120,558 transfers; a step is a day, an account's bank is its number modulo 5."""
    return [
        Transfer(
            str(int(row["sourceNodeId"]) % 5),
            row["sourceNodeId"],
            str(int(row["targetNodeId"]) % 5),
            row["targetNodeId"],
            int(row["time"]) * 86_400,
            round(float(row["value"]) * 100),
        )
        for row in csv.DictReader(text_lines("aml/AMLSim_20K_fanin200cycle200_transactions.csv.gz"))
    ]


def table_of(transfers: list[Transfer]) -> Table:
    """A bank's table."""
    columns = zip(*transfers, strict=True) if transfers else ((),) * len(Transfer._fields)
    return Table.of(dict(zip(Transfer._fields, map(list, columns), strict=True)))


def _transfer(time: str, a: str, b: str, c: str, d: str, amount: str) -> Transfer:
    seconds = timegm(strptime(time, "%Y/%m/%d %H:%M"))
    return Transfer(str(int(a)), b, str(int(c)), d, seconds, round(float(amount) * 100))


def office() -> dict[str, list[int]]:
    """UCI occupancy detection, all three files: seconds of the office's own clock, and 0 or 1."""
    found: dict[str, list[int]] = {"time": [], "occupied": []}
    for part in ("training", "test", "test2"):
        rows = csv.reader(text_lines(f"iot/occupancy_data{part}.txt.gz"))
        next(rows)
        for row in rows:
            found["time"].append(timegm(strptime(row[1], "%Y-%m-%d %H:%M:%S")))
            found["occupied"].append(int(row[-1]))
    return found
