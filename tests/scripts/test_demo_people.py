"""The demo of people and their provider holds line by line; and its provider stays in the tests."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.processes
def test_the_scenario_holds_line_by_line(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "demo.py"), "--scenario", "people", "--json"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    told = subprocess.run(
        command, capture_output=True, text=True, timeout=900, env=environment, check=False
    )
    assert told.returncode == 0, told.stderr[-4000:]
    document = json.loads(told.stdout)
    assert document["ok"]
    assert len(document["lines"]) > 25
    refusals = {line.rpartition("refused, ")[2] for line in document["lines"]}
    assert refusals >= {
        "region",
        "nonce",
        "not-newer",
        "key-unknown",
        "no-one-in-region",
        "issuer-unknown",
    }
    assert list(tmp_path.iterdir()) == [], "no folder is left"


def test_no_package_of_the_product_loads_the_helpers_provider() -> None:
    loads = re.compile(r"^\s*(from|import) (tests|scripts|joserfc|authlib)\b", re.MULTILINE)
    for package in ("consensus", "enclave", "node"):
        for file in (ROOT / package).rglob("*.py"):
            assert not loads.search(file.read_text()), file
