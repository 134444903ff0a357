"""Contracts as files: parameters that a contract fixes, those that a run chooses, and what the
library would refuse, told before anything is proposed (T60)."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy")

from tests.enclave.programs.rooms.world import BANKS, terms, who

from strongroom.enclave.formats.clean_rooms.contract import Contract, Stage
from strongroom.node.clean_rooms.agreement_files import read_contract
from strongroom.node.config import ConfigInvalid

FILE = """
name = "a model"
purpose = "aml"

[inputs.a]
owner = "bank-a"
data = "patients"

[[stages]]
language = "library"
name = "ml.logistic"
{fixed}

[outputs.model]
kind = "model"
recipients = ["bank-a"]
{more}
"""
GOOD = """[stages.parameters]
columns = ["age 0..99", "chol 0..900"]
target = "ill {0,1}"
"""
OPEN = """[parameters.held_out]
type = "str"
least = 1
most = 9"""


def read(folder: Path, fixed: str, more: str = "", **changes: str) -> Contract:
    file = folder / "contract.toml"
    text = FILE.format(fixed=fixed, more=more)
    for old, new in changes.items():
        text = text.replace(old, new)
    file.write_text(text)
    return read_contract(file, lambda _: who(BANKS[0]), bytes(32), terms())


def test_what_stands_in_the_file_is_fixed_and_lists_are_one_text(tmp_path: Path) -> None:
    fixed = (("columns", "age 0..99;chol 0..900"), ("target", "ill {0,1}"))
    made = read(tmp_path, GOOD)
    assert made.stages == (Stage("library", "ml.logistic", "", fixed),)
    assert Contract.decode(made.encode()) == made
    other = read(tmp_path, GOOD.replace("0..99", "0..98"))
    assert other.encode() != made.encode()
    assert [one.name for one in read(tmp_path, GOOD, OPEN).parameters] == ["held_out"]


BAD: list[tuple[str, str, str]] = [
    (GOOD + "unknown = 3\n", "", "has no such parameter"),
    (GOOD + "missing = true\n", "", "must be a text"),
    (GOOD + "rows_min = 1.5\n", "", "is true or false"),
    (GOOD.replace("age 0", "age;0"), "", "without ';'"),
    (GOOD.replace('columns = ["age 0..99", "chol 0..900"]', ""), "", "columns is missing"),
    (GOOD + 'held_out = "x"\n', OPEN, "either a stage fixes it or the run chooses it"),
    (GOOD, OPEN.replace("held_out", "days"), "no stage takes it"),
    (GOOD, OPEN.replace('"str"', '"int"'), "is of type str"),
    (
        GOOD,
        OPEN.replace('"str"', '"int"').replace("held_out", "test_percent") + "9",
        "may be 0 to 90",
    ),
]


@pytest.mark.parametrize(("fixed", "more", "words"), BAD)
def test_what_the_library_would_refuse_is_told_before(
    tmp_path: Path, fixed: str, more: str, words: str
) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        read(tmp_path, fixed, more)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ml.logistic": "ml.nothing"}, "name one of them"),
        ({'"library"': '"python"\nfile = "contract.toml"'}, "only a library program"),
    ],
)
def test_other_stages_fix_nothing(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        read(tmp_path, GOOD, **change)
    assert words in str(refused.value)
