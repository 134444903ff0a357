"""Rows that models learn from: columns with declared bounds, labels, rows held out for testing.

Owns the small language in which a contract names columns, and the reading of every owner's table by
it. Knows no model; how one is judged: judging.py.

A column is `NAME LOW..HIGH` (a number within bounds) or `NAME {1,2,3}` (one of these integers). A
value outside is refused and never clamped: it is how a shard is poisoned (T64).
"""

import re
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from strongroom.enclave.room.library.shapes import (
    Column,
    Inputs,
    Kind,
    Parameter,
    Parameters,
    ProgramRefused,
    Table,
    TableSchema,
    Values,
)

Reals = NDArray[np.float64]
Truths = NDArray[np.bool_]
FEATURES_MAX = 256
CATEGORIES_MAX = 64
_NUMBER = r"-?\d{1,12}(?:\.\d{1,6})?"
_FEATURE = re.compile(
    rf"([A-Za-z_][A-Za-z0-9_]{{0,63}}) (?:({_NUMBER})\.\.({_NUMBER})|"
    r"\{(-?\d{1,9}(?:,-?\d{1,9})*)\})",
    re.ASCII,
)
_NUMERIC = (Kind.INTEGER, Kind.REAL)


@dataclass(frozen=True, slots=True)
class Feature:
    """A column with its bounds."""

    text: str
    """As the contract writes it."""
    name: str
    low: float
    high: float
    categories: tuple[int, ...] = ()
    """Allowed values in ascending order; none: a number."""

    @classmethod
    def parse(cls, text: str) -> "Feature":
        """Read one of its text.

        Raises:
            ProgramRefused: it is no column.
        """
        match = _FEATURE.fullmatch(text)
        if match is None:
            raise ProgramRefused("columns", "write a column as `NAME LOW..HIGH` or `NAME {1,2,3}`")
        name, low, high, listed = match.groups()
        if listed is None:
            if not float(low) < float(high):
                raise ProgramRefused("columns", f"the bounds of {name} must ascend")
            return cls(text, name, float(low), float(high))
        values = tuple(int(one) for one in listed.split(","))
        if not 2 <= len(values) <= CATEGORIES_MAX or list(values) != sorted(set(values)):
            raise ProgramRefused(
                "columns", f"{name} must list 2 to {CATEGORIES_MAX} integers, ascending"
            )
        return cls(text, name, values[0], values[-1], values)


@dataclass(frozen=True, slots=True, repr=False)
class Rows:
    """All owners' rows in one order, whatever order their tables have."""

    owners: tuple[str, ...]
    owner: NDArray[np.int64]
    """Of each row, by its place in `owners`."""
    values: Reals
    """A column per feature; NaN where a value is missing."""
    label: Reals
    """1 or 0."""
    tested: Truths
    """Held out: no model learns from it."""

    def of(self, owner: int) -> Truths:
        """Which rows are of this owner."""
        which: Truths = self.owner == owner
        return which


POSITIVE_FROM = Parameter(
    name="positive_from",
    type=int,
    meaning="values of the target from here on count as positive",
    default=1,
    minimum=-1_000_000_000,
    maximum=1_000_000_000,
)
"""Of whatever learns a target, or is judged by one."""


def parameters_of(*missing: str) -> tuple[Parameter, ...]:
    """Parameters that every model has; `missing`: what may be done about gaps."""
    return (
        Parameter(
            name="columns",
            type=list[str],
            meaning="what is learned from: `age 0..120` or `cp {1,2,3,4}` each",
            minimum=1,
            maximum=FEATURES_MAX,
        ),
        Parameter(
            name="target",
            type=str,
            meaning="what is to be told, written as a column",
            minimum=1,
            maximum=200,
        ),
        POSITIVE_FROM,
        Parameter(
            name="held_out",
            type=str,
            meaning="column that is 1 in rows for testing alone and else 0; empty: by chance",
            default="",
            maximum=64,
        ),
        Parameter(
            name="test_percent",
            type=int,
            meaning="rows for testing, when chance chooses",
            default=33,
            maximum=90,
        ),
        Parameter(
            name="missing",
            type=str,
            meaning="what becomes of a row with a gap",
            default=missing[0],
            choices=missing,
        ),
        Parameter(
            name="rows_min",
            type=int,
            meaning="rows that each table has, at least; figures of fewer tested rows are not told",
            default=10,
            minimum=1,
            maximum=1_000_000,
        ),
    )


