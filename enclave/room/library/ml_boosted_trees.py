"""ml.boosted_trees: gradient-boosted trees over all owners' rows, by LightGBM.

One thread, fixed order of rows, chance from the job's seed: the same trees at every executor.
Categories are integers in their order. Gaps are kept where the contract says so: each decision then
has a way for them. No leaf holds fewer than `leaf_rows_min` rows, counted here.

LightGBM fits; what leaves the room is written by trees.py, which also predicts: a model of others
never reaches LightGBM's own reader.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strongroom.enclave.room.library.boosting import Boosting
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
)
from strongroom.enclave.room.library.trees import (
    FOREST_TREES_MAX,
    TREE_LEAVES_MAX,
    Forest,
    Tree,
)

NAME = "ml.boosted_trees"
_FIXED = {
    "objective": "binary",
    "num_threads": "1",
    "deterministic": "true",
    "force_row_wise": "true",
    "verbosity": "-1",
    "zero_as_missing": "false",
}
"""Of LightGBM, whatever a contract says."""
PARAMETERS = (
    *parameters_of("keep", "drop", "refuse"),
    Parameter(
        name="trees",
        type=int,
        meaning="trees, one after the other",
        default=100,
        minimum=1,
        maximum=FOREST_TREES_MAX - 1,
    ),
    Parameter(
        name="leaves_max",
        type=int,
        meaning="leaves of a tree",
        default=7,
        minimum=2,
        maximum=TREE_LEAVES_MAX,
    ),
    Parameter(
        name="learning_thousandths",
        type=int,
        meaning="share of each tree that counts",
        default=50,
        minimum=1,
        maximum=1_000,
    ),
    Parameter(
        name="leaf_rows_min",
        type=int,
        meaning="rows of a leaf, at least",
        default=20,
        minimum=2,
        maximum=1_000_000,
    ),
)
FIT = TableSchema(
    columns=(
        LEARNED,
        Column(name="trees", kinds=(Kind.INTEGER,), meaning="after the first, a constant"),
        *FIGURES,
    )
)


def run(room: Inputs) -> Outputs:
    """Fit, and judge on the rows held out.

    Raises:
        ProgramRefused: `bounds`, `rows`, `labels` (learning.py).
    """
    rows = read(room)
    features = features_of(room.parameters)
    at_least = room.integer("rows_min")

    if int((~rows.tested).sum()) < room.integer("leaf_rows_min"):
        raise ProgramRefused("rows", "there are fewer rows to learn from than leaf_rows_min")

    def fitted(which: Truths) -> Forest:
        return _fitted(features, room, rows.values[which], rows.label[which])

    data = fitted(~rows.tested).encode()
    forest = Forest.decode(data)
    score = forest.score(rows.values)
    return {
        "model": Model(ModelFormat.LIGHTGBM, data),
        "fit": overall(FIT, rows, score, {"trees": room.integer("trees")}),
        "metrics": metrics(rows, score, lambda own: fitted(own).score(rows.values), at_least),
        "calibration": calibration(rows, score, at_least),
    }


def predict(model: bytes, table: Table) -> list[float]:
    """Probability of each row, rounded to `DIGITS`.

    Raises:
        ProgramRefused: `model`: the bytes are none; `bounds`: a value leaves the model's bounds;
            `gaps`: a value is missing in a column in which the model saw no gap.
    """
    forest = Forest.decode(model)
    values = matrix(forest.features, table, "rows")
    forest.check_gaps(values)
    return [rounded(one, DIGITS) for one in probability(forest.score(values)).tolist()]


def prepare() -> None:
    """Load LightGBM and use it once."""
    values = np.arange(40, dtype=np.float64)[:, None]
    with Boosting(values, (values[:, 0] > 20).astype(float), ["a"], _FIXED) as boosting:
        boosting.grow(np.zeros(40))


def _fitted(features: tuple[Feature, ...], room: Inputs, values: Reals, label: Reals) -> Forest:
    """Tree after tree, each pruned before the next learns from what is left."""
    options = _FIXED | {
        "seed": str(int.from_bytes(room.seed[:4], "big") >> 1),
        "num_leaves": str(room.integer("leaves_max")),
        "learning_rate": repr(room.integer("learning_thousandths") / 1000),
        "min_data_in_leaf": str(room.integer("leaf_rows_min")),
    }
    share = float(label.mean())
    begin = math.log(share / (1 - share))
    score = np.full(len(label), begin)
    trees = [Tree(columns=(), thresholds=(), decisions=(), left=(), right=(), values=(begin,))]
    with Boosting(values, label, [one.name for one in features], options) as boosting:
        for _ in range(room.integer("trees")):
            grown = boosting.grow(score)
            tree = _pruned(grown, values, room.integer("leaf_rows_min"))
            trees.append(tree)
            score = score + tree.score(values)
    return Forest(features, tuple(trees))


def _pruned(root: dict[str, Any], values: Reals, leaf_rows_min: int) -> Tree:
    """A dumped tree without decisions that leave too few rows on one side.

    LightGBM estimates the rows of a leaf from sums of Hessians, and so makes smaller ones than its
    `min_data_in_leaf` allows. Here they are counted.
    """
    nodes: list[tuple[int, float, int]] = []
    left: dict[int, int] = {}
    right: dict[int, int] = {}
    leaves: list[float] = []

    def place(one: dict[str, Any], rows: NDArray[np.int64]) -> int:
        if "leaf_value" in one:
            leaves.append(float(one["leaf_value"]))
            return -len(leaves)
        column, threshold = int(one["split_feature"]), float(one["threshold"])
        value = values[rows, column]
        goes_left = np.where(np.isnan(value), one["default_left"], value <= threshold)
        ways = (
            (one["left_child"], rows[goes_left]),
            (one["right_child"], rows[~goes_left]),
        )
        for (_, few), (other, _) in (ways, ways[::-1]):
            if len(few) < leaf_rows_min:
                return place(other, rows)
        node = len(nodes)
        nodes.append((column, threshold, _decision(one)))
        left[node], right[node] = (place(*way) for way in ways)
        return node

    place(root, np.arange(len(values)))
    order = range(len(nodes))
    return Tree(
        columns=tuple(column for column, _, _ in nodes),
        thresholds=tuple(threshold for _, threshold, _ in nodes),
        decisions=tuple(decision for _, _, decision in nodes),
        left=tuple(left[node] for node in order),
        right=tuple(right[node] for node in order),
        values=tuple(leaves),
    )


def _decision(node: dict[str, Any]) -> int:
    keeps_gaps = 8 if node["missing_type"] == "NaN" else 0
    return keeps_gaps | (2 if node["default_left"] else 0)


PROGRAM = Program(
    name=NAME,
    finds="boosted trees over all owners' rows, and how good they are at each",
    parameters=PARAMETERS,
    inputs=schema_of,
    outputs={
        "model": ModelFormat.LIGHTGBM,
        "fit": FIT,
        "metrics": METRICS,
        "calibration": CALIBRATION,
    },
    run=run,
    predict=predict,
    prepare=prepare,
)
