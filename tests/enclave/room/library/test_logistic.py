"""ml.logistic equals a plain fit on pooled rows, is judged per hospital, and refuses what is
poisoned (ROOMS §5, §9, T64)."""

import json
from itertools import product
from typing import Any

import pytest

pytest.importorskip("numpy", reason="the extra `rooms` is not installed")

import numpy as np
from tests.enclave.room.library.hospitals import (
    COLUMNS,
    HEART,
    SEED,
    Columns,
    invented,
    public_hospitals,
    table,
)
from tests.enclave.room.library.public_sets import needs_public_sets

from strongroom.enclave.room.library import ml_logistic
from strongroom.enclave.room.library.checking import check_parameters, start
from strongroom.enclave.room.library.judging import figures
from strongroom.enclave.room.library.learning import read
from strongroom.enclave.room.library.ml_logistic import predict
from strongroom.enclave.room.library.shapes import Inputs, Model, Outputs, ProgramRefused, Table

PARAMETERS = {"columns": COLUMNS, "target": "ill 0..4", "held_out": "held"}


def fit(hospitals: dict[str, Columns], **parameters: object) -> Outputs:
    tables = {alias: table(columns) for alias, columns in hospitals.items()}
    return start(ml_logistic.PROGRAM, tables, {**PARAMETERS, **parameters}, SEED)


def inputs(hospitals: dict[str, Columns]) -> Inputs:
    tables = {alias: table(columns) for alias, columns in hospitals.items()}
    parameters = check_parameters(ml_logistic.PROGRAM, PARAMETERS)
    return Inputs(tables=tables, parameters=parameters, seed=SEED)


def rows_of(output: object) -> list[dict[str, Any]]:
    assert isinstance(output, Table)
    names = list(output.columns)
    return [
        dict(zip(names, row, strict=True)) for row in zip(*output.columns.values(), strict=True)
    ]


def model_of(outputs: Outputs) -> bytes:
    model = outputs["model"]
    assert isinstance(model, Model)
    return model.data


TWO = {"north": invented(1), "south": invented(2)}


def pooled(hospitals: dict[str, Columns], held: int) -> tuple[Any, Any]:
    """Inputs one-hot, and labels, written without the program."""
    rows = [
        (age, float(pain == 2), float(pain == 3), pressure, float(ill > 0))
        for columns in hospitals.values()
        for age, pain, pressure, ill, mark in zip(*columns.values(), strict=True)
        if mark == held and None not in (age, pain, pressure)
    ]
    found = np.array(rows, dtype=float)
    return found[:, :-1], found[:, -1]


def test_the_joint_model_equals_a_plain_fit_on_pooled_rows() -> None:
    """Six digits of the objective, against a general minimiser that knows no Newton step."""
    optimize = pytest.importorskip("scipy.optimize", reason="the extra `rooms-ml` is not installed")
    values, label = pooled(TWO, 0)
    standard = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)

    def objective(weights: Any) -> float:
        score = weights[0] + standard @ weights[1:]
        loss = np.log1p(np.exp(-np.abs(score))) + np.maximum(score, 0) - label * score
        return float(loss.sum() + 0.5 * (weights[1:] ** 2).sum())

    best = optimize.minimize(objective, np.zeros(5), tol=1e-10)
    outputs = fit(TWO)
    (told,) = rows_of(outputs["fit"])
    assert told["objective"] == pytest.approx(best.fun, abs=1e-6)
    weights = json.loads(model_of(outputs))["weights"]
    assert weights == pytest.approx(best.x[1:].tolist(), abs=1e-4)


def test_predictions_are_those_of_the_fit_and_figures_follow_from_them() -> None:
    outputs = fit(TWO)
    for owner, row in zip(TWO, rows_of(outputs["metrics"]), strict=True):
        mine = TWO[owner]
        told = predict(model_of(outputs), table(mine))
        tested = [at for at, mark in enumerate(mine["held"]) if mark]
        ill = {at: mine["ill"][at] != 0 for at in tested}
        assert row["owner"] == owner
        assert row["tested"] == len(tested)
        assert row["right"] == sum((told[at] > 0.5) == ill[at] for at in tested)
        pairs = [
            (told[up] > told[down]) + (told[up] == told[down]) / 2
            for up, down in product(tested, tested)
            if ill[up] and not ill[down]
        ]
        assert row["auc"] == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)


def test_equal_scores_count_half() -> None:
    score, label = np.array([0.0, 1.0, 1.0, 1.0, 2.0]), np.array([0.0, 1.0, 0.0, 0.0, 1.0])
    assert figures(score, label)["auc"] == round((1 + 0.5 + 0.5 + 3) / 6, 6)
    assert figures(score, np.ones(5))["auc"] is None


