"""ml.predict: what a model tells of each row, and where rows carry the truth, how good it is.

The model is an input of its own (an asset of the clean room): one of `ml.logistic` or of
`ml.boosted_trees`, read strictly by code of ours. Every other input is a table of rows. A row with
a gap of which the model tells nothing has no probability; a value outside of the model's bounds
refuses its table.
"""

from typing import Any

import numpy as np

from strongroom.enclave.room.library import models
from strongroom.enclave.room.library.judging import (
    CALIBRATION,
    DIGITS,
    FIGURES,
    calibration,
    figures,
    table_of,
)
from strongroom.enclave.room.library.learning import (
    POSITIVE_FROM,
    Feature,
    Reals,
    Rows,
    Truths,
    matrix,
)
from strongroom.enclave.room.library.shapes import (
    Column,
    Inputs,
    Kind,
    Outputs,
    Parameter,
    Parameters,
    Program,
    TableSchema,
)

NAME = "ml.predict"
PARAMETERS = (
    Parameter(
        name="target",
        type=str,
        meaning="what is true of the rows, written as a column; empty: nobody knows it",
        default="",
        maximum=200,
    ),
    POSITIVE_FROM,
    Parameter(
        name="rows_min",
        type=int,
        meaning="figures of fewer rows are not told",
        default=10,
        minimum=1,
        maximum=1_000_000,
    ),
)
PREDICTIONS = TableSchema(
    columns=(
        Column(name="owner", kinds=(Kind.TEXT,), meaning="alias of a table"),
        Column(name="row", kinds=(Kind.INTEGER,), meaning="its place in that table, from 1"),
        Column(
            name="probability",
            kinds=(Kind.REAL,),
            meaning="that it is positive; a gap: the model tells nothing of it",
            gaps=True,
            digits=DIGITS,
        ),
    )
)
METRICS = TableSchema(
    columns=(
        Column(name="owner", kinds=(Kind.TEXT,), meaning="alias of a table"),
        Column(name="rows", kinds=(Kind.INTEGER,), meaning="of the table"),
        *FIGURES,
    )
)


def run(room: Inputs) -> Outputs:
    """Tell each row, and judge the model where the truth is known.

    Raises:
        ProgramRefused: `model`, `bounds`, `gaps` (models.py).
    """
    (data,) = room.models.values()
    model = models.read_model(data)
    owners = tuple(sorted(room.tables))
    told: dict[str, list[Any]] = {name: [] for name in PREDICTIONS.names()}
    parts = []
    for place, alias in enumerate(owners):
        table = room.tables[alias]
        told["owner"] += [alias] * table.rows
        told["row"] += range(1, table.rows + 1)
        told["probability"] += models.probabilities(model, table, alias)
        if room.text("target"):
            score, tells = models.scores(model, table, alias)
            label = _labels(room, alias)
            parts.append((np.full(table.rows, place)[tells], score[tells], label[tells]))
    outputs: dict[str, Any] = {
        "predictions": table_of(PREDICTIONS, _rows_of(told)),
        "metrics": table_of(METRICS, []),
        "calibration": table_of(CALIBRATION, []),
    }
    return outputs | (_judged(room, owners, parts) if parts else {})


def _labels(room: Inputs, alias: str) -> Reals:
    target = Feature.parse(room.text("target"))
    found = matrix((target,), room.tables[alias], alias)[:, 0]
    return np.asarray(found >= room.integer("positive_from"), dtype=np.float64)


def _judged(
    room: Inputs, owners: tuple[str, ...], parts: list[tuple[Any, Reals, Reals]]
) -> dict[str, Any]:
    """Metrics and calibration of each owner whose rows are enough."""
    at_least = room.integer("rows_min")
    owner, score, label = (np.concatenate(part) for part in zip(*parts, strict=True))
    tested: Truths = np.ones(len(label), dtype=bool)
    rows = Rows(owners, owner, np.empty((len(label), 0)), label, tested)
    told = []
    for place, alias in enumerate(owners):
        mine = rows.of(place)
        if int(mine.sum()) >= at_least:
            joint = figures(score[mine], label[mine])
            told.append({"owner": alias, "rows": room.tables[alias].rows, **joint})
    return {
        "metrics": table_of(METRICS, told),
        "calibration": calibration(rows, score, at_least),
    }


def _rows_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _schema(parameters: Parameters) -> TableSchema:
    if not parameters["target"]:
        return TableSchema(columns=())
    target = Feature.parse(str(parameters["target"]))
    return TableSchema(
        columns=(Column(name=target.name, kinds=(Kind.INTEGER,), meaning=target.text),)
    )


PROGRAM = Program(
    name=NAME,
    finds="what a model tells of each row, and how good it is at each owner",
    parameters=PARAMETERS,
    inputs=_schema,
    outputs={"predictions": PREDICTIONS, "metrics": METRICS, "calibration": CALIBRATION},
    run=run,
    models=1,
)
