"""ml.logistic: one logistic regression over all owners' rows, as if they lay in one place.

The objective is the sum of log losses over rows to learn from plus half of `ridge` times the
squared weights (the intercept is free), on columns standardised over all owners' rows to learn
from: mean and standard deviation (n - 1) are agreed inside, and no owner learns another's. A column
of categories becomes one column for each but the first. Newton's steps, halved when they do not
descend, end with the one that could gain less than `GAIN_MIN` of the objective.

The model is JSON with numbers alone; `predict` reads it strictly.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from strongroom.enclave.room.library.checking import rounded
from strongroom.enclave.room.library.judging import (
    CALIBRATION,
    DIGITS,
    FIGURES,
    LEARNED,
    METRICS,
    calibration,
    metrics,
    overall,
    probability,
)
from strongroom.enclave.room.library.learning import (
    Feature,
    Reals,
    Rows,
    Truths,
    features_of,
    matrix,
    parameters_of,
    read,
    schema_of,
)
from strongroom.enclave.room.library.shapes import (
    Column,
    Inputs,
    Kind,
    Model,
    ModelFormat,
    Outputs,
    Parameter,
    Program,
    ProgramRefused,
    Table,
    TableSchema,
    Value,
)

NAME = "ml.logistic"
FORMAT = "strongroom.logistic.1"
NEWTON_STEPS_MAX = 100
HALVED_MAX = 40
GAIN_MIN = 1e-12
MODEL_DIGITS = 9
"""After the point, of weights."""
SIGNIFICANT_DIGITS = 12
"""Of means and standard deviations, which have units."""
CONSTANT_BELOW = 1e-12
"""Of a mean: a column that deviates less is constant, and only rounding deviates."""
PREPARED_WIDTH = 512
"""Of a matrix that no kernel for small ones takes."""
MODEL_BYTES_MAX = 1024 * 1024
MODEL_NUMBER_MAX = 1e12
PARAMETERS = (
    *parameters_of("drop", "mean", "refuse"),
    Parameter(
        name="ridge_thousandths",
        type=int,
        meaning="weight of the squared weights, in thousandths",
        default=1_000,
        minimum=1,
        maximum=1_000_000_000,
    ),
)
FIT = TableSchema(
    columns=(
        LEARNED,
        Column(name="objective", kinds=(Kind.REAL,), meaning="at the end", digits=DIGITS),
        Column(name="steps", kinds=(Kind.INTEGER,), meaning="Newton's"),
        *FIGURES,
    )
)


@dataclass(frozen=True, slots=True, repr=False)
class Logistic:
    """A model that was fitted, or read strictly."""

    features: tuple[Feature, ...]
    missing: str
    means: Reals
    scales: Reals
    weights: Reals
    intercept: float

    def score(self, values: Reals) -> Reals:
        """Logit of each row; a missing value counts as the mean."""
        standard = (_expanded(self.features, values) - self.means) / self.scales
        score: Reals = self.intercept + np.nan_to_num(standard) @ self.weights
        return score

    def tells(self, values: Reals) -> Truths:
        """Of which rows it tells something: of one with a gap if it was made with gaps."""
        told = np.asarray(~np.isnan(values).any(axis=1))
        return np.ones_like(told) if self.missing == "mean" else told


def run(room: Inputs) -> Outputs:
    """Fit, and judge on the rows held out.

    Raises:
        ProgramRefused: `bounds`, `rows`, `labels` (learning.py); `fit`: no minimum was reached.
    """
    rows = read(room)
    features = features_of(room.parameters)
    missing, ridge = room.text("missing"), room.integer("ridge_thousandths") / 1000
    at_least = room.integer("rows_min")
    joint, objective, steps = _fitted(features, missing, rows, ~rows.tested, ridge)
    data = _encode(joint)
    score = decode(data).score(rows.values)

    def alone(own: Truths) -> Reals:
        return _fitted(features, missing, rows, own, ridge)[0].score(rows.values)

    end = {"objective": objective, "steps": steps}
    return {
        "model": Model(ModelFormat.JSON, data),
        "fit": overall(FIT, rows, score, end),
        "metrics": metrics(rows, score, alone, at_least),
        "calibration": calibration(rows, score, at_least),
    }


def predict(model: bytes, table: Table) -> list[float]:
    """Probability of each row, rounded to `DIGITS`.

    Raises:
        ProgramRefused: `model`: the bytes are none; `bounds`: a value leaves the model's bounds;
            `gaps`: a value is missing and the model was made without gaps.
    """
    logistic = decode(model)
    values = matrix(logistic.features, table, "rows")
    if not logistic.tells(values).all():
        raise ProgramRefused("gaps", "this model tells nothing about rows with gaps")
    return [rounded(one, DIGITS) for one in probability(logistic.score(values)).tolist()]


def prepare() -> None:
    """Have the matrix kernels take the memory that they keep: at its first use they ask the system
    for it (`mbind`) as nobody may behind the walls."""
    square = np.eye(PREPARED_WIDTH)
    np.linalg.solve(square @ square.T + square, square @ square[0])


def _fitted(
    features: tuple[Feature, ...], missing: str, rows: Rows, which: Truths, ridge: float
) -> tuple[Logistic, float, int]:
    """(model, its objective, steps) over these rows."""
    values, label = _expanded(features, rows.values[which]), rows.label[which]
    there = ~np.isnan(values)
    count = np.maximum(there.sum(axis=0), 1)
    means = np.where(there, values, 0.0).sum(axis=0) / count
    deviation = np.where(there, values - means, 0.0)
    scales = np.sqrt((deviation**2).sum(axis=0) / np.maximum(count - 1, 1))
    constant = scales <= CONSTANT_BELOW * np.maximum(1.0, np.abs(means))
    deviation, scales = np.where(constant, 0.0, deviation), np.where(constant, 1.0, scales)
    inputs = np.column_stack((np.ones(len(label)), deviation / scales))
    weights, objective, steps = _newton(inputs, label, ridge)
    model = Logistic(features, missing, means, scales, weights[1:], float(weights[0]))
    return model, rounded(objective, DIGITS), steps


def _newton(inputs: Reals, label: Reals, ridge: float) -> tuple[Reals, float, int]:
    """Weights at the minimum, the objective there, and steps taken."""
    penalty = np.full(inputs.shape[1], ridge)
    penalty[0] = 0.0
    weights = np.zeros(inputs.shape[1])
    objective = _objective(inputs, label, penalty, weights)
    for step in range(1, NEWTON_STEPS_MAX + 1):
        told = probability(inputs @ weights)
        slope = inputs.T @ (told - label) + penalty * weights
        curve = (inputs * (told * (1 - told))[:, None]).T @ inputs + np.diag(penalty)
        try:
            move = np.linalg.solve(curve, slope)
        except np.linalg.LinAlgError:
            break
        if float(slope @ move) / 2 <= GAIN_MIN * (1 + objective):
            weights = weights - move
            return weights, _objective(inputs, label, penalty, weights), step
        for _ in range(HALVED_MAX):
            lower = _objective(inputs, label, penalty, weights - move)
            if lower <= objective:
                break
            move = move / 2
        weights, objective = weights - move, lower
    raise ProgramRefused("fit", "no minimum is reached: raise ridge_thousandths")


def _objective(inputs: Reals, label: Reals, penalty: Reals, weights: Reals) -> float:
    score = inputs @ weights
    loss = np.logaddexp(0.0, score) - label * score
    return float(loss.sum() + (penalty * weights**2).sum() / 2)


def _expanded(features: tuple[Feature, ...], values: Reals) -> Reals:
    """A column per number, and per category but the first; a gap stays one."""
    columns = []
    for place, feature in enumerate(features):
        column = values[:, place]
        for category in feature.categories[1:]:
            columns.append(np.where(np.isnan(column), np.nan, column == category))
        if not feature.categories:
            columns.append(column)
    return np.column_stack(columns)


def _width(features: tuple[Feature, ...]) -> int:
    return sum(max(1, len(one.categories) - 1) for one in features)


def _encode(model: Logistic) -> bytes:
    """The one text of a model."""
    said: dict[str, Any] = {
        "format": FORMAT,
        "columns": [one.text for one in model.features],
        "missing": model.missing,
        "intercept": rounded(model.intercept, MODEL_DIGITS),
        "weights": [rounded(one, MODEL_DIGITS) for one in model.weights.tolist()],
        "means": [_significant(one) for one in model.means.tolist()],
        "scales": [_significant(one) for one in model.scales.tolist()],
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _significant(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0


def decode(data: bytes) -> Logistic:
    """Read a model; only the very bytes that `run` would write are one.

    Raises:
        ProgramRefused: they are none.
    """
    try:
        model = _decoded(data)
        if _encode(model) == data:
            return model
    except (ValueError, TypeError, KeyError, RecursionError, ProgramRefused):
        pass
    raise ProgramRefused("model", f"the bytes are no model of {NAME}")


def _decoded(data: bytes) -> Logistic:
    if len(data) > MODEL_BYTES_MAX:
        raise ValueError
    said = json.loads(data)
    features = tuple(Feature.parse(text) for text in said["columns"])
    means, scales, weights = (_reals(said[name]) for name in ("means", "scales", "weights"))
    if said["missing"] not in ("drop", "mean", "refuse") or (scales <= 0).any():
        raise ValueError
    if {len(means), len(scales), len(weights)} != {_width(features)}:
        raise ValueError
    (intercept,) = _reals([said["intercept"]]).tolist()
    return Logistic(features, said["missing"], means, scales, weights, intercept)


def _reals(numbers: list[Value]) -> Reals:
    if not all(type(one) is float and abs(one) <= MODEL_NUMBER_MAX for one in numbers):
        raise ValueError
    return np.array(numbers, dtype=np.float64)


PROGRAM = Program(
    name=NAME,
    finds="a logistic regression over all owners' rows, and how good it is at each",
    parameters=PARAMETERS,
    inputs=schema_of,
    outputs={
        "model": ModelFormat.JSON,
        "fit": FIT,
        "metrics": METRICS,
        "calibration": CALIBRATION,
    },
    run=run,
    predict=predict,
    prepare=prepare,
)
