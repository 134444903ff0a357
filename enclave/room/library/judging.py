"""How good a model is, by owner, on rows that were held out.

Owns the figures and the smallest group that they are told of. Knows no kind of model: it is given
scores (logits).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from strongroom.enclave.room.library.checking import rounded
from strongroom.enclave.room.library.learning import Reals, Rows, Truths
from strongroom.enclave.room.library.shapes import Column, Kind, Table, TableSchema

DIGITS = 6
"""Of every figure that is shown."""
BINS = 5
"""Of a calibration: widths of probability."""
FIGURES = (
    Column(name="tested", kinds=(Kind.INTEGER,), meaning="rows that the model was tested on"),
    Column(name="right", kinds=(Kind.INTEGER,), meaning="of these, told right"),
    Column(
        name="auc",
        kinds=(Kind.REAL,),
        meaning="chance that a positive row scores above a negative one; a gap: of one kind",
        gaps=True,
        digits=DIGITS,
    ),
    Column(name="log_loss", kinds=(Kind.REAL,), meaning="mean over tested rows", digits=DIGITS),
)


LEARNED = Column(name="learned", kinds=(Kind.INTEGER,), meaning="rows to learn from")
_OWN_FIGURES = (
    Column(
        name="alone_right",
        kinds=(Kind.INTEGER,),
        meaning="told right by a model of the owner's own rows; a gap: they bear none",
        gaps=True,
    ),
    Column(name="alone_auc", kinds=(Kind.REAL,), meaning="its auc", gaps=True, digits=DIGITS),
)
METRICS = TableSchema(
    columns=(
        Column(name="owner", kinds=(Kind.TEXT,), meaning="alias of a table"),
        Column(name="learned", kinds=(Kind.INTEGER,), meaning="its rows to learn from"),
        *FIGURES,
        *_OWN_FIGURES,
    )
)


def figures(score: Reals, label: Reals) -> dict[str, Any]:
    """How good scores (logits) are: columns `FIGURES` of one row."""
    loss = np.logaddexp(0.0, score) - label * score
    return {
        "tested": len(label),
        "right": int(((score > 0) == (label > 0)).sum()),
        "auc": _auc(score, label),
        "log_loss": rounded(float(loss.mean()), DIGITS),
    }


def _auc(score: Reals, label: Reals) -> float | None:
    """Area under the curve, equal scores counted half (Mann and Whitney 1947)."""
    positive = int(label.sum())
    negative = len(label) - positive
    if not positive or not negative:
        return None
    _, group, size = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2)[group]
    above = float(rank[label > 0].sum()) - positive * (positive + 1) / 2
    return rounded(above / (positive * negative), DIGITS)


def overall(schema: TableSchema, rows: Rows, score: Reals, end: Mapping[str, Any]) -> Table:
    """One row on all owners together; none if no row is held out."""
    if not rows.tested.any():
        return table_of(schema, [])
    told = figures(score[rows.tested], rows.label[rows.tested])
    return table_of(schema, [{"learned": int((~rows.tested).sum()), **end, **told}])


def metrics(rows: Rows, score: Reals, alone: Callable[[Truths], Reals], at_least: int) -> Table:
    """The joint model beside each owner's own; owners with too few tested rows are left out.

    `alone` gives scores of all rows by a model that learned from the rows it is told alone.
    """
    told = []
    for place, owner in enumerate(rows.owners):
        tested, own = rows.of(place) & rows.tested, rows.of(place) & ~rows.tested
        if int(tested.sum()) < at_least:
            continue
        beside: dict[str, Any] = {"alone_right": None, "alone_auc": None}
        if len(np.unique(rows.label[own])) == 2:
            judged = figures(alone(own)[tested], rows.label[tested])
            beside = {"alone_right": judged["right"], "alone_auc": judged["auc"]}
        joint = figures(score[tested], rows.label[tested])
        told.append({"owner": owner, "learned": int(own.sum()), **joint, **beside})
    return table_of(METRICS, told)


CALIBRATION = TableSchema(
    columns=(
        Column(name="owner", kinds=(Kind.TEXT,), meaning="alias of a table"),
        Column(name="bin", kinds=(Kind.INTEGER,), meaning=f"fifth of probability, 1 to {BINS}"),
        Column(name="rows", kinds=(Kind.INTEGER,), meaning="tested rows told so"),
        Column(name="told", kinds=(Kind.REAL,), meaning="mean probability told", digits=DIGITS),
        Column(name="found", kinds=(Kind.REAL,), meaning="share of positive rows", digits=DIGITS),
    )
)


def calibration(rows: Rows, score: Reals, at_least: int) -> Table:
    """Per owner and bin what was told and what was found; bins of too few rows are not told."""
    told = probability(score)
    bins = np.minimum((told * BINS).astype(np.int64), BINS - 1)
    found: list[tuple[str, int, int, float, float]] = []
    for place, owner in enumerate(rows.owners):
        for one in range(BINS):
            which = rows.of(place) & rows.tested & (bins == one)
            count = int(which.sum())
            if count >= at_least:
                mean = rounded(float(told[which].mean()), DIGITS)
                share = rounded(float(rows.label[which].mean()), DIGITS)
                found.append((owner, one + 1, count, mean, share))
    names = CALIBRATION.names()
    return table_of(CALIBRATION, [dict(zip(names, one, strict=True)) for one in found])


def probability(score: Reals) -> Reals:
    """Of a logit; exact at both ends."""
    half: Reals = 0.5 * (1.0 + np.tanh(0.5 * score))
    return half


def table_of(schema: TableSchema, rows: Sequence[Mapping[str, Any]]) -> Table:
    """A table of few rows."""
    return Table.of({name: [row[name] for row in rows] for name in schema.names()})
