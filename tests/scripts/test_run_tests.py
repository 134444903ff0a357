"""`./scripts/test`: what is run for which arguments, and how two halves end as one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scripts.run_tests import NOTHING_COLLECTED, Half, halves_of, run
from tests.hang import HANG_SECONDS

ROOT = Path(__file__).parents[2]
SERIAL = ("-m", "not long")


def test_the_whole_suite_is_two_halves_that_leave_out_no_test_and_run_none_twice() -> None:
    first, second = halves_of(["-rs", "--durations=25"], cores=2)
    assert first.arguments == ("-m", "not long and not processes", "-rs", "--durations=25")
    assert second.arguments[:2] == ("-m", "not long and processes")
    assert second.arguments[-2:] == ("-rs", "--durations=25")
    assert (first.gives_way, second.gives_way) == (True, False)


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
    assert [half.arguments for half in halves_of(asked, cores=8)] == [run]


def test_one_core_runs_one_by_one() -> None:
    assert [half.arguments for half in halves_of(["-rs"], cores=1)] == [(*SERIAL, "-rs")]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite of its own, of which a half is what its arguments name."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_good.py").write_text("def test_good(): pass\n")
    (tmp_path / "test_bad.py").write_text("def test_bad(): assert 'a word' == ''\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


GOOD, BAD, NONE = (
    Half(name, (*words, "-q", "-p", "no:cacheprovider"))
    for name, words in {
        "the good": ("test_good.py",),
        "the bad": ("test_bad.py",),
        "no": ("test_good.py", "-k", "nothing"),
    }.items()
)


@pytest.mark.parametrize(
    ("halves", "status", "words"),
    [
        ((GOOD, GOOD), 0, "both halves are good"),
        ((GOOD, NONE), 0, "both halves are good"),
        ((NONE, NONE), NOTHING_COLLECTED, "both halves are good"),
        ((BAD, GOOD), 1, "failed: the bad"),
        ((GOOD, BAD), 1, "failed: the bad"),
    ],
)
def test_one_bad_half_is_the_verdict_and_all_that_it_said_is_shown(
    project: Path, capfd: pytest.CaptureFixture[str], halves: list[Half], status: int, words: str
) -> None:
    assert run(halves) == status
    shown = capfd.readouterr().out
    assert words in shown.splitlines()[-1]
    assert shown.count("a word") >= (BAD in halves)
    assert [line for line in shown.splitlines() if line.startswith("=== ")][:2] == [
        f"=== {half.name}" for half in halves
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_both_halves_and_what_they_started(
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
        "half = it.Half('it', ('test_waits.py', '-s', '-p', 'no:cacheprovider')); "
        "sys.exit(it.run((half, it.Half('other', ('test_good.py',)))))"
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
