"""Every verifier comes to one verdict on every vector: the command line, and the page's checker in
Node (in Chromium: test_chromium.py)."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.node.receipt_checker.cases import cases
from tests.node.receipt_checker.services import receipt
from tests.node.receipt_checker.vectors import read_vectors, write_vectors
from tests.node.receipt_checker.verdicts import NO_NODE, NODE, NodeChecker, command_line
from typer.testing import CliRunner

from strongroom.node.cli.main import make_app

pytestmark = pytest.mark.processes
VECTORS = read_vectors()


@pytest.fixture(scope="module")
def checker() -> Iterator[NodeChecker]:
    if NODE is None:
        pytest.skip(NO_NODE)
    with NodeChecker() as made:
        yield made


def test_the_command_line_gives_every_vector_its_verdict() -> None:
    wrong = {
        case.name: found
        for case in VECTORS
        if (found := command_line(case.forged.text, case.forged.pin))[0] != case.verdict
    }
    assert wrong == {}


def test_the_checker_gives_every_vector_its_verdict(checker: NodeChecker) -> None:
    wrong = {
        case.name: found.sentence
        for case in VECTORS
        if (found := checker.judge(case.forged.text, case.forged.pin)).verdict != case.verdict
    }
    assert wrong == {}


def test_cases_made_anew_get_the_verdict_that_is_meant(checker: NodeChecker) -> None:
    """The list of today's code; UPDATE_VECTORS=1 writes it into the vectors' file."""
    made = list(cases())
    for case in made:
        said = command_line(case.forged.text, case.forged.pin)[0]
        judged = checker.judge(case.forged.text, case.forged.pin).verdict
        assert (said, judged) == (case.verdict, case.verdict), case.name
    if os.environ.get("UPDATE_VECTORS"):
        write_vectors(made)
    known = [(case.name, case.verdict) for case in read_vectors()]
    assert known == [(case.name, case.verdict) for case in made], "run with UPDATE_VECTORS=1"


def test_there_are_vectors_of_every_kind_and_each_stands_once() -> None:
    counts = Counter(case.verdict for case in VECTORS)
    assert set(counts) == {"valid", "forged", "incomplete", "cannot check"}
    assert counts["forged"] > 300
    assert len({case.name for case in VECTORS}) == len(VECTORS)


def test_a_verdict_names_the_step_that_fails_first(checker: NodeChecker) -> None:
    steps = {
        "index: a text": 0,
        "pin: of another service": 1,
        "policy: other code": 2,
        "outcome path: one more": 3,
        "history path: another hash": 4,
        "epochs: two of four ended one": 5,
        "certificate: two of four": 6,
    }
    by_name = {case.name: case for case in VECTORS}
    for name, failing in steps.items():
        case = by_name[name]
        found = checker.judge(case.forged.text, case.forged.pin)
        assert found.steps == (True,) * failing + (False,) + (None,) * (6 - failing), name


def test_without_a_verdict_no_step_is_called_wrong(checker: NodeChecker) -> None:
    whole = receipt()
    assert checker.judge(whole.text, None).steps == (None,) * 7
    assert checker.judge(whole.text, None).verdict == "cannot check"
    assert checker.judge(whole.text, "sr1-x").steps == (True, *(None,) * 6)


def test_the_commands_own_output_says_the_same(tmp_path: Path) -> None:
    """One of each verdict through the command itself."""
    runner, app = CliRunner(), make_app("verify")
    codes = {"valid": 0, "forged": 1, "incomplete": 1, "cannot check": 4}
    for verdict, code in codes.items():
        case = next(one for one in VECTORS if one.verdict == verdict and one.forged.pin)
        file = tmp_path / "receipt.json"
        file.write_bytes(case.forged.text)
        arguments = ["verify", "receipt", str(file), "--service", case.forged.pin]
        result = runner.invoke(app, arguments)
        assert (result.exit_code, result.output.split(":")[0]) == (code, verdict), case.name
