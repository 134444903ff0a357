"""`strongroom rooms check`: words, JSON and exit codes; schemas that are none."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.room.analytics.types import Kind
from strongroom.node.cli.main import make_app
from strongroom.node.rooms.mock_rows import mock_table
from strongroom.node.rooms.schema_file import read_schema

TABLES = """
digits = 2
[tables.pay]
unit = "account"
k = 5
[tables.pay.columns]
account = { type = "integer", uses = ["identity", "join"] }
bank = { type = "text", uses = ["group", "output"] }
amount = { type = "decimal(2)", uses = ["aggregate"], bounds = [-0.5, 10_000], rounding = 0.1 }
share = { type = "real", uses = ["aggregate"], bounds = [0, 1] }
at = { type = "timestamp", uses = ["group", "output"] }
[tables.seen]
unit = "who"
k = 2
epsilon = 0.25
keys = [["seen-0"], ["x"]]
noise = { epsilon_job = 1, epsilon_life = 2.5, groups = 1, rows = 1, threshold = 9 }
[tables.seen.columns]
who = { type = "integer", uses = ["identity"] }
ward = { type = "text", uses = ["group", "output"] }
"""


def run(tmp_path: Path, sql: str, *options: str, tables: str = TABLES) -> Any:
    (tmp_path / "q.sql").write_text(sql)
    (tmp_path / "t.toml").write_text(tables)
    words = ["rooms", "check", str(tmp_path / "q.sql"), "--schema", str(tmp_path / "t.toml")]
    return CliRunner().invoke(make_app("rooms"), [*words, *options])


def test_a_query_that_may_run_says_what_it_costs(tmp_path: Path) -> None:
    sql = "SELECT ward, count(*) AS n FROM seen GROUP BY ward"
    done = run(tmp_path, sql)
    assert done.exit_code == 0
    assert "from 2 units of seen on" in done.stdout
    assert "ε = 0.25 of seen" in done.stdout
    document = json.loads(run(tmp_path, sql, "--json", "--rows", "50").stdout)
    assert document["ok"] is True
    assert document["epsilon_micros"] == {"seen": 250_000}
    assert document["columns"] == [
        {"name": "ward", "type": "text"},
        {"name": "n", "type": "integer"},
    ]
    assert [row[0] for row in document["mock"]["first"]] == ["seen-0", "x"]


def test_groups_show_over_mock_rows(tmp_path: Path) -> None:
    sql = "SELECT bank, avg(amount) AS a, sum(share) AS s FROM pay GROUP BY bank"
    document = json.loads(run(tmp_path, sql, "--json").stdout)
    assert document["mock"]["rows"] == 4


def test_a_refusal_exits_with_1_and_names_the_rule(tmp_path: Path) -> None:
    done = run(tmp_path, "SELECT bank, min(amount) FROM pay GROUP BY bank", "--json")
    assert done.exit_code == 1
    assert "S6" in json.loads(done.stdout)["error"]["message"]
    assert "1:14" in done.stderr


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("digits = 2", "digits = 2.5"),
        ("digits = 2", "digit = 2"),
        ("k = 5", "k = 0"),
        ("k = 5", ""),
        ("k = 5", "k = true"),
        ('unit = "account"', 'unit = "bank"'),
        ('"integer"', '"int"'),
        ("decimal(2)", "decimal(99)"),
        ("decimal(2)", "decimal(-2)"),
        ('["aggregate"]', '["aggregates"]'),
        ('["aggregate"]', '["aggregate", "aggregate"]'),
        ('["aggregate"]', '"aggregate"'),
        ("bounds = [-0.5, 10_000]", "bounds = [1]"),
        ("bounds = [-0.5, 10_000]", "bounds = [-0.0000005, 1]"),
        ("bounds = [-0.5, 10_000]", "bounds = [2, 1]"),
        ("bounds = [-0.5, 10_000]", "bound = [1, 2]"),
        ("bounds = [-0.5, 10_000]", "bounds = [-inf, 1]"),
        ("rounding = 0.1", "rounding = 0.001"),
        ("epsilon = 0.25", 'epsilon = "1"'),
        ("epsilon_job = 1", "epsilon_job = 3"),
        ("groups = 1", "groups = 0"),
        ('keys = [["seen-0"], ["x"]]', 'keys = ["seen-0"]'),
        ('keys = [["seen-0"], ["x"]]', "keys = [[1.5]]"),
        ("[tables.pay]", "[tables.pay"),
        ("bank =", "Bank ="),
    ],
)
def test_a_schema_that_is_none_says_where(good: str, bad: str, tmp_path: Path) -> None:
    assert good in TABLES
    wrong = TABLES.replace(good, bad, 1)
    with pytest.raises(OperatorFault):
        read_schema(wrong.encode())
    done = run(tmp_path, "SELECT count(*) AS n FROM pay", tables=wrong)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_an_alias_that_is_no_name_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "SELECT 1", tables=TABLES.replace("tables.pay", 'tables."Päy"'))
    assert done.exit_code == 1


def test_mock_rows_are_of_their_schema_and_the_same_each_time() -> None:
    policy = read_schema(TABLES.encode()).inputs["pay"].policy
    one, other = mock_table(policy, 200), mock_table(policy, 200)
    assert dict(one.columns) == dict(other.columns)
    assert len(set(one.columns["account"])) <= 20
    assert all(-0.5 <= float(amount) <= 10_000 for amount in one.columns["amount"])
    assert {column.type.kind for column in policy.columns} > {Kind.REAL, Kind.TIMESTAMP}


def test_what_cannot_be_read_is_usage(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_bytes(b"\xff")
    (tmp_path / "t.toml").write_text(TABLES)
    for file, schema in (("q.sql", "t.toml"), ("none.sql", "t.toml"), ("t.toml", "none.toml")):
        words = ["rooms", "check", str(tmp_path / file), "--schema", str(tmp_path / schema)]
        assert CliRunner().invoke(make_app("rooms"), words).exit_code == 2
