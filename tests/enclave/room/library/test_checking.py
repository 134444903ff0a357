"""What a program is given and gives is checked against what it declares (T63, T64)."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy", reason="the extra `rooms` is not installed")

import numpy as np
from tests.hang import HANG_SECONDS

import strongroom.enclave.room.library.shapes as shapes
from strongroom.enclave.room.library.catalogue import PROGRAMS, program
from strongroom.enclave.room.library.checking import (
    check_columns,
    check_parameters,
    rounded,
    start,
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

SEED = bytes(32)
SCHEMA = TableSchema(
    columns=(
        Column(name="n", kinds=(Kind.INTEGER,), meaning=""),
        Column(name="x", kinds=(Kind.REAL,), meaning="", optional=True),
        Column(name="t", kinds=(Kind.TEXT,), meaning="", optional=True, gaps=True),
        Column(name="b", kinds=(Kind.TRUTH,), meaning="", optional=True),
    )
)
PARAMETERS = (
    Parameter(name="flag", type=bool, meaning="", default=False),
    Parameter(name="count", type=int, meaning="", default=3, minimum=1, maximum=9),
    Parameter(name="kind", type=str, meaning="", default="a", choices=("a", "b")),
    Parameter(name="name", type=str, meaning="", default="", maximum=4),
    Parameter(name="list", type=list[str], meaning="", minimum=1, maximum=2),
)
RESULT = TableSchema(columns=(Column(name="sum", kinds=(Kind.INTEGER,), meaning=""),))


def adds(room: Inputs) -> Outputs:
    total = sum(int(np.sum(table.columns["n"])) for table in room.tables.values())
    return {"result": Table.of({"sum": [total]}), "model": Model(ModelFormat.JSON, b"{}")}


ADDER = Program(
    name="test.adder",
    finds="a sum",
    parameters=PARAMETERS,
    inputs=lambda parameters: SCHEMA,
    outputs={"result": RESULT, "model": ModelFormat.JSON},
    run=adds,
)


def go(columns: Mapping[str, Any], **parameters: object) -> Outputs:
    return start(ADDER, {"a": Table.of(columns)}, {"list": ["one"], **parameters}, SEED)


def test_a_program_gets_its_parameters_with_defaults() -> None:
    assert check_parameters(ADDER, {"list": ["one"], "count": 9}) == {
        "flag": False,
        "count": 9,
        "kind": "a",
        "name": "",
        "list": ("one",),
    }


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            {"flag": 1},
            {"count": 0},
            {"count": 10},
            {"count": True},
            {"count": 1.0},
            {"count": "1"},
        ),
        *({"kind": "c"}, {"kind": 1}, {"name": "12345"}, {"list": []}, {"list": ["a", "b", "c"]}),
        *({"list": "one"}, {"list": [1]}, {"list": [""]}, {"list": ["a" * 201]}, {"list": None}),
        {"unknown": 1},
    ],
)
def test_a_parameter_that_is_not_declared_so_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ProgramRefused, match="parameter"):
        check_parameters(ADDER, {"list": ["one"], **wrong})


def test_a_missing_parameter_is_refused() -> None:
    with pytest.raises(ProgramRefused, match="parameter list is missing"):
        check_parameters(ADDER, {})


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"x": [1.0]}, "column"),
        ({"n": [1.0]}, "kind"),
        ({"n": [True]}, "kind"),
        ({"n": ["CANARY"]}, "kind"),
        ({"n": [None]}, "gaps"),
        ({"n": np.array([1.5])}, "kind"),
        ({"n": np.array([[1]])}, "kind"),
        ({"n": [1], "x": [float("nan")]}, "number"),
        ({"n": [1], "x": np.array([np.nan])}, "gaps"),
        ({"n": [1], "x": np.array([np.inf])}, "number"),
        ({"n": [1], "t": [b"CANARY"]}, "kind"),
        ({"n": [1], "b": [1]}, "kind"),
        ({"n": np.array([object()])}, "kind"),
    ],
)
def test_a_column_of_another_kind_is_refused_without_a_value(
    columns: dict[str, Any], rule: str
) -> None:
    with pytest.raises(ProgramRefused, match=rule) as refused:
        go(columns)
    assert refused.value.rule == rule
    assert "CANARY" not in str(refused.value)


def test_columns_that_are_not_declared_are_allowed_and_gaps_where_they_are() -> None:
    assert go({"n": [1, 2], "t": [None, "x"], "more": [object(), None]})


def test_columns_of_one_table_have_one_length() -> None:
    with pytest.raises(ProgramRefused, match="uneven"):
        Table.of({"n": [1], "x": [1.0, 2.0]})
    with pytest.raises(ProgramRefused, match="uneven"):
        start(ADDER, {"a": Table({"n": [1]}, 2)}, {"list": ["one"]}, SEED)


def test_a_contract_is_checked_by_schemas_alone() -> None:
    check_columns(SCHEMA, {"n": Kind.INTEGER, "other": Kind.TEXT}, alias="a")
    with pytest.raises(ProgramRefused, match="column: table a lacks the column n"):
        check_columns(SCHEMA, {"x": Kind.REAL}, alias="a")
    with pytest.raises(ProgramRefused, match="kind: column n of table a must be integer"):
        check_columns(SCHEMA, {"n": Kind.TEXT}, alias="a")


def test_no_table_no_seed_no_program() -> None:
    with pytest.raises(ProgramRefused, match="tables"):
        start(ADDER, {}, {"list": ["one"]}, SEED)
    with pytest.raises(ProgramRefused, match="seed"):
        start(ADDER, {"a": Table.of({"n": [1]})}, {"list": ["one"]}, b"")


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"result": Table.of({"sum": [1]})},
        {"result": Table.of({"sum": [1.5]}), "model": Model(ModelFormat.JSON, b"")},
        {"result": Table.of({"sum": [1], "x": [1]}), "model": Model(ModelFormat.JSON, b"")},
        {"result": Table.of({"sum": [1]}), "model": Model(ModelFormat.LIGHTGBM, b"")},
        {"result": Table.of({"sum": [1]}), "model": b""},
        {"result": b"", "model": Model(ModelFormat.JSON, b"")},
    ],
)
def test_an_output_that_is_not_declared_so_is_refused(outputs: Outputs) -> None:
    liar = replace(ADDER, run=lambda room: outputs)
    with pytest.raises(ProgramRefused, match=r"output|kind"):
        start(liar, {"a": Table.of({"n": [1]})}, {"list": ["one"]}, SEED)


def test_a_program_cannot_change_its_inputs() -> None:
    numbers = np.array([1, 2, 3])
    table = Table.of({"n": numbers, "t": ["a", "b", "c"]})
    for name in ("n", "t"):
        with pytest.raises((TypeError, ValueError)):
            table.columns[name][0] = 9  # type: ignore[index]
    with pytest.raises(TypeError):
        table.columns["n"] = []  # type: ignore[index]
    numbers[0] = 2


def test_nothing_shows_rows() -> None:
    table = Table.of({"n": ["CANARY"]})
    inputs = Inputs(tables={"a": table}, parameters={}, seed=b"CANARY" * 6)
    for one in (table, inputs, Model(ModelFormat.JSON, b"CANARY")):
        assert "CANARY" not in repr(one)


def test_numbers_of_results_have_one_text() -> None:
    assert repr(rounded(0.1 + 0.2, 6)) == "0.3"
    assert repr(rounded(-1e-9, 6)) == "0.0"
    for value in (float("nan"), float("inf")):
        with pytest.raises(ProgramRefused, match="number"):
            rounded(value, 6)


def test_each_program_is_found_by_its_name_and_declares_itself() -> None:
    page = (Path(shapes.__file__).parents[3] / "docs" / "room-programs.md").read_text()
    for name in PROGRAMS:
        found = program(name)
        assert found.name == name
        assert f"\n## `{name}`: {found.finds}\n" in page
        section = page.partition(f"\n## `{name}`")[2].partition("\n## ")[0]
        for parameter in found.parameters:
            assert parameter.meaning
            assert f"`{parameter.name}`" in page
        for output, declared in found.outputs.items():
            assert f"`{output}`" in section, (name, output)
            columns = declared.columns if isinstance(declared, TableSchema) else ()
            assert all(f"`{column.name}`" in page for column in columns), (name, output)
    with pytest.raises(ProgramRefused, match="the library has aml"):
        program("os.system")


def test_programs_of_models_predict() -> None:
    pytest.importorskip("lightgbm", reason="the extra `rooms-ml` is not installed")
    makers = [name for name in PROGRAMS if name.startswith("ml.")]
    assert all(program(name).predict for name in makers if not program(name).models)
    for name in PROGRAMS:
        program(name).prepare()


DIGESTS = """
from hashlib import sha256
from random import Random
from tests.enclave.room.library.hospitals import COLUMNS, SEED, invented
from tests.enclave.room.library.public_sets import table_of
from tests.enclave.room.library.test_round_trips import some_transfers
from strongroom.enclave.room.library.catalogue import PROGRAMS, program
from strongroom.enclave.room.library.checking import start
from strongroom.enclave.room.library.shapes import Model, Table