def test_standardisation_is_agreed_over_all_hospitals() -> None:
    values, _ = pooled(TWO, 0)
    said = json.loads(model_of(fit(TWO)))
    assert said["means"] == pytest.approx(values.mean(axis=0).tolist(), rel=1e-10)
    assert said["scales"] == pytest.approx(values.std(axis=0, ddof=1).tolist(), rel=1e-10)


def test_the_result_is_the_same_in_any_order_of_rows() -> None:
    turned = {
        owner: {name: values[::-1] for name, values in columns.items()}
        for owner, columns in TWO.items()
    }
    one, other = fit(TWO), fit(turned)
    rows, twins = read(inputs(TWO)), read(inputs(turned))
    assert np.array_equal(rows.values, twins.values)
    assert np.array_equal(rows.label, twins.label)
    assert model_of(one) == model_of(other)
    assert [rows_of(one[name]) for name in ("fit", "metrics", "calibration")] == [
        rows_of(other[name]) for name in ("fit", "metrics", "calibration")
    ]


def test_gaps_drop_a_row_or_count_as_the_mean_or_are_refused() -> None:
    gappy = {"north": invented(1, gaps=0.1), "south": invented(2, gaps=0.1)}
    _, label = pooled(gappy, 0)
    (dropped,) = rows_of(fit(gappy, missing="drop")["fit"])
    assert dropped["learned"] == len(label) < 80
    by_mean = fit(gappy, missing="mean")
    (kept,) = rows_of(by_mean["fit"])
    assert kept["learned"] == 80
    at_mean = json.loads(model_of(by_mean))["means"][0]
    rows: Columns = {"pain": [2], "pressure": [120.0]}
    assert predict(model_of(by_mean), Table.of({**rows, "age": [None]})) == predict(
        model_of(by_mean), Table.of({**rows, "age": [at_mean]})
    )
    with pytest.raises(ProgramRefused, match="gaps: column age of table north may have no gaps"):
        fit(gappy, missing="refuse")


def test_a_hospital_without_a_column_takes_part_where_gaps_count_as_the_mean() -> None:
    unequal = {**TWO, "south": {k: v for k, v in TWO["south"].items() if k != "pressure"}}
    assert len(rows_of(fit(unequal, missing="mean")["metrics"])) == 2
    with pytest.raises(ProgramRefused, match="column: table south lacks the column pressure"):
        fit(unequal, missing="drop")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("age", 987654),
        ("pain", 7),
        ("pain", 2.5),
        ("pressure", -987.5),
        ("ill", 987),
        ("held", 987),
    ],
)
def test_a_poisoned_shard_is_refused_by_its_bounds_and_no_value_is_told(
    column: str, value: float
) -> None:
    poisoned = {name: list(values) for name, values in TWO["south"].items()}
    poisoned[column][3] = value
    with pytest.raises(ProgramRefused, match=f"bounds: column {column} of table south") as refused:
        fit({**TWO, "south": poisoned})
    assert "987" not in str(refused.value).replace("50..250", "")


@pytest.mark.parametrize("value", [float("inf"), 10**400])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    poisoned = {name: list(values) for name, values in TWO["south"].items()}
    poisoned["age"][3] = value
    with pytest.raises(ProgramRefused, match=r"number|bounds"):
        fit({**TWO, "south": poisoned})


def test_a_table_of_too_few_rows_is_refused_and_few_tested_rows_are_not_told() -> None:
    few = {**TWO, "tiny": invented(3, rows=9)}
    with pytest.raises(ProgramRefused, match="rows: table tiny has fewer rows than rows_min"):
        fit(few)
    outputs = fit({**TWO, "tiny": invented(3, rows=12)})
    assert [row["owner"] for row in rows_of(outputs["metrics"])] == ["north", "south"]
    assert all(row["rows"] >= 10 for row in rows_of(outputs["calibration"]))


@pytest.mark.parametrize("value", [None, 50])
def test_columns_that_tell_nothing_leave_the_share_of_the_ill(value: int | None) -> None:
    names = ("age", "pressure")
    dull: dict[str, Columns] = {
        owner: {**mine, **{name: [value] * len(mine["age"]) for name in names}}
        for owner, mine in TWO.items()
    }
    outputs = fit(dull, columns=["age 0..120", "pressure 0..250"], missing="mean")
    learned = [
        ill != 0
        for mine in dull.values()
        for ill, held in zip(mine["ill"], mine["held"], strict=True)
        if not held
    ]
    told = predict(model_of(outputs), table(dull["north"]))
    assert told == pytest.approx([sum(learned) / len(learned)] * len(told), abs=1e-6)


