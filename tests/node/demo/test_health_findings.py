"""The demo's verdicts: all hold of what the program says, and each turns when a figure is
another."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.room.library.public_sets import FOLDER, needs_public_sets
from tests.node.demo.health_room import shards_of, told_by_the_program

from strongroom.node.demo.health.findings import (
    Expected,
    Line,
    bins_of,
    calibration_lines,
    copied,
    expected,
    fit_lines,
    gains,
    metrics_lines,
    pooling_words,
    prediction_line,
    turned,
)
from strongroom.node.demo.health.invented import invented_study
from strongroom.node.demo.health.plain_fit import fit, probability, read_ward
from strongroom.node.demo.health.public import public_study
from strongroom.node.demo.health.records import HELD_OUT, Study
from strongroom.node.terminal.teller import StoryFails

Told = dict[str, list[dict[str, Any]]]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(invented_study, id="invented"),
        pytest.param(lambda: public_study(FOLDER), id="public", marks=needs_public_sets),
    ],
)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Study, Expected, Told]:
    study: Study = request.param()
    shards = shards_of(study, tmp_path_factory.mktemp("files"))
    return study, expected(study, shards), told_by_the_program(study)


def lines(study: Study, plain: Expected, told: Told) -> list[Line]:
    return [
        *fit_lines(study, plain, told["fit"]),
        *metrics_lines(plain, told["metrics"]),
        *calibration_lines(plain, told["calibration"]),
    ]


def test_all_hold_of_what_the_program_says(case: tuple[Study, Expected, Told]) -> None:
    found = lines(*case)
    assert [one.words for one in found if not one.holds] == []
    assert len(found) == (6 if case[0].published else 5)


CHANGES: dict[str, Callable[[Told], object]] = {
    "objective": lambda told: told["fit"][0].update(objective=told["fit"][0]["objective"] + 3e-6),
    "right": lambda told: told["fit"][0].update(right=told["fit"][0]["right"] - 1),
    "auc": lambda told: told["fit"][0].update(auc=told["fit"][0]["auc"] + 3e-6),
    "auc is none": lambda told: told["fit"][0].update(auc=None),
    "no fit": lambda told: told["fit"].clear(),
    "a hospital is left out": lambda told: told["metrics"].pop(),
    "of one hospital": lambda told: told["metrics"][0].update(right=0),
    "alone": lambda told: told["metrics"][0].update(alone_right=0),
    "alone auc": lambda told: told["metrics"][0].update(alone_auc=None),
    "a bin is left out": lambda told: told["calibration"].pop(0),
    "a bin's rows": lambda told: told["calibration"][0].update(rows=11),
    "a bin's share": lambda told: told["calibration"][0].update(found=0.123),
    "a bin's mean": lambda told: told["calibration"][0].update(told=0.123),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_figure_that_is_another_breaks_its_line(
    case: tuple[Study, Expected, Told], change: str
) -> None:
    study, plain, told = case
    other = deepcopy(told)
    CHANGES[change](other)
    assert any(not one.holds for one in lines(study, plain, other))


def test_what_pooling_gains_and_where_it_gains_nothing(
    case: tuple[Study, Expected, Told],
) -> None:
    study, _, told = case
    words = {row["owner"]: pooling_words(row) for row in told["metrics"]}
    assert len(words) == len(gains(told["metrics"])) == 4
    kinds = {name: one.partition(":")[0] for name, one in words.items()}
    if study.published:
        assert kinds["switzerland"] == "it has no model alone"
        assert {kinds[name] for name in kinds if name != "switzerland"} == {"gains"}
    else:
        assert words["alpine"] == "gains nothing: AUC -0.008, right -2"
        assert words["valley"] == "mixed: AUC +0.033, right -1"
        assert {kinds["harbor"], kinds["river"]} == {"gains"}
    bins = bins_of(told["calibration"], [*words])
    assert [name for name, _ in bins] == [*words], "also of whom there is too little to tell"
    assert sum(len(one) for _, one in bins) == len(told["calibration"])


def test_a_copy_of_the_model_can_be_made_of_many_answers(
    case: tuple[Study, Expected, Told], tmp_path: Path
) -> None:
    study, plain, _ = case
    hospital = study.hospitals[0]
    hospital.write_ward(tmp_path / "ward.csv", "mark")
    ward = read_ward(tmp_path / "ward.csv", study)
    told = [round(probability(plain.joint.score(row)), 6) for row in ward]
    assert copied(plain, ward, told) < 0.001
    assert copied(plain, ward, [0.5 * one for one in told]) > 0.05


def test_predictions_are_the_plain_models(
    case: tuple[Study, Expected, Told], tmp_path: Path
) -> None:
    study, plain, _ = case
    hospital = study.hospitals[0]
    hospital.write_ward(tmp_path / "ward.csv", "mark")
    ward = read_ward(tmp_path / "ward.csv", study)
    assert len(ward) == sum(one == 1 for one in hospital.records[HELD_OUT])
    told = [round(probability(plain.joint.score(row)), 6) for row in ward]

    def holds(told: Sequence[float | None]) -> bool:
        return prediction_line(study, plain, hospital.name, ward, told).holds

    assert holds(told)
    assert not holds(told[:-1])
    assert not holds([*told[:-1], told[-1] + 2e-6])
    assert not holds([*told[:-1], None])
    assert not holds([*told[1:], told[0]])
    ward[3] = [None] * len(ward[3])
    assert holds([*told[:3], None, *told[4:]]) is (study.missing == "drop")


def test_labels_that_are_turned_around_are_no_better_than_no_records(
    case: tuple[Study, Expected, Told],
) -> None:
    """Within bounds, and harmful: what bounds cannot see."""
    study, plain, _ = case
    name = study.hospitals[-1].name
    false = {**plain.shards, name: turned(plain.shards[name])}
    poisoned = fit(false.values(), study.ridge)
    assert poisoned is not None
    assert poisoned.objective > plain.joint.objective + 5


def test_records_of_one_kind_are_no_study(tmp_path: Path) -> None:
    study = invented_study()
    healthy = {
        name: type(one)(one.inputs, [False] * len(one.ill), one.tested)
        for name, one in shards_of(study, tmp_path).items()
    }
    with pytest.raises(StoryFails, match="one kind"):
        expected(study, healthy)
