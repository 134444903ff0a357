"""`./scripts/setup`: which interpreter it takes, and what it leaves, without a network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JUDGE = Path("node", "machine", "interpreter.py")
TOOLS = ("bash", "dirname", "cat", "rm", "grep", "tail", "env", "readlink", "mkdir")
_FAKE = """#!/bin/sh
# Judged as {facts}; makes an environment that has a python and no pip, and no other.
case "$*" in
  "-I "*) exec "{base}" -I -c '
import runpy, sys, sysconfig
sys._base_executable = sys.executable = "{path}"
sys.version_info = (3, {minor}, 5)
for missing in "{missing}".split():
    sys.modules[missing] = None
flag = "-fprofile-use" if {guided} else ""
sysconfig.get_config_vars().update(CONFIG_ARGS="", PY_CORE_CFLAGS=flag, PGO_PROF_USE_FLAG="-x")
runpy.run_path(sys.argv[1], run_name="__main__")' "$2" ;;
  --version) echo "Python 3.{minor}.5" ;;
  *) exit 1 ;;
esac
"""


def fresh_clone(folder: Path) -> Path:
    """Only what setup looks at."""
    setup = folder / "scripts" / "setup"
    for path in (setup, folder / JUDGE):
        path.parent.mkdir(parents=True)
        path.write_text((ROOT / path.relative_to(folder)).read_text())
    setup.chmod(0o755)
    (folder / "pyproject.toml").write_text("[project]\n")
    return setup


def tools(folder: Path) -> Path:
    """A folder with what the script calls, and no Python."""
    folder.mkdir()
    for tool in TOOLS:
        found = subprocess.run(
            ["bash", "-c", f"type -P {tool}"], capture_output=True, text=True, check=True
        )
        (folder / tool).symlink_to(found.stdout.strip())
    return folder


def fake(path: Path, *, minor: int = 11, guided: bool = False, missing: str = "") -> Path:
    """An interpreter that the real judge judges, as one of another version and build."""
    path.parent.mkdir(exist_ok=True)
    base = Path(sys.executable).resolve()
    facts = f"3.{minor}, {'guided' if guided else 'plain'}, without {missing or 'nothing'}"
    path.write_text(
        _FAKE.format(base=base, path=path, minor=minor, guided=guided, missing=missing, facts=facts)
    )
    path.chmod(0o755)
    return path


def said_by(setup: Path, *folders: Path, **environment: str) -> str:
    """What it says on its way to an environment that no fake can make."""
    path = os.pathsep.join(map(str, folders))
    done = subprocess.run(
        [str(setup)],
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert not (setup.parents[1] / ".venv").exists()
    return done.stderr


def test_without_a_usable_python_it_says_what_to_do_and_leaves_nothing(tmp_path: Path) -> None:
    said = said_by(fresh_clone(tmp_path / "clone"), tools(tmp_path / "tools"))
    assert "no Python 3.11 or newer found" in said


def test_the_first_python3_of_the_path_is_taken_where_none_was_built_by_a_profile(
    tmp_path: Path,
) -> None:
    setup, least = fresh_clone(tmp_path / "clone"), tools(tmp_path / "tools")
    first = fake(tmp_path / "one" / "python3")
    fake(tmp_path / "two" / "python3", minor=12)
    fake(tmp_path / "two" / "python3.14", minor=14)
    said = said_by(setup, tmp_path / "one", tmp_path / "two", least)
    assert f"Python 3.11.5 ({first}): the first on the path" in said


def test_one_that_was_built_by_a_profile_is_taken_wherever_it_is_on_the_path(
    tmp_path: Path,
) -> None:
    setup, least = fresh_clone(tmp_path / "clone"), tools(tmp_path / "tools")
    fake(tmp_path / "one" / "python3")
    fake(tmp_path / "two" / "python3.12", minor=12)
    quick = fake(tmp_path / "three" / "python3.13", minor=13, guided=True)
    said = said_by(setup, tmp_path / "one", tmp_path / "two", tmp_path / "three", least)
    assert f"({quick}): built with profile-guided optimisation" in said


def test_of_several_the_one_of_the_first_ones_version_is_taken(tmp_path: Path) -> None:
    setup, least = fresh_clone(tmp_path / "clone"), tools(tmp_path / "tools")
    fake(tmp_path / "one" / "python3")
    fake(tmp_path / "two" / "python3", minor=14, guided=True)
    same = fake(tmp_path / "three" / "python3", guided=True)
    said = said_by(setup, tmp_path / "one", tmp_path / "two", tmp_path / "three", least)
    assert f"Python 3.11.5 ({same}): built with" in said


def test_one_that_is_too_old_or_has_no_pip_of_any_kind_is_passed_over(tmp_path: Path) -> None:
    setup, least = fresh_clone(tmp_path / "clone"), tools(tmp_path / "tools")
    fake(tmp_path / "one" / "python3", minor=10, guided=True)
    fake(tmp_path / "two" / "python3", guided=True, missing="ensurepip pip")
    fake(tmp_path / "three" / "python3", guided=True, missing="venv")
    able = fake(tmp_path / "four" / "python3", guided=True, missing="ensurepip")
    said = said_by(setup, *(tmp_path / name for name in ("one", "two", "three", "four")), least)
    assert f"({able}): built with" in said


def test_the_one_that_python_names_is_taken_whatever_its_build(tmp_path: Path) -> None:
    setup, least = fresh_clone(tmp_path / "clone"), tools(tmp_path / "tools")
    fake(tmp_path / "one" / "python3", guided=True)
    named = fake(tmp_path / "own" / "python3.12", minor=12)
    said = said_by(setup, tmp_path / "one", least, PYTHON=str(named))
    assert f"Python 3.12.5 ({named}): PYTHON names it" in said
    old = fake(tmp_path / "old" / "python3", minor=10)
    said = said_by(setup, tmp_path / "one", least, PYTHON=str(old))
    assert f"PYTHON={old} is no Python 3.11 or newer" in said


def test_what_cannot_be_installed_shows_the_log_and_leaves_no_half_made_environment(
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


@pytest.fixture
def installed(tmp_path: Path) -> tuple[Path, Path]:
    """A clone whose environment is made and recorded as installed, and its interpreter."""
    setup = fresh_clone(tmp_path / "clone")
    venv = tmp_path / "clone" / ".venv"
    python = Path(sys.executable).resolve()
    subprocess.run([python, "-m", "venv", "--without-pip", venv], check=True)
    heart = setup.read_text().partition("<<'PYTHON'\n")[2].partition("\nPYTHON\n")[0]
    stamp = subprocess.run(
        [venv / "bin" / "python", "-c", heart, setup.parents[1]],
        capture_output=True,
        text=True,
        check=True,
    )
    (venv / ".strongroom-installed").write_text(stamp.stdout)
    return setup, python


def test_an_environment_stays_whatever_the_path_offers_and_goes_when_python_names_another(
    tmp_path: Path, installed: tuple[Path, Path]
) -> None:
    setup, python = installed
    least = tools(tmp_path / "tools")
    better = fake(tmp_path / "one" / "python3", guided=True)
    path = os.pathsep.join((str(tmp_path / "one"), str(least)))
    for environment in ({}, {"PYTHON": str(python)}):
        kept = subprocess.run(
            [str(setup)], env={"PATH": path, **environment}, capture_output=True, text=True
        )
        assert (kept.returncode, kept.stderr) == (0, "")
    said = said_by(setup, tmp_path / "one", least, PYTHON=str(better))
    assert f"({better}): PYTHON names it" in said


def test_an_environment_whose_stamp_names_another_interpreter_is_made_anew(
    tmp_path: Path, installed: tuple[Path, Path]
) -> None:
    setup, _ = installed
    stamp = setup.parents[1] / ".venv" / ".strongroom-installed"
    digest, place = stamp.read_text().splitlines()
    stamp.write_text(f"{digest}\n{place}.9\n")
    fake(tmp_path / "one" / "python3", guided=True)
    assert "making .venv" in said_by(setup, tmp_path / "one", tools(tmp_path / "tools"))
