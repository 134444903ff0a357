"""The scripts of a fresh clone: their form. What setup decides: test_setup.py."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRAPPERS = ["setup", "check", "test", "demo", "bench", "faults", "simulate", "leaks", "fuzz_door"]


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_script_is_executable_strict_and_well_formed(name: str) -> None:
    path = ROOT / "scripts" / name
    assert os.access(path, os.X_OK)
    assert "set -euo pipefail" in path.read_text()
    subprocess.run(["bash", "-n", str(path)], check=True)


@pytest.mark.parametrize(
    "name", ["check", "test", "demo", "bench", "faults", "simulate", "leaks", "fuzz_door"]
)
def test_every_script_sets_up_first(name: str) -> None:
    assert '"$root/scripts/setup"' in (ROOT / "scripts" / name).read_text()


def test_continuous_integration_runs_check_and_then_test() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert 0 < text.index("scripts/check") < text.index("scripts/test")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