def features_of(parameters: Parameters) -> tuple[Feature, ...]:
    """Columns that are learned from.

    Raises:
        ProgramRefused: one is no column, or comes twice.
    """
    listed = parameters["columns"]
    assert isinstance(listed, tuple)
    features = tuple(Feature.parse(text) for text in listed)
    names = [one.name for one in features]
    names += [Feature.parse(str(parameters["target"])).name, str(parameters["held_out"])]
    if len(set(names)) != len(names):
        raise ProgramRefused("columns", "a column comes twice, or is the target or held_out")
    return features


def schema_of(parameters: Parameters) -> TableSchema:
    """What every table must have, from the parameters."""
    may_lack = parameters["missing"] in ("mean", "keep")
    columns = [
        Column(
            name=one.name,
            kinds=_NUMERIC,
            meaning=one.text,
            optional=may_lack,
            gaps=parameters["missing"] != "refuse",
        )
        for one in features_of(parameters)
    ]
    target = Feature.parse(str(parameters["target"]))
    columns.append(Column(name=target.name, kinds=(Kind.INTEGER,), meaning=target.text))
    if parameters["held_out"]:
        held_out = str(parameters["held_out"])
        columns.append(Column(name=held_out, kinds=(Kind.INTEGER,), meaning="1: for testing"))
    return TableSchema(columns=tuple(columns))


def read(room: Inputs) -> Rows:
    """Read every owner's table.

    Raises:
        ProgramRefused: a value is out of its bounds, or a table has too few rows.
    """
    features = features_of(room.parameters)
    target = Feature.parse(room.text("target"))
    owners = tuple(sorted(room.tables))
    parts = []
    for place, alias in enumerate(owners):
        table = room.tables[alias]
        values = matrix(features, table, alias)
        told = matrix((target,), table, alias)[:, 0]
        label = (told >= room.integer("positive_from")).astype(np.float64)
        tested = _tested(room, table, alias)
        if room.text("missing") == "drop":
            whole = ~np.isnan(values).any(axis=1)
            values, label, tested = values[whole], label[whole], tested[whole]
        if len(label) < room.integer("rows_min"):
            raise ProgramRefused("rows", f"table {alias} has fewer rows than rows_min")
        order = np.lexsort((*values.T[::-1], label, tested))
        owner = np.full(len(label), place, dtype=np.int64)
        parts.append((owner, values[order], label[order], tested[order]))
    owner, values, label, tested = (np.concatenate(part) for part in zip(*parts, strict=True))
    if len(np.unique(label[~tested])) < 2:
        raise ProgramRefused("labels", "rows to learn from are all of one kind")
    return Rows(owners, owner, values, label, tested)


def matrix(features: tuple[Feature, ...], table: Table, alias: str) -> Reals:
    """A table's columns within their bounds; NaN where a value or the whole column is missing.

    Raises:
        ProgramRefused: a value is out of its bounds.
    """
    found = np.full((table.rows, len(features)), np.nan)
    for place, feature in enumerate(features):
        if feature.name not in table.columns:
            continue
        values = _numbers(table.columns[feature.name])
        there = values[~np.isnan(values)]
        within = (there >= feature.low) & (there <= feature.high)
        if feature.categories:
            within &= np.isin(there, feature.categories)
        if not within.all():
            raise ProgramRefused(
                "bounds", f"column {feature.name} of table {alias} leaves its bounds {feature.text}"
            )
        found[:, place] = values
    return found


def _numbers(values: Values) -> Reals:
    try:
        return np.asarray(values, dtype=np.float64)
    except (OverflowError, TypeError, ValueError):
        raise ProgramRefused("bounds", "a column holds what is no number") from None


def _tested(room: Inputs, table: Table, alias: str) -> Truths:
    column = room.text("held_out")
    if column:
        marks = _numbers(table.columns[column])
        if not np.isin(marks, (0, 1)).all():
            raise ProgramRefused("bounds", f"column {column} of table {alias} must hold 0 and 1")
        return np.asarray(marks == 1)
    begin = sha256(b"strongroom/held-out/1" + room.seed + alias.encode())
    bound = room.integer("test_percent") * 2**64 // 100
    chosen = np.zeros(table.rows, dtype=bool)
    for row in range(table.rows):
        drawn = begin.copy()
        drawn.update(row.to_bytes(8, "big"))
        chosen[row] = int.from_bytes(drawn.digest()[:8], "big") < bound
    return chosen
