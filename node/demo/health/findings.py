"""What must hold of the joint model's figures, each a line with its verdict.

Owns the comparison of what the room told (tables of `ml.logistic`) with the plain fits that the
demo made of the hospitals' own files. Pure. Where pooling gains nothing, a line says that too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from operator import mul
from typing import Any, NamedTuple

from strongroom.node.demo.health.pictures import Bin, Gain
from strongroom.node.demo.health.plain_fit import (
    Gappy,
    Judged,
    PlainFit,
    Shard,
    fit,
    judge,
    least_squares,
    probability,
    whole,
)
from strongroom.node.demo.health.records import Study
from strongroom.node.terminal.teller import StoryFails

Row = Mapping[str, Any]
"""Of a table that a hospital opened."""
CLOSE = 1.000001e-6
"""The room tells six digits behind the point: so far two figures that are equal may differ."""
TESTED_MIN = 10
"""Figures of fewer tested records are not told (the program's own default)."""
BINS = 5


class Line(NamedTuple):
    """Something that must hold."""

    holds: bool
    words: str


@dataclass(frozen=True, slots=True, repr=False)
class Expected:
    """Plain fits over the hospitals' files."""

    shards: Mapping[str, Shard]
    joint: PlainFit
    all: Judged
    at: Mapping[str, Judged]
    """The joint model, at each hospital."""
    alone: Mapping[str, Judged | None]
    """Each hospital's own model there; None: its records teach none."""


def expected(study: Study, shards: Mapping[str, Shard]) -> Expected:
    """Fit them.

    Raises:
        StoryFails: no minimum is reached, or there is nothing to learn.
    """
    joint = fit(shards.values(), study.ridge)
    if joint is None:
        raise StoryFails("the records to learn from are all of one kind")
    own = {name: fit([shard], study.ridge) for name, shard in shards.items()}
    return Expected(
        shards=shards,
        joint=joint,
        all=judge(joint, whole(shards.values())),
        at={name: judge(joint, shard) for name, shard in shards.items()},
        alone={
            name: None if model is None else judge(model, shards[name])
            for name, model in own.items()
        },
    )


def fit_lines(study: Study, plain: Expected, told: Sequence[Row]) -> list[Line]:
    """The table `fit`."""
    if len(told) != 1:
        return [Line(False, f"one row tells of the joint model: {len(told)}")]
    (row,) = told
    equal = _equal(row["objective"], plain.joint.objective)
    figures = (row["tested"], row["right"]) == (plain.all.tested, plain.all.right)
    auc = _equal(row["auc"], plain.all.auc)
    lines = [
        Line(
            equal,
            f"objective {row['objective']:.6f} in {row['steps']} steps; a plain fit on pooled rows "
            f"reaches {plain.joint.objective:.6f} in {plain.joint.steps} of another kind",
        ),
        Line(
            figures and auc,
            f"{row['right']} of {row['tested']} right, AUC {_shown(row['auc'])}, as the plain fit",
        ),
    ]
    if study.published is not None:
        told_here = (round(row["objective"], 5), row["right"], row["tested"], row["auc"])
        lines.append(
            Line(
                told_here == tuple(study.published),
                f"these are the figures known of this set: {study.published.objective}, "
                f"{study.published.right} of {study.published.tested}, {study.published.auc}",
            )
        )
    return lines


def metrics_lines(plain: Expected, told: Sequence[Row]) -> list[Line]:
    """The table `metrics`: every hospital that can be told of, as the plain fits say it."""
    wanted = sorted(name for name, one in plain.at.items() if one.tested >= TESTED_MIN)
    owners = [row["owner"] for row in told]
    lines = [Line(owners == wanted, f"figures are told of {', '.join(owners) or 'nobody'}")]
    wrong = [row["owner"] for row in told if not _is_plain(plain, row)]
    lines.append(
        Line(
            not wrong,
            "each hospital's figures, joint and alone, are those of plain fits"
            if not wrong
            else f"other figures than plain fits have: {', '.join(wrong)}",
        )
    )
    return lines


def calibration_lines(plain: Expected, told: Sequence[Row]) -> list[Line]:
    """The table `calibration`."""
    wanted = [
        (name, at + 1, len(ill), mean, sum(ill) / len(ill))
        for name in sorted(plain.shards)
        for at, (mean, ill) in enumerate(_bins(plain.joint, plain.shards[name]))
        if len(ill) >= TESTED_MIN
    ]
    same = [(row["owner"], row["bin"], row["rows"]) for row in told] == [one[:3] for one in wanted]
    close = same and all(
        _equal(row["told"], one[3]) and _equal(row["found"], one[4])
        for row, one in zip(told, wanted, strict=True)
    )
    words = f"{len(told)} groups of at least {TESTED_MIN} records are told, as plain fits have them"
    return [Line(close, words)]


def gains(told: Sequence[Row]) -> list[Gain]:
    """What pooling gains, from the table `metrics`."""
    return [Gain(row["owner"], row["alone_auc"], row["auc"]) for row in told]


def pooling_words(row: Row) -> str:
    """The same in words, for one hospital: by both figures, and where they differ, so."""
    if row["alone_right"] is None or row["alone_auc"] is None or row["auc"] is None:
        return "it has no model alone"
    area, right = row["auc"] - row["alone_auc"], row["right"] - row["alone_right"]
    figures = f"AUC {area:+.3f}, right {right:+d}"
    if area <= 0 and right <= 0:
        return f"gains nothing: {figures}"
    return f"gains: {figures}" if area >= 0 and right >= 0 else f"mixed: {figures}"


def bins_of(told: Sequence[Row], names: Sequence[str]) -> list[tuple[str, list[Bin]]]:
    """Bins by hospital, from the table `calibration`; of too few records none."""
    found: dict[str, list[Bin]] = {name: [] for name in names}
    for row in told:
        found[row["owner"]].append(Bin(row["told"], row["found"], row["rows"]))
    return list(found.items())


def prediction_line(
    study: Study, plain: Expected, name: str, ward: Sequence[Gappy], told: Sequence[float | None]
) -> Line:
    """Probabilities that a hospital was told of its ward; of a record with a gap none, where such
    records are dropped."""
    right = [
        None if study.missing == "drop" and None in row else probability(plain.joint.score(row))
        for row in ward
    ]
    same = len(told) == len(right) and all(map(_equal, told, right))
    words = f"{name} is told {len(told)} probabilities of its ward, each the plain model's"
    return Line(same, words)


def copied(plain: Expected, ward: Sequence[Gappy], told: Sequence[float | None]) -> float:
    """How far a hospital that fits a copy of the model to what it was told of its ward foretells
    what others are told: the greatest difference of a probability."""
    known = [
        ([1.0, *row], log(one / (1 - one)))
        for row, one in zip(ward, told, strict=True)
        if one is not None and 0 < one < 1 and None not in row
    ]
    weights = least_squares([row for row, _ in known], [score for _, score in known])
    whole_rows = [row for shard in plain.shards.values() for row in shard.inputs if None not in row]
    return max(
        abs(probability(sum(map(mul, weights, [1.0, *row]))) - probability(plain.joint.score(row)))
        for row in whole_rows
    )


def turned(shard: Shard) -> Shard:
    """A shard whose labels are turned around: false, and every value within its bounds."""
    return Shard(shard.inputs, [not one for one in shard.ill], shard.tested)


def _is_plain(plain: Expected, row: Row) -> bool:
    joint, alone = plain.at[row["owner"]], plain.alone[row["owner"]]
    right = None if alone is None else alone.right
    auc = None if alone is None else alone.auc
    return (
        (row["tested"], row["right"], row["alone_right"]) == (joint.tested, joint.right, right)
        and _equal(row["auc"], joint.auc)
        and _equal(row["alone_auc"], auc)
    )


def _bins(model: PlainFit, shard: Shard) -> list[tuple[float, list[bool]]]:
    """(mean probability told, labels) of each bin of the tested records."""
    found: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for row, ill, held in zip(shard.inputs, shard.ill, shard.tested, strict=True):
        if held:
            told = probability(model.score(row))
            found[min(int(told * BINS), BINS - 1)].append((told, ill))
    return [
        (sum(told for told, _ in one) / max(len(one), 1), [ill for _, ill in one]) for one in found
    ]


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= CLOSE


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.6f}"
