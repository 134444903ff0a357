"""ml.boosted_trees: the same trees everywhere, no leaf of few rows, no value of a row in the text;
LightGBM itself is the oracle of the text (ROOMS §4, §5, T64)."""

import re
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

import pytest

pytest.importorskip("numpy", reason="the extra `rooms` is not installed")
lightgbm = pytest.importorskip("lightgbm", reason="the extra `rooms-ml` is not installed")

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
from tests.enclave.room.library.test_logistic import model_of, rows_of

from strongroom.enclave.room.library import ml_boosted_trees
from strongroom.enclave.room.library.boosting import Boosting
from strongroom.enclave.room.library.checking import check_parameters, start
from strongroom.enclave.room.library.learning import read
from strongroom.enclave.room.library.ml_boosted_trees import predict
from strongroom.enclave.room.library.shapes import Inputs, Outputs, ProgramRefused

PARAMETERS = {"columns": COLUMNS, "target": "ill 0..4", "held_out": "held", "trees": 20}
TWO = {"north": invented(1, rows=150, gaps=0.1), "south": invented(2, rows=150, gaps=0.1)}


def fit(hospitals: dict[str, Columns], **parameters: object) -> Outputs:
    tables = {alias: table(columns) for alias, columns in hospitals.items()}
    return start(ml_boosted_trees.PROGRAM, tables, {**PARAMETERS, **parameters}, SEED)


def inputs(columns: Columns) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    names = [text.split(" ")[0] for text in COLUMNS]
    return np.array([columns[name] for name in names], dtype=np.float64).T


@pytest.mark.parametrize("missing", ["keep", "drop"])
def test_lightgbm_reads_the_text_and_tells_the_same(missing: str) -> None:
    model = model_of(fit(TWO, missing=missing, leaf_rows_min=5))
    rows = invented(9, rows=200, gaps=0.2 if missing == "keep" else 0.0)
    booster = lightgbm.Booster(model_str=model.decode())
    assert predict(model, table(rows)) == pytest.approx(
        booster.predict(inputs(rows)).tolist(), abs=1e-6
    )


def test_the_c_interface_grows_the_trees_that_the_package_grows() -> None:
    rows = read(inputs_of(TWO))
    values, label = rows.values[~rows.tested], rows.label[~rows.tested]
    told = {
        "objective": "binary",
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
        "seed": 7,
        "num_leaves": 15,
        "learning_rate": 0.05,
        "min_data_in_leaf": 5,
        "zero_as_missing": False,
    }
    names = [text.split(" ")[0] for text in COLUMNS]
    score = np.where(label > 0, 0.25, -0.5)
    data = lightgbm.Dataset(values, label, feature_name=names, params=told, init_score=score)
    (wanted,) = lightgbm.train(told, data, num_boost_round=1).dump_model()["tree_info"]
    options = {name: str(value).lower() for name, value in told.items()}
    with Boosting(values, label, names, options) as boosting:
        for begin, same in ((np.zeros(len(label)), False), (score, True), (score, True)):
            grown = shape(boosting.grow(begin))
            assert (grown == pytest.approx(shape(wanted["tree_structure"]))) == same


def shape(node: dict[str, Any]) -> list[float]:
    """What a tree decides, in order; LightGBM tells sums of weights rounded or not."""
    if "leaf_value" in node:
        return [node["leaf_value"]]
    here = [node["split_feature"], node["threshold"], node["default_left"]]
    return [*here, *shape(node["left_child"]), *shape(node["right_child"])]


def inputs_of(hospitals: dict[str, Columns]) -> Inputs:
    tables = {alias: table(columns) for alias, columns in hospitals.items()}
    parameters = check_parameters(ml_boosted_trees.PROGRAM, PARAMETERS)
    return Inputs(tables=tables, parameters=parameters, seed=SEED)


def test_the_model_is_the_same_in_any_order_of_rows_and_at_every_run() -> None:
    turned = {
        owner: {name: values[::-1] for name, values in columns.items()}
        for owner, columns in TWO.items()
    }
    assert model_of(fit(TWO)) == model_of(fit(turned)) == model_of(fit(TWO))


