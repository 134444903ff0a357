"""What a program of a clean room takes and gives: tables, parameters, models, and one refusal.

Owns these shapes and what a program declares of itself. Knows no ledger, no contract, no key, no
file: a program is a pure function of its inputs. Checks against what is declared: checking.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any] | Sequence[Any]
"""A column's values: an array; texts, and whatever has gaps (None), may stand in a list."""
Value = bool | int | str | Sequence[str]
"""A parameter's value."""
Parameters = Mapping[str, Value]
SEED_SIZE = 32
"""Bytes of `Inputs.seed`."""


class Kind(Enum):
    """What a column holds."""

    INTEGER = "integer"
    REAL = "real"
    TEXT = "text"
    TRUTH = "truth"


class ProgramRefused(Exception):
    """A program does not work on what it was given.

    The sentence is made of names alone that the contract contains (of tables, columns, parameters)
    and of bounds in the code: no value of a row, and no count of rows, ever stands in it.
    """

    def __init__(self, rule: str, sentence: str) -> None:
        super().__init__(f"{rule}: {sentence}")
        self.rule = rule
        """One word for the rule, the same in every version."""


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """Columns of one length. Never changed: arrays are made read-only."""

    columns: Mapping[str, Values]
    rows: int

    @classmethod
    def of(cls, columns: Mapping[str, Values]) -> "Table":
        """Make one of its columns.

        Raises:
            ProgramRefused: columns differ in length.
        """
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1:
            raise ProgramRefused("uneven", "columns of one table differ in length")
        kept = {name: _frozen(values) for name, values in columns.items()}
        return cls(MappingProxyType(kept), lengths.pop() if lengths else 0)

    def __repr__(self) -> str:
        """Names of columns alone: rows are never shown."""
        return f"Table({', '.join(self.columns)})"


class ModelFormat(Enum):
    """How a model is written. Never pickle: whoever reads one runs nothing of it."""

    JSON = "json-numbers"
    LIGHTGBM = "lightgbm-text"


@dataclass(frozen=True, slots=True, repr=False)
class Model:
    """A model, in one of the formats that are read strictly."""

    format: ModelFormat
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Inputs:
    """Everything that a program gets."""

    tables: Mapping[str, Table]
    """By the contract's aliases."""
    parameters: Parameters
    """Checked, with defaults filled in."""
    seed: bytes
    """Chance of this job, the same at every executor (`SEED_SIZE` bytes)."""
    models: Mapping[str, bytes] = field(default_factory=dict)
    """By the contract's aliases: bytes that a program reads strictly."""

    def integer(self, name: str) -> int:
        """A parameter of type int."""
        value = self.parameters[name]
        assert isinstance(value, int)
        return value

    def text(self, name: str) -> str:
        """A parameter of type str."""
        value = self.parameters[name]
        assert isinstance(value, str)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A parameter of type list."""
        value = self.parameters[name]
        assert isinstance(value, tuple)
        return value


Predict = Callable[[bytes, Table], list[float]]
"""Score of each row by a model, whose bytes are read strictly."""
Output = Table | Model | bytes
Outputs = Mapping[str, Output]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a program says of one column."""

    name: str
    kinds: tuple[Kind, ...]
    """Any of these."""
    meaning: str
    optional: bool = False
    """The table may lack it."""
    gaps: bool = False
    """Values may be missing: None, or NaN where numbers stand in an array."""
    digits: int = 0
    """Of an output of kind REAL: digits after the point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """Columns of one table; a table that is given may have more, which a program never reads."""

    columns: tuple[Column, ...]

    def names(self) -> tuple[str, ...]:
        """Of its columns, in order."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a program says of one parameter."""

    name: str
    type: type[bool] | type[int] | type[str] | type[list[str]]
    meaning: str
    default: Value | None = None
    """None: the contract must say it."""
    minimum: int = 0
    """Of a number; of a text's or a list's length."""
    maximum: int = 0
    choices: tuple[str, ...] = ()
    """Of a text: one of these; none given: any text of an allowed length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A library program: its name, what it declares, and the function."""

    name: str
    finds: str
    """One sentence."""
    parameters: tuple[Parameter, ...]
    inputs: Callable[[Parameters], TableSchema]
    """Schema of every table that it is given, from checked parameters."""
    outputs: Mapping[str, TableSchema | ModelFormat]
    run: Callable[[Inputs], Outputs]
    predict: Predict | None = None
    """Of a program that makes a model."""
    models: int = 0
    """How many models it is given."""
    prepare: Callable[[], None] = lambda: None
    """Loads and calls once what it uses, before the sandbox rises."""


def _frozen(values: Values) -> Values:
    if isinstance(values, np.ndarray):
        view = values.view()
        view.setflags(write=False)
        return view
    return tuple(values)
