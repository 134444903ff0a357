"""Records of the health demo: the public set with FLamby's split, invented hospitals, their
files."""

from pathlib import Path

import pytest
from tests.enclave.room.library.public_sets import FOLDER, needs_public_sets

from strongroom.consensus.errors import OperatorFault
from strongroom.node.demo.health.invented import HARBOR, invented_study
from strongroom.node.demo.health.public import HOSPITALS, MEASURES, held_out, public_study
from strongroom.node.demo.health.records import (
    HELD_OUT,
    PATIENT,
    TARGET,
    TARGET_MAX,
    Hospital,
    Measure,
)


@pytest.mark.parametrize("rows", [7, 20, 33, 58, 100, 261, 299])
@pytest.mark.parametrize("ill", [0.0, 0.1, 0.35, 0.5, 0.9, 1.0])
def test_the_split_is_scikit_learns(rows: int, ill: float) -> None:
    selection = pytest.importorskip("sklearn.model_selection", reason="no extra `rooms-ml`")
    labels = [at * 7919 % 1000 < ill * 1000 for at in range(rows)]
    if ill == 0.5:  # as many of each kind: then chance gives the one left over
        labels = [at % 2 == 0 for at in range(rows)]
    by_label = min(sum(labels), rows - sum(labels)) > 2
    _, tested = selection.train_test_split(
        list(range(rows)),
        test_size=0.34,
        train_size=0.66,
        random_state=43,
        stratify=labels if by_label else None,
    )
    assert held_out(labels) == set(tested)


@needs_public_sets
def test_the_public_hospitals_are_read_with_their_gaps() -> None:
    study = public_study(FOLDER)
    assert tuple(one.name for one in study.hospitals) == HOSPITALS
    assert [one.rows for one in study.hospitals] == [303, 294, 123, 200]
    learned = tested = 0
    for one in study.hospitals:
        for at in range(one.rows):
            whole = all(one.records[measure.name][at] is not None for measure in MEASURES)
            learned += whole and not one.records[HELD_OUT][at]
            tested += whole and one.records[HELD_OUT][at] == 1
            assert whole or not one.records[HELD_OUT][at]
    assert (learned, tested) == (486, 254)


@pytest.mark.parametrize("text", ["", "1,2\n", "x" + ",0" * 13, "\n"])
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "health").mkdir()
    with pytest.raises(OperatorFault, match="cannot read"):
        public_study(tmp_path)
    (tmp_path / "health" / "processed.cleveland.data").write_text(text)
    with pytest.raises(OperatorFault, match="14 numbers"):
        public_study(tmp_path)


def test_a_file_has_a_record_a_line_and_gaps_are_empty(tmp_path: Path) -> None:
    records = {"age": (40, None), "oldpeak": (-0.5, 1.0), TARGET: (0, 3), HELD_OUT: (0, 1)}
    hospital = Hospital("north", records)
    hospital.write(tmp_path / "north.csv", "mark")
    assert (tmp_path / "north.csv").read_text().splitlines() == [
        f"{PATIENT},age,oldpeak,{TARGET},{HELD_OUT}",
        "mark-00000,40,-0.5,0,0",
        "mark-00001,,1.0,3,1",
    ]
    hospital.write_ward(tmp_path / "ward.csv", "mark")
    assert (tmp_path / "ward.csv").read_text() == f"{PATIENT},age,oldpeak\nmark-00001,,1.0\n"
    hospital.changed("age", 0, "40 years").write(tmp_path / "broken.csv", "mark")
    assert "mark-00000,40 years,-0.5" in (tmp_path / "broken.csv").read_text()
    assert hospital.records["age"] == (40, None), "the hospital itself is unchanged"
    assert hospital.has(Measure("age", 0, 120))
    assert not hospital.has(Measure("chol", 0, 1000))


def test_invented_hospitals_are_unequal_and_within_bounds() -> None:
    study = invented_study()
    assert invented_study().hospitals[0].records == study.hospitals[0].records
    assert invented_study(1).hospitals[0].records != study.hospitals[0].records
    by_name = {one.name: one for one in study.hospitals}
    assert len(by_name) == 4
    assert len({one.rows for one in study.hospitals}) == 4
    lacking = [one for one in study.hospitals if not all(map(one.has, study.measures))]
    assert [one.name for one in lacking] == [HARBOR]
    assert [one.name for one in study.hospitals if one.left_out] == ["river"]
    for one in study.hospitals:
        assert set(one.records[HELD_OUT]) == {0, 1}
        assert {0} < set(one.records[TARGET]) <= set(range(TARGET_MAX + 1))
        values = {
            measure: [value for value in one.records[measure.name] if value is not None]
            for measure in filter(one.has, study.measures)
        }
        assert any(len(there) < one.rows for there in values.values()), "no gaps"
        for measure, there in values.items():
            assert all(measure.low <= value <= measure.high for value in there) or set(
                there
            ) <= set(measure.levels)
