"""`./scripts/simulate`: what it prints, how it ends, and that a failing seed becomes shorter
(INTERFACES)."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from scripts.simulate_liar import load_liar
from scripts.simulate_seed import Shape, run_seed, shrink, smaller_of
from tests.hang import HANG_SECONDS
from tests.simulation.checkers import Omniscient, Violation

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import SignerIndex

ROOT = Path(__file__).parents[2]


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.simulate", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


def example() -> str:
    """The file that docs/simulation.md shows."""
    found = re.search(
        r"```python\n(.*?)```", (ROOT / "docs" / "simulation.md").read_text(), re.DOTALL
    )
    assert found is not None
    return found[1]


def test_seeds_as_json_are_one_line_with_exactly_the_promised_keys() -> None:
    done = simulate("--seeds", "6", "--first", "3", "--json")
    assert done.returncode == 0
    (line,) = done.stdout.splitlines()
    document = json.loads(line)
    assert list(document) == ["seeds", "failed", "faults", "seeds_per_second"]
    assert (document["seeds"], document["failed"]) == (6, [])
    assert document["seeds_per_second"] > 0


def test_the_last_line_is_a_summary() -> None:
    done = simulate("--seeds", "2", "--jobs", "1", "--nodes", "4")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("simulate: 2 seeds, all checks hold; ")


def test_a_transcript_has_time_node_and_what_on_each_line_and_is_the_same_again() -> None:
    outcome = run_seed(7, Shape(), trace=True)
    assert len(outcome.transcript) > 50
    assert all(re.match(r" *\d+\.\d{4} (\d+|-) \S", line) for line in outcome.transcript)
    assert outcome.transcript == run_seed(7, Shape(), trace=True).transcript


def test_planted_bugs_as_json() -> None:
    done = simulate("--planted", "--bug", "quorum off by one", "--json")
    assert done.returncode == 0
    (found,) = json.loads(done.stdout)
    assert list(found) == ["bug", "found", "seeds"]
    assert (found["bug"], found["found"]) == ("quorum off by one", True)
    assert found["seeds"] > 0


def test_the_liar_of_the_documentation_runs(tmp_path: Path) -> None:
    file = tmp_path / "liar.py"
    file.write_text(example())
    done = simulate("--liar", str(file), "--seeds", "4", "--nodes", "4", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["faults"]["liar: given"] == 4
    outcome = run_seed(1, Shape(7, file))
    assert not outcome.mistakes
    assert outcome.faults["liar: given"] == 2


def test_a_liar_that_raises_or_sends_what_has_no_wire_form_ends_nothing(tmp_path: Path) -> None:
    file = tmp_path / "liar.py"
    file.write_text(
        "from tests.simulation.actors.actor import Actor, Send\n"
        "class Liar(Actor):\n"
        "    def on_event(self, event, now):\n"
        "        return [Send(0, 'no message'), Send(99, None), 7] if self.role.random.random() < "
        "0.5 else 1 / 0\n"
    )
    outcome = run_seed(2, Shape(4, file))
    assert outcome.check == ""
    assert outcome.mistakes["ZeroDivisionError: division by zero"] > 0
    assert len(outcome.mistakes) > 1


@pytest.mark.parametrize("text", ["", "class Liar: pass", "1 / 0", "class Liar(: pass"])
def test_a_file_without_a_usable_liar_is_refused_with_a_hint(tmp_path: Path, text: str) -> None:
    file = tmp_path / "liar.py"
    file.write_text(text)
    with pytest.raises(OperatorFault, match=r"docs/simulation\.md"):
        load_liar(file)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--trace",),
        ("--seed", "1", "--seeds", "2"),
        ("--planted", "--seeds", "2"),
        ("--planted", "--bug", "no such bug"),
        ("--bug", "guard: F after X"),
        ("--liar", "nowhere.py"),
        ("--liar", "nowhere.py", "--nodes", "3"),
        ("--seeds", "0"),
        ("--no-such-option",),
    ],
)
def test_wrong_use_is_exit_2_with_a_hint_and_nothing_on_stdout(arguments: tuple[str, ...]) -> None:
    done = simulate(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_a_failing_seed_is_shrunk_and_still_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    true = Omniscient.signed

    def strict(self: Omniscient, signer: SignerIndex, statement: Statement) -> None:
        true(self, signer, statement)
        if statement.kind is Kind.FINALIZE and statement.view >= 2:
            raise Violation("invented", "no view above the first may be final")

    monkeypatch.setattr(Omniscient, "signed", strict)
    runs = (run_seed(seed, Shape()) for seed in range(100))
    honest_is_enough = (run for run in runs if run.check and not run.faults["liar: nuller"])
    seed = next(run.seed for run in honest_is_enough if len(run.plan.transactions) > 3)
    before = run_seed(seed, Shape())
    less, after = shrink(seed, Shape())
    assert after.check == before.check == "invented"
    left = [*after.plan.transactions, *filter(None, after.plan.strikes), *after.plan.liars]
    assert len(left) <= 2
    assert not any(run_seed(seed, Shape(), one).check for one in smaller_of(less, after.plan))
    assert run_seed(seed, Shape(), less).plan == after.plan