banks = {name: table_of(some_transfers(Random(name), 60, 7)) for name in "ab"}
people = {name: Table.of(invented(at)) for at, name in enumerate("ab")}
rooms = {"b": Table.of({"time": [60, 120] * 3, "occupied": [1] * 6, "zone": list("cba" * 2)})}
learns = {"columns": COLUMNS, "target": "ill 0..4", "held_out": ""}
made = {}
for name in PROGRAMS:
    tables = {"aml": banks, "ml": people, "occupancy": rooms}[name.partition(".")[0]]
    given = {"m": made["model"].data} if program(name).models else {}
    told = learns if tables is people and not given else {}
    outputs = start(program(name), tables, told, SEED, given)
    made |= outputs
    for output, given in sorted(outputs.items()):
        said = given.data if isinstance(given, Model) else repr(
            [[str(one) for one in values] for values in given.columns.values()]
        ).encode()
        print(name, output, sha256(said).hexdigest())
"""


def test_every_program_gives_the_same_under_another_hash_seed() -> None:
    pytest.importorskip("lightgbm", reason="the extra `rooms-ml` is not installed")
    root = Path(shapes.__file__).parents[3]
    said = [
        subprocess.run(
            [sys.executable, "-c", DIGESTS],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=HANG_SECONDS,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert len(said[0].splitlines()) == 18