@pytest.mark.parametrize("leaf_rows_min", [2, 5, 20])
def test_no_leaf_holds_fewer_rows_than_agreed(leaf_rows_min: int) -> None:
    """LightGBM's own bound is an estimate."""
    gappy = {"north": invented(1, rows=150, gaps=0.4), "south": invented(2, rows=150, gaps=0.4)}
    model = model_of(fit(gappy, leaf_rows_min=leaf_rows_min, leaves_max=15, missing="keep"))
    booster = lightgbm.Booster(model_str=model.decode())
    learned = np.concatenate([inputs(one)[np.array(one["held"]) == 0] for one in gappy.values()])
    leaves = booster.predict(learned, pred_leaf=True)
    for tree in range(1, leaves.shape[1]):
        assert min(Counter(leaves[:, tree].tolist()).values()) >= leaf_rows_min


def test_the_text_tells_no_extreme_and_no_count() -> None:
    north = {name: list(values) for name, values in TWO["north"].items()}
    north["pressure"][5], north["pressure"][7] = 51.0625, 249.9375
    text = model_of(fit({**TWO, "north": north})).decode()
    assert "51.0625" not in text
    assert "249.9375" not in text
    assert "feature_infos=[0:120] 1:2:3 [50:250]" in text
    assert not re.search("count|weight|gain|parameters", text)


def test_trees_learn_what_can_be_learned() -> None:
    (told,) = rows_of(fit(TWO)["fit"])
    assert told["tested"] == 100
    assert told["right"] >= 60
    assert [row["owner"] for row in rows_of(fit(TWO)["metrics"])] == ["north", "south"]


def test_each_tree_learns_what_those_before_it_left() -> None:
    def loss(trees: int) -> float:
        model = model_of(fit(TWO, trees=trees, learning_thousandths=1_000))
        told = [one for mine in TWO.values() for one in predict(model, table(mine))]
        ill = [one != 0 for mine in TWO.values() for one in mine["ill"]]
        return -sum(
            float(np.log(max(p if sick else 1 - p, 1e-6)))
            for p, sick in zip(told, ill, strict=True)
        )

    assert loss(10) < loss(3) < loss(1)


def test_a_poisoned_shard_is_refused_by_its_bounds() -> None:
    south = {name: list(values) for name, values in TWO["south"].items()}
    south["age"][3] = 987654
    with pytest.raises(ProgramRefused, match="bounds: column age of table south"):
        fit({**TWO, "south": south})


@pytest.mark.parametrize("value", [None, 50])
def test_columns_that_tell_nothing_leave_the_share_of_the_ill(value: int | None) -> None:
    names = ("age", "pressure")
    dull: dict[str, Columns] = {
        owner: {**mine, **{name: [value] * len(mine["age"]) for name in names}}
        for owner, mine in TWO.items()
    }
    outputs = fit(dull, columns=["age 0..120", "pressure 0..250"], missing="keep")
    learned = [
        ill != 0
        for mine in dull.values()
        for ill, held in zip(mine["ill"], mine["held"], strict=True)
        if not held
    ]
    told = predict(model_of(outputs), table(dull["north"]))
    assert told == pytest.approx([sum(learned) / len(learned)] * len(told), abs=1e-6)


def test_few_rows_to_learn_from_are_refused() -> None:
    with pytest.raises(ProgramRefused, match="rows: there are fewer rows to learn from than"):
        fit({"north": invented(1, rows=60)}, leaf_rows_min=50)


def test_a_gap_is_told_about_only_where_gaps_were_learned_from() -> None:
    row: Columns = {"age": [None], "pain": [1], "pressure": [120.0]}
    assert len(predict(model_of(fit(TWO, missing="keep")), table(row))) == 1
    with pytest.raises(ProgramRefused, match="gaps: this model tells nothing about rows without"):
        predict(model_of(fit(TWO, missing="drop")), table(row))


