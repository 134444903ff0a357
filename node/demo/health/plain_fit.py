"""A plain logistic regression over the hospitals' own files, laid in one place: what the joint
model is compared with.

Owns the same objective as the room's program (sum of log losses and half of the ridge times the
squared weights, columns standardised over all records to learn from), written once more without the
room, its program or its libraries, and on purpose by another way: fixed steps of Böhning's bound on
the curvature, which never overshoot, until the slope is as good as zero. Nobody who takes part
could do this: it needs all rows.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import exp, fabs, log1p, sqrt
from pathlib import Path

from strongroom.node.demo.health.records import HELD_OUT, TARGET, Measure, Study
from strongroom.node.terminal.teller import StoryFails

DESCENT_STEPS_MAX = 20_000
SLOPE_MAX = 1e-9
"""Where the slope of every weight is smaller, the objective is at its minimum to far more than the
digits that are told."""
_CONSTANT = 1e-12
Vector = list[float]
Gappy = list[float | None]


@dataclass(frozen=True, slots=True, repr=False)
class Shard:
    """One hospital's file, read: inputs expanded, a gap is None."""

    inputs: list[Gappy]
    ill: list[bool]
    tested: list[bool]


@dataclass(frozen=True, slots=True, repr=False)
class PlainFit:
    """A model."""

    means: Vector
    scales: Vector
    weights: Vector
    """The first is the intercept."""
    objective: float
    steps: int

    def score(self, row: Gappy) -> float:
        """Its logit; a gap counts as the mean."""
        return _dot(self.weights, _standard(row, self.means, self.scales))


@dataclass(frozen=True, slots=True)
class Judged:
    """On records that were held out."""

    tested: int
    right: int
    auc: float | None
    """None: all are of one kind."""


def read_shard(path: Path, study: Study) -> Shard:
    """One hospital's file; what it does not measure is a gap in every record.

    Raises:
        OSError: the file cannot be read.
        ValueError: a cell is no number.
    """
    shard = Shard([], [], [])
    for row, cells in _records(path, study):
        if study.missing == "drop" and None in row:
            continue
        shard.inputs.append(row)
        shard.ill.append(float(cells[TARGET]) >= 1)
        shard.tested.append(cells[HELD_OUT] == "1")
    return shard


def read_ward(path: Path, study: Study) -> list[Gappy]:
    """Records of whom nobody knows yet, in the file's order. Errors as of `read_shard`."""
    return [row for row, _ in _records(path, study)]


def fit(shards: Iterable[Shard], ridge: float) -> PlainFit | None:
    """The minimum over all records to learn from; None: they are of one kind and teach nothing.

    Raises:
        StoryFails: it is not reached.
    """
    pooled = whole(shards)
    learned = [at for at, held in enumerate(pooled.tested) if not held]
    rows, ill = [pooled.inputs[at] for at in learned], [pooled.ill[at] for at in learned]
    if len(set(ill)) < 2:
        return None
    means, scales = _moments(rows)
    inputs = [_standard(row, means, scales) for row in rows]
    weights, steps = _descend(inputs, ill, ridge)
    return PlainFit(means, scales, weights, _objective(inputs, ill, ridge, weights), steps)


def judge(model: PlainFit, shard: Shard) -> Judged:
    """How good a model is on a hospital's records that were held out."""
    told = [
        (model.score(row), ill)
        for row, ill, held in zip(shard.inputs, shard.ill, shard.tested, strict=True)
        if held
    ]
    right = sum((score > 0) == ill for score, ill in told)
    return Judged(len(told), right, _auc(told))


def whole(shards: Iterable[Shard]) -> Shard:
    """All of them as one."""
    every = list(shards)
    return Shard(
        [row for one in every for row in one.inputs],
        [ill for one in every for ill in one.ill],
        [held for one in every for held in one.tested],
    )


def least_squares(rows: Sequence[Gappy], wanted: Sequence[float]) -> Vector:
    """Weights whose products with these rows, none of which has a gap, come closest."""
    columns = [[float(one or 0.0) for one in column] for column in zip(*rows, strict=True)]
    curve = [[_dot(one, other) for other in columns] for one in columns]
    for at, row in enumerate(curve):
        row[at] += _CONSTANT * (1.0 + row[at])
    return _solve(_cholesky(curve), [_dot(one, wanted) for one in columns])


