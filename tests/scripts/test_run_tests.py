"""`./scripts/test`: what is run for which arguments, and how its parts end as one."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scripts.run_tests import (
    FILES_MAX,
    NOTHING_COLLECTED,
    PROCESSES_MARK,
    Part,
    _parts,
    parts_of,
    run,
    suite_files,
)
from tests.hang import HANG_SECONDS

ROOT = Path(__file__).parents[2]
SERIAL = ("-m", "not long")


def chosen(part: Part) -> tuple[str, list[str], list[str]]:
    """(mark, options, files) of a part."""
    words = list(part.arguments)
    files = [word for word in words if word.startswith("tests/")]
    assert words[0] == "-m"
    return words[1], words[2 : len(words) - len(files)], files


def test_the_parts_leave_out_no_test_and_run_none_twice() -> None:
    parts = parts_of(["-rs", "--durations=25"], cores=2)
    files: dict[str, list[str]] = {"not long and processes": [], "not long and not processes": []}
    for part in parts:
        mark, options, some = chosen(part)
        assert some, "a pytest that is given no file runs all of them"
        assert options[0] == "-o", "no two share what is noted from one run to the next"
        assert options[2:] == ["-rs", "--durations=25"]
        assert part.gives_way == (mark == "not long and not processes")
        files[mark] += some
    every = suite_files()
    starting = [name for name in every if PROCESSES_MARK in (ROOT / name).read_text()]
    assert sorted(files["not long and not processes"]) == every
    assert sorted(files["not long and processes"]) == starting
    assert len({chosen(part)[1][1] for part in parts}) == len(parts)
    assert {Path(name).name for name in every} == {
        path.name for path in (ROOT / "tests").rglob("test_*.py")
    }
    for conftest in (ROOT / "tests").rglob("conftest.py"):
        assert "pytest.mark" not in conftest.read_text(), "a mark that no file shows is not found"


def test_one_part_alone_is_given_ports_for_clusters() -> None:
    clusters, rooms, *others = parts_of([], cores=2)
    assert (clusters.name, rooms.name) == ("clusters", "processes without clusters")
    assert all(one.gives_way for one in others)
    for name in chosen(rooms)[2]:
        words = (ROOT / name).read_text()
        assert not re.search(r"reserve_free|ClusterLayout|base.port|\"cluster\"", words), name


def test_a_part_has_few_files_and_what_is_beside_it_in_a_folder() -> None:
    files = [f"tests/{folder}/test_{at}.py" for folder in "abc" for at in range(FILES_MAX // 2)]
    parts = _parts((), files, starting=[])
    given = [chosen(part)[2] for part in reversed(parts)]
    assert [name for some in given for name in some] == files
    assert max(map(len, given)) <= FILES_MAX


@pytest.mark.parametrize(
    ("asked", "run"),
    [
        (["--one-by-one", "-x"], (*SERIAL, "-x")),
        (["tests/node"], (*SERIAL, "tests/node")),
        (["-k", "ports"], (*SERIAL, "-k", "ports")),
        (["-m", "long"], ("-m", "long")),
        (["-mlong", "-x"], ("-mlong", "-x")),
        (["tests/a.py::test_long"], ("tests/a.py::test_long",)),
    ],
)
def test_a_part_of_it_runs_one_by_one(asked: list[str], run: tuple[str, ...]) -> None:
    assert [part.arguments for part in parts_of(asked, cores=8)] == [run]


def test_one_core_runs_one_by_one() -> None:
    assert [part.arguments for part in parts_of(["-rs"], cores=1)] == [(*SERIAL, "-rs")]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite of its own, of which a part is what its arguments name."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_good.py").write_text("def test_good(): pass\n")
    (tmp_path / "test_bad.py").write_text("def test_bad(): assert 'a word' == ''\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return tmp_path


GOOD, BAD, NONE = (
    Part(name, (*words, "-q", "-p", "no:cacheprovider"))
    for name, words in {
        "the good": ("test_good.py",),
        "the bad": ("test_bad.py",),
        "no": ("test_good.py", "-k", "nothing"),
    }.items()
)


@pytest.mark.parametrize(
    ("parts", "status", "words"),
    [
        ((GOOD, GOOD), 0, "all parts are good"),
        ((GOOD, NONE), NOTHING_COLLECTED, "failed: no (no test was left to run)"),
        ((NONE, BAD), NOTHING_COLLECTED, "failed: no (no test was left to run); the bad"),
        ((BAD, GOOD), 1, "failed: the bad"),
        ((GOOD, BAD), 1, "failed: the bad"),
        ((BAD, BAD, GOOD, GOOD), 1, "failed: the bad"),
    ],
)
def test_one_bad_part_is_the_verdict_and_all_that_it_said_is_shown(
    project: Path, capfd: pytest.CaptureFixture[str], parts: list[Part], status: int, words: str
) -> None:
    assert run(parts) == status
    shown = capfd.readouterr().out
    assert words in shown.splitlines()[-1]
    assert shown.count("a word") >= (BAD in parts)
    assert [line for line in shown.splitlines() if line.startswith("=== ")][:-1] == [
        f"=== {part.name}" for part in parts
    ]


def test_a_mark_that_no_word_of_its_file_shows_is_refused(project: Path) -> None:
    """Its test would be in no part: not in that of its file, nor among the clusters."""
    (project / "conftest.py").write_text(
        "from tests.conftest import pytest_collection_modifyitems as pytest_collection_modifyitems"
    )
    (project / "test_waits.py").write_text(
        "import pytest\n"
        "hidden = getattr(pytest.mark, 'pro' + 'cesses')\n"
        "@hidden\n"
        "def test_hidden(): pass\n"
    )
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not processes"]
    words += ["-W", "ignore::pytest.PytestUnknownMarkWarning"]
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, env=there, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert "test_waits.py" in done.stderr
    shown = (project / "test_waits.py").read_text() + f"# {PROCESSES_MARK}\n"
    (project / "test_waits.py").write_text(shown)
    (project / "test_bad.py").unlink()
    assert subprocess.run(words, capture_output=True, env=there, check=False).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_all_parts_and_what_they_started(
    project: Path, number: signal.Signals
) -> None:
    """A fixture's clean-up is the witness: a killed pytest would run none."""
    (project / "test_waits.py").write_text(
        "import pathlib, pytest, time\n"
        "@pytest.fixture\n"
        "def cluster():\n"
        "    print('begun', flush=True)\n"
        "    yield\n"
        "    pathlib.Path('ended').write_text('')\n"
        "def test_waits(cluster): time.sleep(600)\n"
    )
    program = (
        "import signal, sys; from scripts import run_tests as it; "
        "signal.signal(signal.SIGINT, it._ended); signal.signal(signal.SIGTERM, it._ended); "
        "part = it.Part('it', ('test_waits.py', '-s', '-p', 'no:cacheprovider')); "
        "sys.exit(it.run((part, it.Part('other', ('test_good.py',)))))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "begun" in line:
                process.send_signal(number)
                break
        rest, _ = process.communicate(timeout=HANG_SECONDS)
    assert "KeyboardInterrupt" in rest, "what it had found by then is shown"
    assert process.returncode == 128 + number
    assert (project / "ended").exists()
