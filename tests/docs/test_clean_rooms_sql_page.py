"""docs/clean-rooms-sql.md: each rule has an example that is taken and one that it refuses, the list
of functions is the code's, the commands run."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from strongroom.enclave.room.analytics.checking import check
from strongroom.enclave.room.analytics.functions import FUNCTIONS
from strongroom.enclave.room.analytics.policy import Use
from strongroom.enclave.room.analytics.refusals import Refused, Rule
from strongroom.enclave.room.analytics.types import Kind
from strongroom.node.cli.main import make_app
from strongroom.node.rooms.schema_file import read_schema

PAGE = (Path(__file__).parents[2] / "docs/clean-rooms-sql.md").read_text()
TABLES = PAGE.split("```toml\n")[1].split("```")[0]
QUERY = PAGE.split("```sql\n")[1].split("```")[0]
COMMANDS = re.findall(r"^\$ strongroom (.*)$", PAGE, re.M)


def sections() -> dict[str, str]:
    """Text below the heading of each rule."""
    parts = re.split(r"^### (S[0-9]+): .*$", PAGE.split("\n## The rules\n")[1], flags=re.M)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {rule: text.split("\n## ")[0] for rule, text in found.items()}


def test_every_rule_is_there_by_its_name() -> None:
    named = re.findall(r"^### (S[0-9]+): (.*)$", PAGE, re.M)
    assert named == [(rule.name, rule.value) for rule in Rule]


@pytest.mark.parametrize("rule", [rule.name for rule in Rule if rule is not Rule.S12])
def test_its_examples_are_taken_and_refused_by_it(rule: str) -> None:
    inputs = read_schema(TABLES.encode()).inputs
    (accepted,) = re.findall(r"```sql accepted\n(.*?)```", sections()[rule], re.S)
    check(inputs, accepted)
    ((named, refused),) = re.findall(r"```sql refused (S[0-9]+)\n(.*?)```", sections()[rule], re.S)
    with pytest.raises(Refused) as error:
        check(inputs, refused)
    assert error.value.rule.name == named == rule


def test_the_functions_are_the_codes() -> None:
    operators = {"~~": "LIKE", "!~~": "LIKE"}
    words = set(re.findall(r"[^\s`,()]+", sections()["S3"].split("TRY_CAST")[0]))
    assert {operators.get(name, name) for name in FUNCTIONS} <= words


def test_the_uses_and_types_are_the_codes() -> None:
    table = PAGE.split("## What the uses mean")[1].split("## The rules")[0]
    assert re.findall(r"^\| `([a-z]+)` \|", table, re.M) == [use.name.lower() for use in Use]
    assert set(re.findall(r"`([a-z]+)(?:\(n\))?`", table)) >= {kind.value for kind in Kind}


def test_its_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tables.toml").write_text(TABLES)
    (tmp_path / "query.sql").write_text(QUERY)
    assert len(COMMANDS) == 2
    for command in COMMANDS:
        done = CliRunner().invoke(make_app("rooms"), shlex.split(command))
        assert done.exit_code == 0, done.output