def probability(score: float) -> float:
    """Of a logit."""
    if score >= 0:
        return 1 / (1 + exp(-score))
    return exp(score) / (1 + exp(score))


def _records(path: Path, study: Study) -> Iterator[tuple[Gappy, Mapping[str, str]]]:
    """(inputs, cells) of each record."""
    with path.open(newline="", encoding="utf-8") as file:
        for cells in csv.DictReader(file):
            yield [one for measure in study.measures for one in _expanded(measure, cells)], cells


def _expanded(measure: Measure, cells: Mapping[str, str]) -> Gappy:
    """A number, or for a category an indicator for each level but the first."""
    text = cells.get(measure.name) or ""
    if not measure.levels:
        return [float(text) if text else None]
    return [float(float(text) == level) if text else None for level in measure.levels[1:]]


def _moments(rows: Sequence[Gappy]) -> tuple[Vector, Vector]:
    """(means, standard deviations with n - 1) of what was measured."""
    means, scales = [], []
    for column in zip(*rows, strict=True):
        there = [one for one in column if one is not None]
        count = len(there)
        mean = sum(there) / count if count else 0.0
        spread = sqrt(sum((one - mean) ** 2 for one in there) / max(count - 1, 1))
        means.append(mean)
        scales.append(spread if spread > _CONSTANT * max(1.0, fabs(mean)) else 0.0)
    return means, scales


def _standard(row: Gappy, means: Vector, scales: Vector) -> Vector:
    """With a one before it, for the intercept; what is constant or missing says nothing."""
    found = [1.0]
    for value, mean, scale in zip(row, means, scales, strict=True):
        found.append((value - mean) / scale if value is not None and scale else 0.0)
    return found


def _descend(inputs: list[Vector], ill: list[bool], ridge: float) -> tuple[Vector, int]:
    """Weights at the minimum, and steps taken (Böhning and Lindsay 1988: no curvature is above a
    quarter of the inputs' own)."""
    width = len(inputs[0])
    columns = list(zip(*inputs, strict=True))
    bound = [[_dot(one, other) / 4 for other in columns] for one in columns]
    for at in range(1, width):
        bound[at][at] += ridge
    bound[0][0] += _CONSTANT
    lower = _cholesky(bound)
    weights = [0.0] * width
    for step in range(DESCENT_STEPS_MAX):
        told = [probability(_dot(weights, row)) - one for row, one in zip(inputs, ill, strict=True)]
        slope = [_dot(column, told) for column in columns]
        for at in range(1, width):
            slope[at] += ridge * weights[at]
        if max(map(fabs, slope)) < SLOPE_MAX:
            return weights, step
        move = _solve(lower, slope)
        weights = [one - two for one, two in zip(weights, move, strict=True)]
    raise StoryFails("the plain fit reaches no minimum")


def _objective(inputs: list[Vector], ill: list[bool], ridge: float, weights: Vector) -> float:
    loss = 0.0
    for row, one in zip(inputs, ill, strict=True):
        score = _dot(weights, row)
        loss += max(score, 0.0) + log1p(exp(-fabs(score))) - score * one
    return loss + ridge * sum(one * one for one in weights[1:]) / 2


def _cholesky(matrix: list[Vector]) -> list[Vector]:
    lower: list[Vector] = []
    for at, row in enumerate(matrix):
        found: Vector = []
        for other in range(at):
            found.append((row[other] - _dot(found, lower[other][:other])) / lower[other][other])
        found.append(sqrt(row[at] - _dot(found, found)))
        lower.append(found)
    return lower


def _solve(lower: list[Vector], right: Vector) -> Vector:
    forth: Vector = []
    for row, one in zip(lower, right, strict=True):
        forth.append((one - _dot(forth, row[:-1])) / row[-1])
    back = [0.0] * len(forth)
    for at in range(len(forth) - 1, -1, -1):
        behind = sum(lower[row][at] * back[row] for row in range(at + 1, len(forth)))
        back[at] = (forth[at] - behind) / lower[at][at]
    return back


def _auc(told: Sequence[tuple[float, bool]]) -> float | None:
    """Chance that somebody ill scores above somebody healthy, equal ones counted half."""
    ill, healthy = ([score for score, one in told if one is kind] for kind in (True, False))
    if not ill or not healthy:
        return None
    above = sum((one > other) + (one == other) / 2 for one, other in product(ill, healthy))
    return above / (len(ill) * len(healthy))


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(map(float.__mul__, one, other))
