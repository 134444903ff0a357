"""Contracts as people write them: code beside them, and columns of what it gives."""

from pathlib import Path

import pytest
from tests.enclave.programs.rooms.world import BANKS, REGULATOR, terms, who

from strongroom.node.clean_rooms.agreement_files import read_contract
from strongroom.node.config import ConfigInvalid

CODE = "def run(room): ...\n"
FILE = f"""
name = "shares"
purpose = "aml"
[inputs.a]
owner = "{BANKS[0]}"
data = "transfers"
[[stages]]
language = "python"
name = "shares"
file = "shares.py"
[outputs.shares]
recipients = ["{REGULATOR}"]
bytes = 10_000
columns = {{ bank = "text", share = "real" }}
"""


def test_a_stage_in_python_is_its_files_text(tmp_path: Path) -> None:
    (tmp_path / "shares.py").write_text(CODE)
    (tmp_path / "c.toml").write_text(FILE)
    made = read_contract(tmp_path / "c.toml", who, bytes(32), terms())
    assert [(one.language, one.text) for one in made.stages] == [("python", CODE)]
    assert made.outputs[0].columns == (("bank", "text"), ("share", "real"))
    assert type(made).decode(made.encode()) == made


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('columns = { bank = "text", share = "real" }', "", "each table says its columns"),
        ('"real"', '"blob"', "kind of a column"),
        ('"real"', "7", "outputs.shares.columns: a kind is a string"),
        ('file = "shares.py"', 'file = "nowhere.py"', "cannot read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in FILE
    (tmp_path / "shares.py").write_text(CODE)
    (tmp_path / "c.toml").write_text(FILE.replace(old, new))
    with pytest.raises(ConfigInvalid, match=said):
        read_contract(tmp_path / "c.toml", who, bytes(32), terms())
