"""What the hospitals write is what the product reads, and what the library program declares."""

from pathlib import Path

import pytest

pytest.importorskip("numpy", reason="the extra `rooms` is not installed")

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.formats.clean_rooms.contract import LIST_SEPARATOR
from strongroom.enclave.room.analytics.policy import DataPolicy
from strongroom.enclave.room.analytics.types import Kind as ColumnKind
from strongroom.enclave.room.library import ml_logistic
from strongroom.enclave.room.library.checking import check_columns, check_parameters
from strongroom.enclave.room.library.shapes import Kind, ProgramRefused
from strongroom.enclave.room.worker.stages import _of_filter
from strongroom.node.clean_rooms.agreement_files import read_contract, read_terms
from strongroom.node.clean_rooms.rows import RowsFile, RowsRefused
from strongroom.node.demo.clean_rooms.parties import write_rows
from strongroom.node.demo.health.invented import invented_study
from strongroom.node.demo.health.public import MEASURES
from strongroom.node.demo.health.records import HELD_OUT, TARGET, Hospital, Study
from strongroom.node.demo.health.texts import (
    NAME,
    PREDICT,
    PROGRAM,
    SERVE,
    WARD,
    data_terms,
    fit_contract,
    fit_parameters,
    name_terms,
    predict_contract,
    room_terms,
    serve_contract,
    ward_terms,
)
from strongroom.node.rooms.data_terms import read_terms_file

KINDS = {
    ColumnKind.INTEGER: Kind.INTEGER,
    ColumnKind.REAL: Kind.REAL,
    ColumnKind.TEXT: Kind.TEXT,
}


def public_like() -> Study:
    """The public set's columns, without its files."""
    columns = {one.name: (one.levels[-1] if one.levels else one.high,) for one in MEASURES}
    records = {**columns, "slope": (None,), TARGET: (4,), HELD_OUT: (0,)}
    names = ("cleveland", "hungarian", "switzerland", "va")
    hospitals = tuple(Hospital(name, records, ("slope",)) for name in names)
    return Study("public", hospitals, MEASURES, "drop")


STUDIES = [pytest.param(invented_study(), id="invented"), pytest.param(public_like(), id="public")]


def resolve(study: Study) -> dict[str, bytes]:
    return {one.name: bytes([at + 1]) * 32 for at, one in enumerate(study.hospitals)}


def file(folder: Path, text: str) -> Path:
    path = folder / "text.toml"
    path.write_text(text)
    return path


def policy_of(study: Study, hospital: Hospital, folder: Path) -> DataPolicy:
    terms, policy = read_terms_file(
        file(folder, data_terms(study, hospital)), resolve(study).__getitem__
    )
    assert terms.programs == (PROGRAM, PREDICT, SERVE)
    assert len(terms.recipients) == 4
    assert not any(one.uses for one in policy.columns if one.name != policy.unit)
    return policy


@pytest.mark.parametrize("study", STUDIES)
def test_the_contract_is_one_and_gives_the_model_to_nobody(study: Study, tmp_path: Path) -> None:
    people = resolve(study)
    terms = read_terms(file(tmp_path, room_terms([*people])), people.__getitem__)
    contract = read_contract(
        file(tmp_path, fit_contract(study)), people.__getitem__, bytes(32), terms
    )
    assert (contract.executors, contract.agreement) == (2, 2)
    assert [one.alias for one in contract.inputs] == sorted(people)
    given = {one.name: one for one in contract.outputs}
    assert set(given) == set(ml_logistic.PROGRAM.outputs)
    assert given["model"].recipients == ()
    assert all(
        set(one.recipients) == set(people.values()) for one in given.values() if one.kind == "table"
    )
    contract.check_parameters(tuple(fit_parameters(study).items()))


@pytest.mark.parametrize("study", STUDIES)
def test_the_program_takes_the_parameters_and_every_hospitals_columns(
    study: Study, tmp_path: Path
) -> None:
    given: dict[str, object] = dict(fit_parameters(study))
    given["columns"] = str(given["columns"]).split(LIST_SEPARATOR)
    schema = ml_logistic.PROGRAM.inputs(check_parameters(ml_logistic.PROGRAM, given))
    for hospital in study.hospitals:
        policy = policy_of(study, hospital, tmp_path)
        columns = {one.name: KINDS[one.type.kind] for one in policy.columns}
        check_columns(schema, columns, alias=hospital.name)
        del columns[TARGET]
        with pytest.raises(ProgramRefused, match="lacks the column num"):
            check_columns(schema, columns, alias=hospital.name)


@pytest.mark.parametrize("study", STUDIES)
def test_every_hospitals_file_is_what_its_terms_say_and_a_broken_one_is_not(
    study: Study, tmp_path: Path
) -> None:
    for hospital in study.hospitals:
        policy = policy_of(study, hospital, tmp_path)
        path = tmp_path / f"{hospital.name}.csv"
        hospital.write(path, "mark")
        rows = RowsFile(path, policy)
        assert rows.left_out == hospital.left_out
        assert sum(map(len, rows.stream())) > 0
        lines = path.read_text().splitlines()
        cells = lines[1].split(",")
        cells[1] = "987 years"
        path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]))
        with pytest.raises(RowsRefused, match="line 2, column age: no real stands") as refused:
            list(RowsFile(path, policy).stream())
        assert "987" not in str(refused.value)


def test_another_hospital_is_nobody(tmp_path: Path) -> None:
    def nobody(name: str) -> bytes:
        raise ClientFault(f"nobody is {name}")

    with pytest.raises(Exception, match="nobody is alpine"):
        read_terms(file(tmp_path, room_terms(["alpine"])), nobody)


@pytest.mark.parametrize("study", STUDIES)
def test_rows_of_predictions_go_to_whom_they_name(study: Study, tmp_path: Path) -> None:
    people, room = resolve(study), bytes([9]) * 32

    def known(name: str) -> bytes:
        return room if name == f"id:{room.hex()}" else people[name]

    terms = read_terms(file(tmp_path, room_terms([*people])), known)
    asking = [*people][2:]
    text = predict_contract(asking, room.hex())
    contract = read_contract(file(tmp_path, text), known, room, terms)
    (output,) = contract.outputs
    assert set(output.recipients) == {people[name] for name in asking}
    assert _of_filter(output, contract) == sorted(f"{NAME}_{name}" for name in asking)
    assert {one.owner: one.alias for one in contract.inputs if one.data == WARD} == {
        people[name]: name for name in asking
    }
    assert [one.owner for one in contract.inputs if one.alias == "model"] == [room]
    for hospital in study.hospitals:
        path = tmp_path / "ward.csv"
        hospital.write_ward(path, "mark")
        name = write_rows(tmp_path / "name.csv", ("owner",), ((hospital.name,),))
        for written, rows in ((ward_terms(study, hospital), path), (name_terms(study), name)):
            read, policy = read_terms_file(file(tmp_path, written), known)
            assert read.programs == (PREDICT,)
            assert RowsFile(rows, policy).left_out == ()
    serves = read_contract(
        file(tmp_path, serve_contract([*people], room.hex())), known, room, terms
    )
    assert serves.serves
    assert set(serves.outputs[0].recipients) == set(people.values())
