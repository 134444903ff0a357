"""The scripts of a fresh clone: form, and what setup decides without a network."""

import os
import subprocess
import sys
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


def fresh_clone(folder: Path) -> Path:
    """Only what setup looks at."""
    (folder / "scripts").mkdir(parents=True)
    setup = folder / "scripts" / "setup"
    setup.write_text((ROOT / "scripts" / "setup").read_text())
    setup.chmod(0o755)
    (folder / "pyproject.toml").write_text("[project]\n")
    return setup


def test_setup_without_a_usable_python_says_what_to_do_and_leaves_nothing(tmp_path: Path) -> None:
    setup = fresh_clone(tmp_path / "clone")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "dirname", "cat", "rm", "grep", "tail", "env"):
        found = subprocess.run(
            ["bash", "-c", f"type -P {tool}"], capture_output=True, text=True, check=True
        )
        (tools / tool).symlink_to(found.stdout.strip())
    done = subprocess.run(
        [str(setup)], env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "no Python 3.11 or newer found" in done.stderr
    assert not (tmp_path / "clone" / ".venv").exists()


def test_setup_that_cannot_install_shows_the_log_and_leaves_no_half_made_environment(
    tmp_path: Path,
) -> None:
    """With a Python that has pip and no ensurepip, as Debian ships it: unpacking pip for one test
    would take longer than all else here."""
    setup = fresh_clone(tmp_path / "clone")
    (tmp_path / "clone" / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "not a version"\n'
    )
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\ncase "$*" in "-m venv --without-pip "*) ;; "-m venv "*) exit 1 ;; esac\n'
        f'exec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(python), "PIP_NO_INDEX": "1", "PIP_RETRIES": "0"}
    done = subprocess.run(
        [str(setup)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "last lines of the log" in done.stderr
    assert not (tmp_path / "clone" / ".venv").exists()
