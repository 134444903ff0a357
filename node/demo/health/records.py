"""A hospital's records, what is measured and within which bounds, and the file that it brings.

Owns these shapes. Knows neither where records come from (public.py, invented.py) nor what becomes
of them.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

Value = int | float | None
"""None: it was not measured."""
Records = Mapping[str, tuple[Value, ...]]
"""Columns of one length."""
PATIENT, TARGET, HELD_OUT = "patient", "num", "held_out"
TARGET_MAX = 4


@dataclass(frozen=True, slots=True)
class Measure:
    """A column that is learned from."""

    name: str
    low: float = 0
    high: float = 0
    levels: tuple[int, ...] = ()
    """A category is one of these; none: a number within its bounds."""

    @property
    def text(self) -> str:
        """As a contract writes it."""
        if self.levels:
            return f"{self.name} {{{','.join(map(str, self.levels))}}}"
        return f"{self.name} {self.low:g}..{self.high:g}"

    @property
    def type(self) -> str:
        """In an owner's terms."""
        return "integer" if self.levels else "real"


@dataclass(frozen=True, slots=True, repr=False)
class Hospital:
    """Who brings what."""

    name: str
    records: Records
    """Its own columns, all of them; which of them are in its terms, `Study.measures` says."""
    left_out: tuple[str, ...] = ()
    """Columns of its file that its terms do not name: they stay with it."""

    @property
    def rows(self) -> int:
        """How many records."""
        return len(self.records[TARGET])

    def has(self, measure: Measure) -> bool:
        """Does it measure this at all?"""
        return measure.name in self.records

    def write(self, path: Path, mark: str) -> None:
        """Write its file; `mark` stands in every record's name of a patient, and nowhere else.

        Raises:
            OSError: it cannot be written.
        """
        _write(path, mark, self.records, range(self.rows))

    def write_ward(self, path: Path, mark: str) -> None:
        """Write the records that no model learns from, as those of patients of whom nobody knows
        yet: a second file of the hospital's.

        Raises:
            OSError: it cannot be written.
        """
        known = (TARGET, HELD_OUT, *self.left_out)
        columns = {name: values for name, values in self.records.items() if name not in known}
        held = [at for at, one in enumerate(self.records[HELD_OUT]) if one == 1]
        _write(path, mark, columns, held)

    def changed(self, column: str, at: int, value: Any) -> "Hospital":
        """The same hospital with one cell that is another, perhaps no number at all."""
        values = list(self.records[column])
        values[at] = value
        return replace(self, records={**self.records, column: tuple(values)})


class Published(NamedTuple):
    """What is known of a set from elsewhere."""

    objective: float
    right: int
    tested: int
    auc: float


@dataclass(frozen=True, slots=True, repr=False)
class Study:
    """What is learned, from whom."""

    title: str
    hospitals: tuple[Hospital, ...]
    measures: tuple[Measure, ...]
    missing: str
    """What becomes of a record with a gap: `drop`, or `mean`: the gap has no weight."""
    ridge: float = 1.0
    """Weight of the squared weights."""
    published: Published | None = None

    @property
    def target(self) -> str:
        """As a contract writes it; from 1 on, somebody is ill."""
        return f"{TARGET} 0..{TARGET_MAX}"


def _write(path: Path, mark: str, columns: Records, rows: Iterable[int]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((PATIENT, *columns))
        for at in rows:
            cells = (_written(values[at]) for values in columns.values())
            writer.writerow((f"{mark}-{at:05d}", *cells))


def _written(value: Any) -> str:
    return "" if value is None else str(value)
