"""The hospitals' story, whole: on invented hospitals and on the public ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.enclave.room.library.public_sets import FOLDER, needs_public_sets

ROOT = Path(__file__).parents[3]


@pytest.mark.long
@pytest.mark.processes
@pytest.mark.parametrize(
    "data",
    [
        pytest.param((), id="invented"),
        pytest.param(("--data", str(FOLDER)), id="public", marks=needs_public_sets),
    ],
)
def test_T63_T64_the_whole_story_holds(tmp_path: Path, data: tuple[str, ...]) -> None:
    pytest.importorskip("duckdb", reason="the extra `rooms` is not installed")
    report = tmp_path / "health.html"
    command = [sys.executable, str(ROOT / "scripts/demo.py"), "--scenario", "health", "--json"]
    done = subprocess.run(
        [*command, *data, "--report", str(report)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["ok"] is True
    assert all(line["holds"] for line in document["lines"])
    codes = {one["code"] for one in document["refusals"]}
    assert codes >= {"RowsRefused", "no-data", "terms", "not-approved", "recipients", "withdrawn"}
    metrics = document["health"]["metrics"]
    if data:
        assert round(document["health"]["fit"]["objective"], 5) == 204.03565
        assert all(row["auc"] > (row["alone_auc"] or 0) for row in metrics)
    else:
        assert any(row["auc"] <= row["alone_auc"] for row in metrics), "it gains nothing somewhere"
    page = report.read_text()
    assert page.count("<svg") == 2
    assert all(row["owner"] in page for row in metrics)