TREE = """
Tree=0
num_leaves=3
num_cat=0
split_feature=0 1
threshold=50.5 130
decision_type=2 2
left_child=1 -1
right_child=-2 -3
leaf_value=0.5 -0.25 0.125
is_linear=0
shrinkage=1

"""
UNREACHED = """
Tree=0
num_leaves=4
num_cat=0
split_feature=0 1 1
threshold=50.5 130 140
decision_type=2 2 2
left_child=-1 2 1
right_child=-2 -3 -4
leaf_value=0.5 -0.25 0.125 0.25
is_linear=0
shrinkage=1

"""
"""Nodes 1 and 2 are each other's."""
FOREST = f"""tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:1
feature_names=age pressure
feature_infos=[0:120] [50:250]
{TREE}
end of trees
"""
ROW: Columns = {"age": [40], "pressure": [120]}


def test_a_forest_written_by_hand_is_walked_as_it_says() -> None:
    rows: Columns = {"age": [40, 60, 40], "pressure": [120, 120, 140]}
    logits = [0.5, -0.25, 0.125]
    expected = [1 / (1 + np.exp(-one)) for one in logits]
    assert predict(FOREST.encode(), table(rows)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("left_child=1 -1", "left_child=0 -1"),
        ("left_child=1 -1", "left_child=1 1"),
        ("left_child=1 -1", "left_child=2 -1"),
        ("right_child=-2 -3", "right_child=-2 -2"),
        ("right_child=-2 -3", "right_child=-2 -4"),
        ("right_child=-2 -3", "right_child=-2"),
        ("split_feature=0 1", "split_feature=0 2"),
        ("split_feature=0 1", "split_feature=0 -1"),
        ("split_feature=0 1", "split_feature=0 99999999999999999999"),
        ("threshold=50.5 130", "threshold=nan 130"),
        ("threshold=50.5 130", "threshold=1e999 130"),
        ("threshold=50.5 130", "threshold=50.50 130"),
        ("threshold=50.5 130", "threshold=50.5"),
        ("threshold=50.5 130", "threshold=1e+301 130"),
        ("decision_type=2 2", "decision_type=2"),
        ("leaf_value=0.5 -0.25 0.125", "leaf_value=0.5 -0.25"),
        ("leaf_value=0.5", "leaf_value=5e-1"),
        ("num_leaves=3", "num_leaves=2000000000"),
        ("num_cat=0", "num_cat=1"),
        ("decision_type=2 2", "decision_type=1 2"),
        ("decision_type=2 2", "decision_type=2 64"),
        ("is_linear=0", "is_linear=1"),
        ("max_feature_idx=1", "max_feature_idx=1000000"),
        ("feature_names=age pressure", "feature_names=age"),
        ("feature_infos=[0:120]", "feature_infos=none"),
        ("version=v4", "version=v3"),
        ("Tree=0", "Tree=1"),
        ("end of trees\n", "end of trees\n\nparameters:\n[data: /etc/passwd]\n"),
        ("end of trees\n", ""),
        ("tree\n", "\ufefftree\n"),
        (TREE, TREE + TREE),
        (TREE, UNREACHED),
    ],
)
def test_a_hostile_text_is_no_model(old: str, new: str) -> None:
    assert old in FOREST
    with pytest.raises(ProgramRefused, match="model: the bytes are no forest"):
        predict(FOREST.replace(old, new, 1).encode(), table(ROW))


def test_random_changes_of_a_text_end_in_a_refusal_or_in_a_number() -> None:
    random = Random(5)
    for _ in range(300):
        data = bytearray(FOREST.encode())
        for _ in range(random.randint(1, 4)):
            data[random.randrange(len(data))] = random.choice(b"0123456789 -=\n.e:[]A\x00\xff")
        with suppress(ProgramRefused):
            assert 0 <= predict(bytes(data), table(ROW))[0] <= 1


@needs_public_sets
def test_four_hospitals_share_trees() -> None:
    pytest.importorskip("sklearn", reason="the extra `rooms-ml` is not installed")
    parameters = {"columns": HEART, "target": "num 0..4", "held_out": "held", "missing": "drop"}
    outputs = start(ml_boosted_trees.PROGRAM, public_hospitals(), parameters, SEED)
    (told,) = rows_of(outputs["fit"])
    assert (told["learned"], told["tested"]) == (486, 254)
    assert told["right"] > 190
    assert told["auc"] > 0.85
