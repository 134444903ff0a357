"""Models that a job is given: read strictly, whoever made them, and asked for rows (ROOMS §2, §5).

Owns which of the library's readers a model's bytes are for, and of which rows a model tells
something. Knows no ledger and no fit: what LightGBM or anybody else wrote is read by code of ours.
"""

from typing import Protocol

import numpy as np

from strongroom.enclave.room.library import ml_logistic
from strongroom.enclave.room.library.checking import rounded
from strongroom.enclave.room.library.judging import DIGITS, probability
from strongroom.enclave.room.library.learning import Feature, Reals, Truths, matrix
from strongroom.enclave.room.library.shapes import ProgramRefused, Table
from strongroom.enclave.room.library.trees import Forest

_TREES = b"tree\n"


class Reader(Protocol):
    """A model that was read."""

    @property
    def features(self) -> tuple[Feature, ...]:
        """Columns that it knows, with their bounds."""

    def score(self, values: Reals) -> Reals:
        """Logit of each row."""

    def tells(self, values: Reals) -> Truths:
        """Of which rows it tells something: of a gap only where it learned from gaps."""


def read_model(data: bytes) -> Reader:
    """Read one in either of the two formats.

    Raises:
        ProgramRefused: `model`: the bytes are none that the library would have written.
    """
    return Forest.decode(data) if data.startswith(_TREES) else ml_logistic.decode(data)


def scores(model: Reader, table: Table, alias: str) -> tuple[Reals, Truths]:
    """(logit of each row, of which it is told).

    Raises:
        ProgramRefused: `bounds`: a value leaves the model's bounds; `gaps`: of no row at all
            anything is told.
    """
    values = matrix(model.features, table, alias)
    told = model.tells(values)
    if table.rows and not told.any():
        raise ProgramRefused(
            "gaps", f"table {alias}: every row has a gap, or a column of the model's lacks"
        )
    return model.score(values), told


def probabilities(model: Reader, table: Table, alias: str) -> list[float | None]:
    """Of each row, rounded; None where the model tells nothing. Raises as `scores`."""
    score, told = scores(model, table, alias)
    listed = probability(np.where(told, score, 0.0)).tolist()
    return [rounded(one, DIGITS) if ok else None for one, ok in zip(listed, told, strict=True)]
