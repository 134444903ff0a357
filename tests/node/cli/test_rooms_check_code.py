"""`strongroom rooms check FILE.py`: code tried in a cell like a job's, over made-up rows."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import strongroom.node.clean_rooms
from strongroom.node.cli.main import make_app

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")
DOCS = Path(next(iter(strongroom.node.clean_rooms.__path__))).resolve().parents[1] / "docs"
SCHEMA = """
digits = 3
memory_mb = 64
duration = "20s"
[tables.a]
unit = "from_account"
k = 5
[tables.a.columns]
from_bank = { type = "text", uses = ["group", "output"] }
from_account = { type = "integer", uses = ["identity"] }
amount = { type = "integer", uses = ["aggregate"], bounds = [0, 100] }
day = { type = "date", uses = ["group"] }
[parameters]
least = 1
[outputs.shares]
bytes = 2_000
columns = { bank = "text", share = "real" }
"""
GIVES = "room.give_table('shares', {'bank': ['x'] * N, 'share': [1 / 3] * N})"


def run(tmp_path: Path, code: str, *options: str, schema: str = SCHEMA) -> Any:
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "t.toml").write_text(schema)
    words = ["rooms", "check", str(tmp_path / "mine.py"), "--schema", str(tmp_path / "t.toml")]
    return CliRunner().invoke(make_app("rooms"), [*words, *options])


def body(text: str) -> str:
    return f"def run(room):\n    {text}\n"


def test_the_pages_code_runs_and_says_what_it_gives(tmp_path: Path) -> None:
    page = (DOCS / "clean-rooms-python.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    done = run(tmp_path, code)
    assert done.exit_code == 0, done.output
    assert "shares: table, " in done.stdout
    assert "code does not read a.day" in done.stdout
    document = json.loads(run(tmp_path, code, "--json", "--rows", "100").stdout)
    assert document["ok"] is True
    ((one),) = document["outputs"]
    assert (one["name"], one["kind"], one["columns"]) == ("shares", "table", ["bank", "share"])
    assert sum(share for _, share in one["first"]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            body("raise ValueError(room.table('a').rows + room.parameters['least'])"),
            "line 2, in run",
        ),
        (body("raise ValueError(room.table('a').rows + room.parameters['least'])"), "Error: 1001"),
        (body(GIVES.replace("N", "500")), "shares: "),
        (body(GIVES.replace("N", "500")), "the contract says 2000"),
        (body("pass"), "shares: the code gives no such table"),
        (body("room.give_table('shares', {'bank': ['x']})"), "its columns are bank, share"),
        (body("room.give_table('other', {})"), "this stage gives, each once: shares (table)"),
        (body("kept = bytearray(200 << 20)"), "MemoryError"),
        (body("import os"), "os: a cell's code imports"),
        (body("import random; random.SystemRandom().random()"), "the walls ended it"),
        ("def run(room:\n", "SyntaxError"),
        ("x = 1\r\ndef run(room): ...\n", "ended by a line feed alone"),
        ("# \u202e\ndef run(room): ...\n", "hidden signs"),
        ("x = 1\n", "the code has no `def run(room)`"),
    ],
)
def test_what_a_job_would_fail_for_is_told_its_author(tmp_path: Path, code: str, said: str) -> None:
    done = run(tmp_path, code)
    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[outputs.shares]\nbytes = 2_000\n", "[unknown]\n", "unknown 'unknown'"),
        ('columns = { bank = "text", share = "real" }', "", "a table says its columns"),
        ('"real" }', '"blob" }', "kind of a column"),
        ("memory_mb = 64", "memory_mb = 1", "memory_mb: 64 to"),
        ('duration = "20s"', "duration = 20", "duration: a text"),
        ("least = 1", "least = 1.5", "parameters: whole numbers"),
        ("bytes = 2_000", "size = 2_000", "kind, bytes and columns are said here"),
    ],
)
def test_a_schema_that_is_none_for_code_is_named(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in SCHEMA
    done = run(tmp_path, body("pass"), schema=SCHEMA.replace(old, new))
    assert done.exit_code == 2, done.output
    assert said in done.stderr


def test_code_that_is_longer_than_a_stage_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "#" * (48 * 1024 + 1))
    assert done.exit_code == 2
    assert "more than 49152 bytes" in done.stderr
