"""ml.predict: what a model tells of rows that it never saw, and how good it is at each owner; only
models that the library wrote are read (ROOMS §5, T64)."""

from typing import Any

import pytest

pytest.importorskip("numpy", reason="the extra `rooms` is not installed")

from tests.enclave.room.library.hospitals import COLUMNS, SEED, Columns, invented, table
from tests.enclave.room.library.test_logistic import fit, model_of, rows_of

from strongroom.enclave.room.library import ml_logistic, ml_predict
from strongroom.enclave.room.library.checking import start
from strongroom.enclave.room.library.learning import Feature
from strongroom.enclave.room.library.models import read_model
from strongroom.enclave.room.library.shapes import Outputs, ProgramRefused
from strongroom.enclave.room.library.trees import Forest, Tree

TWO = {"north": invented(1), "south": invented(2)}
JUDGED = {"target": "ill 0..4"}
GAP: Columns = {"age": [50, None], "pain": [1, 2], "pressure": [120.0, 130.0]}


def joint(**parameters: object) -> bytes:
    return model_of(fit(TWO, **parameters))


def told(model: bytes, hospitals: dict[str, Columns], **parameters: object) -> Outputs:
    tables = {alias: table(columns) for alias, columns in hospitals.items()}
    return start(ml_predict.PROGRAM, tables, parameters, SEED, {"m": model})


def refused(model: bytes, columns: Any, **parameters: object) -> str:
    with pytest.raises(ProgramRefused) as raised:
        told(model, {"north": columns}, **parameters)
    return raised.value.rule


def forest() -> bytes:
    """Ill from 60 years on; of the column of pressure no gap was seen, of age one was."""
    features = tuple(Feature.parse(text) for text in COLUMNS)
    old = Tree((0,), (59.5,), (10,), (-1,), (-2,), (-2.0, 2.0))
    pressed = Tree((2,), (140.0,), (2,), (-1,), (-2,), (0.0, 1.0))
    return Forest(features, (old, pressed)).encode()


def test_each_row_has_the_models_own_probability() -> None:
    model, new = joint(), {"south": invented(7, rows=20), "north": invented(8, rows=15)}
    rows = rows_of(told(model, new)["predictions"])
    for owner in ("north", "south"):
        mine = [row for row in rows if row["owner"] == owner]
        assert [row["row"] for row in mine] == list(range(1, len(mine) + 1))
        wanted = ml_logistic.predict(model, table(new[owner]))
        assert [row["probability"] for row in mine] == wanted
    assert [row["owner"] for row in rows] == ["north"] * 15 + ["south"] * 20


def test_figures_are_those_that_the_fit_told_of_the_same_rows() -> None:
    fitted = fit(TWO)
    tested = {
        owner: {
            name: [value for value, mark in zip(values, columns["held"], strict=True) if mark]
            for name, values in columns.items()
        }
        for owner, columns in TWO.items()
    }
    judged = told(model_of(fitted), tested, **JUDGED)
    names = ("owner", "tested", "right", "auc", "log_loss")
    for mine, theirs in zip(rows_of(judged["metrics"]), rows_of(fitted["metrics"]), strict=True):
        assert [mine[name] for name in names] == [theirs[name] for name in names]
    assert rows_of(judged["calibration"]) == rows_of(fitted["calibration"])


def test_without_the_truth_and_of_small_groups_no_figure_is_told() -> None:
    model, few = joint(), {"north": invented(3, rows=9), "south": invented(4, rows=30)}
    assert not rows_of(told(model, few)["metrics"])
    judged = told(model, few, **JUDGED)
    assert [row["owner"] for row in rows_of(judged["metrics"])] == ["south"]
    assert {row["owner"] for row in rows_of(judged["calibration"])} <= {"south"}


def test_of_a_gap_something_is_told_where_the_model_learned_from_gaps() -> None:
    for model, wanted in ((joint(), [False, True]), (joint(missing="mean"), [False, False])):
        rows = rows_of(told(model, {"north": GAP})["predictions"])
        assert [row["probability"] is None for row in rows] == wanted
    rows = rows_of(told(forest(), {"north": GAP})["predictions"])
    assert [row["probability"] for row in rows] == [0.119203, 0.119203]
    unpressed = GAP | {"age": [50, 70], "pressure": [None, 120.0]}
    rows = rows_of(told(forest(), {"north": unpressed})["predictions"])
    assert [row["probability"] for row in rows] == [None, 0.880797]


def test_T64_rows_beyond_the_models_bounds_or_without_its_columns_are_refused() -> None:
    assert refused(joint(), GAP | {"age": [500, 50]}) == "bounds"
    assert refused(joint(), {"age": [50, 60]}) == "gaps"
    assert refused(joint(), {"age": ["50"], "pain": [1], "pressure": [1.0]}) == "bounds"


@pytest.mark.parametrize("change", [b" ", b"\x00", b"{", b'{"format"', b"tree\n"])
def test_T64_only_what_the_library_wrote_is_read_as_a_model(change: bytes) -> None:
    for model in (joint() + change, change + joint(), forest() + change, change):
        with pytest.raises(ProgramRefused, match="model"):
            read_model(model)
    assert refused(change, GAP) == "model"


def test_a_program_is_given_as_many_models_as_it_takes() -> None:
    tables = {"north": table(GAP)}
    for models in ({}, {"m": joint(), "n": joint()}):
        with pytest.raises(ProgramRefused, match="models"):
            start(ml_predict.PROGRAM, tables, {}, SEED, models)
    parameters = {"columns": COLUMNS, "target": "ill 0..4"}
    tables = {"north": table(TWO["north"])}
    with pytest.raises(ProgramRefused, match="models"):
        start(ml_logistic.PROGRAM, tables, parameters, SEED, {"m": joint()})
