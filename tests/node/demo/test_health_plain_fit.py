"""The plain fit that the joint model is compared with: it is a minimum, and no other program's."""

from pathlib import Path
from typing import Any

import pytest
from tests.enclave.room.library.public_sets import FOLDER, needs_public_sets
from tests.node.demo.health_room import shards_of, told_by_the_program

from strongroom.node.demo.health import plain_fit
from strongroom.node.demo.health.invented import invented_study
from strongroom.node.demo.health.plain_fit import PlainFit, Shard, fit, judge, whole
from strongroom.node.demo.health.public import public_study
from strongroom.node.demo.health.records import Study
from strongroom.node.terminal.teller import StoryFails


def fitted(shards: dict[str, Shard], study: Study) -> PlainFit:
    found = fit(shards.values(), study.ridge)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(invented_study, id="invented"),
        pytest.param(lambda: public_study(FOLDER), id="public", marks=needs_public_sets),
    ],
)
def test_it_equals_the_rooms_program_and_shares_nothing_with_it(study: Any, tmp_path: Path) -> None:
    made: Study = study()
    shards = shards_of(made, tmp_path)
    joint = fitted(shards, made)
    tables = told_by_the_program(made)
    (told,), metrics = tables["fit"], tables["metrics"]
    assert told["objective"] == pytest.approx(joint.objective, abs=1e-6)
    all_of_them = judge(joint, whole(shards.values()))
    assert (told["tested"], told["right"]) == (all_of_them.tested, all_of_them.right)
    assert told["auc"] == pytest.approx(all_of_them.auc, abs=1e-6)
    assert [row["owner"] for row in metrics] == sorted(shards)
    for row in metrics:
        shard = shards[row["owner"]]
        mine = judge(joint, shard)
        assert (row["tested"], row["right"]) == (mine.tested, mine.right)
        alone = fit([shard], made.ridge)
        assert row["alone_right"] == (judge(alone, shard).right if alone else None)


@needs_public_sets
def test_it_reaches_the_published_objective(tmp_path: Path) -> None:
    study = public_study(FOLDER)
    shards = shards_of(study, tmp_path)
    joint = fitted(shards, study)
    judged = judge(joint, whole(shards.values()))
    assert round(joint.objective, 5) == 204.03565
    assert (judged.right, judged.tested) == (202, 254)
    assert judged.auc == pytest.approx(0.881152, abs=5e-7)
    assert fit([shards["switzerland"]], study.ridge) is None


def test_no_step_aside_lowers_the_objective(tmp_path: Path) -> None:
    study = invented_study(7)
    shards = shards_of(study, tmp_path)
    joint = fitted(shards, study)
    pooled = whole(shards.values())
    learned = [at for at, held in enumerate(pooled.tested) if not held]
    rows = [plain_fit._standard(pooled.inputs[at], joint.means, joint.scales) for at in learned]
    ill = [pooled.ill[at] for at in learned]
    for place in range(len(joint.weights)):
        for aside in (-1e-3, 1e-3):
            moved = [one + aside * (at == place) for at, one in enumerate(joint.weights)]
            assert plain_fit._objective(rows, ill, study.ridge, moved) > joint.objective


def test_what_is_constant_or_never_measured_says_nothing() -> None:
    inputs: list[list[float | None]] = [[1.0, None, float(at)] for at in range(20)]
    shard = Shard(inputs, [at % 3 == 0 for at in range(20)], [at % 4 == 0 for at in range(20)])
    found = fit([shard], 1.0)
    assert found is not None
    assert found.weights[1:3] == [0.0, 0.0]
    assert found.score([2.0, 5.0, None]) == found.weights[0]


def test_a_minimum_that_is_not_reached_is_no_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_fit, "DESCENT_STEPS_MAX", 2)
    shard = Shard([[float(at)] for at in range(9)], [at > 4 for at in range(9)], [False] * 9)
    with pytest.raises(StoryFails, match="no minimum"):
        fit([shard], 1.0)