def test_rows_of_one_kind_teach_nothing() -> None:
    healthy: Columns = {**TWO["north"], "ill": [0] * 60}
    with pytest.raises(ProgramRefused, match="labels"):
        fit({"north": healthy})


def test_chance_holds_out_rows_by_the_seed_alone() -> None:
    tables = {alias: table(columns) for alias, columns in TWO.items()}
    parameters = {**PARAMETERS, "held_out": ""}
    one, twin, other = (
        rows_of(start(ml_logistic.PROGRAM, tables, parameters, seed)["fit"])
        for seed in (SEED, SEED, bytes([1]) * 32)
    )
    assert one == twin != other
    assert 20 <= one[0]["tested"] <= 60


@pytest.mark.parametrize(
    "columns",
    [
        *(["age"], ["age 9..1"], ["age 1..2 "], ["pain {2,1}"], ["pain {1}"], ["a-b 0..1"], []),
        *(["age 0..1", "age 0..2"], ["ill 0..4"], ["age 0..1e9"], ["__\n 0..1"]),
    ],
)
def test_what_is_no_column_is_refused(columns: list[str]) -> None:
    with pytest.raises(ProgramRefused, match=r"columns|parameter"):
        fit(TWO, columns=columns)


def test_the_mark_of_held_out_rows_is_nothing_to_learn_from() -> None:
    with pytest.raises(ProgramRefused, match="columns: a column comes twice, or is the target"):
        fit(TWO, columns=[*COLUMNS, "held 0..1"])


def test_only_the_bytes_that_a_fit_writes_are_a_model() -> None:
    data = model_of(fit(TWO))
    said = json.loads(data)

    def text(**changes: object) -> bytes:
        return json.dumps({**said, **changes}, sort_keys=True, separators=(",", ":")).encode()

    assert text() == data
    hostile = [
        b"",
        b"\x80\x04N.",
        b"[" * 100_000,
        b"1" * 10_000,
        data + b" ",
        data.replace(b":", b": "),
        data.replace(b'"format"', b'"format":1,"format"'),
        text(extra=1),
        text(format="strongroom.logistic.2"),
        text(weights=said["weights"][:-1]),
        text(weights=[*said["weights"][:-1], float("nan")]),
        text(weights=[*said["weights"][:-1], 1e300]),
        text(weights=[*said["weights"][:-1], True]),
        text(weights={}),
        text(scales=[0.0] * len(said["scales"])),
        text(scales=[-1.0] * len(said["scales"])),
        text(columns=["__import__('os')"]),
        text(columns=[*said["columns"], "x 0..1"]),
        text(missing="clamp"),
        text(intercept="1"),
        text(intercept=None),
    ]
    for bytes_ in hostile:
        with pytest.raises(ProgramRefused, match=r"model: the bytes are no model of ml\.logistic"):
            predict(bytes_, table(TWO["north"]))


def test_a_prediction_refuses_what_the_model_never_saw() -> None:
    data = model_of(fit(TWO))
    row: Columns = {"age": [40], "pain": [1], "pressure": [120.0]}
    assert len(predict(data, Table.of(row))) == 1
    with pytest.raises(ProgramRefused, match="bounds"):
        predict(data, Table.of({**row, "age": [121]}))
    with pytest.raises(ProgramRefused, match="gaps"):
        predict(data, Table.of({**row, "age": [None]}))
    with pytest.raises(ProgramRefused, match="gaps"):
        predict(data, Table.of({"age": [40], "pain": [1]}))
    canary: dict[str, list[Any]] = {"age": ["CANARY"]}
    with pytest.raises(ProgramRefused, match="bounds: a column holds what is no number"):
        predict(data, Table.of({**row, **canary}))


@needs_public_sets
def test_four_hospitals_reach_the_published_objective() -> None:
    """UCI heart disease, FLamby's split: 204.03565; 202 of 254 right, AUC 0.881152."""
    parameters = {"columns": HEART, "target": "num 0..4", "held_out": "held"}
    outputs = start(ml_logistic.PROGRAM, public_hospitals(), parameters, SEED)
    (told,) = rows_of(outputs["fit"])
    assert (told["learned"], told["tested"]) == (486, 254)
    assert round(told["objective"], 5) == 204.03565
    assert (told["right"], told["auc"]) == (202, 0.881152)
    assert sum(row["right"] for row in rows_of(outputs["metrics"])) == 202
