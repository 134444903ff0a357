"""The leak harness: twins that differ in secrets only, a comparison that sees, a hunt that is not
blind (T08-T10)."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripts.leak_hunt import hunting
from scripts.leak_hunt.comparing import compare, first_difference, lasting
from scripts.leak_hunt.frames import FrameLine, read_frames
from scripts.leak_hunt.hunting import hunt_control
from scripts.leak_hunt.secrets_of_twins import BURST, SINGLES, Secrets, loud_twin, quiet_twin
from scripts.leak_hunt.sightings import Sightings, _clients
from scripts.leaks import RUNS_MAX
from tests.hang import HANG_SECONDS

from strongroom.enclave.formats.envelope import Call
from strongroom.enclave.formats.size_classes import CALL_SIZES, pad
from strongroom.enclave.programs import bind_arguments
from strongroom.node.demo.hunt import forms_of

ROOT = Path(__file__).parents[2]
TWINS: list[Callable[[random.Random], Secrets]] = [quiet_twin, loud_twin]


def someone(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")


def twin(make: Callable[[random.Random], Secrets], seed: int = 1) -> Secrets:
    return make(random.Random(seed))


# --- the twins ------------------------------------------------------------------------------------


def test_twins_have_as_many_payments_each_of_the_smallest_class_of_envelopes() -> None:
    for make in TWINS:
        secrets = twin(make)
        assert (len(secrets.singles), len(secrets.burst)) == (SINGLES, BURST)
        for one in (*secrets.singles, *secrets.burst):
            arguments = {"to": one.to, "amount": one.amount, "memo": one.memo, "source": one.source}
            call = Call(
                "payments",
                bytes(32),
                "transfer",
                bind_arguments("payments", "transfer", arguments, someone),
            )
            assert len(pad(call.encode(), CALL_SIZES)) == CALL_SIZES[0]


def test_twins_differ_in_everything_that_is_secret() -> None:
    quiet, loud = twin(quiet_twin), twin(loud_twin, seed=2)
    assert (quiet.payer, quiet.asker, quiet.third) != (loud.payer, loud.asker, loud.third)
    assert {one.amount for one in quiet.singles}.isdisjoint(
        {one.amount for one in loud.singles} - {1, 5, 7}
    )
    assert set(quiet.canaries).isdisjoint(loud.canaries)
    assert max(len(one.memo) for one in quiet.burst) > max(len(one.memo) for one in loud.burst)


def test_an_amount_is_hunted_as_digits_and_as_bytes_in_either_order() -> None:
    secrets = twin(loud_twin)
    _, _, digits, big, little = secrets.canaries
    assert int(digits) == secrets.singles[0].amount
    assert int(digits).to_bytes(8, "big") == big.encode()
    assert int(digits).to_bytes(8, "little") == little.encode()


# --- the comparison -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        ([1, 2, 3], [1, 2, 4], ", 3."),
        ([1, 2], [1, 2, 3], ", how many"),
        ({"a": [1]}, {"a": [2]}, ", a, 1."),
        ({"a": 1}, {"a": 1, "b": 2}, ", b"),
        ([[1], []], [[1], [5]], ", 2., how many"),
        (1, 1, ""),
    ],
)
def test_the_first_difference_is_named(one: Any, other: Any, place: str) -> None:
    assert first_difference(one, other)[0] == place


def test_what_differs_is_a_leak_unless_only_the_clock_decides_it() -> None:
    first = Sightings({"codes": [0, 0], "sizes": [1]}, {"timers": 3})
    second = Sightings({"codes": [0, 1], "sizes": [1], "new": 1}, {"timers": 4})
    rows = {row.what: row for row in compare(first, second)}
    assert {what for what, row in rows.items() if row.is_leak} == {"codes", "new"}
    assert rows["timers"].differs


def test_a_difference_that_does_not_come_back_is_put_down_to_the_clock() -> None:
    same, other = Sightings({"a": 1, "b": 1, "c": 1}, {}), Sightings({"a": 2, "b": 2, "c": 1}, {})
    later = Sightings({"a": 3, "b": 1, "c": 3}, {})
    rows = lasting(compare(same, other), compare(same, later))
    assert [row.what for row in rows if row.is_leak] == ["a"]
    assert {row.what for row in rows if row.differs} == {"a", "c"}


def test_a_count_that_is_greater_now_here_now_there_is_put_down_to_the_clock() -> None:
    """What a secret does, it does to the same twin."""
    nine, eight = (
        Sightings({"views": 9, "names": "a"}, {}),
        Sightings({"views": 8, "names": "b"}, {}),
    )
    again = lasting(compare(nine, eight), compare(nine, eight))
    assert {row.what for row in again if row.is_leak} == {"views", "names"}
    turned = lasting(compare(nine, eight), compare(eight, nine))
    assert {row.what for row in turned if row.is_leak} == {"names"}


def test_a_question_that_a_client_asks_by_its_clock_is_no_leak_wherever_it_stands() -> None:
    call = [FrameLine("client", "ledger_submit_many", way, 231) for way in ("in", "out")]
    clocked = [FrameLine("client", "node_status", way, 44) for way in ("in", "out")]
    query = [FrameLine("client", "ledger_query", "in", 1568)]
    assert _clients([*call, *clocked]) == _clients([*clocked, *call, *clocked])
    assert _clients([*call, *query]) != _clients([*query, *call])


def test_frames_come_back_as_they_were_written_down(tmp_path: Path) -> None:
    lines = [
        FrameLine("door", "EXECUTE", "in", 7),
        FrameLine("client", "ledger_query: -32004", "out", 0),
    ]
    (tmp_path / "frames").write_bytes(b"".join(line.encode() for line in lines))
    assert read_frames(tmp_path / "frames") == lines
    assert read_frames(tmp_path / "none") == []


# --- the hunt -------------------------------------------------------------------------------------


def test_the_control_stands_in_every_form_and_each_is_found(tmp_path: Path) -> None:
    assert hunt_control(tmp_path, "control-text").blind == ""


def test_a_hunt_that_overlooks_a_form_is_called_blind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms = forms_of

    def with_one_that_is_not_hunted(text: str) -> dict[str, bytes]:
        return {**forms(text), "rot13": b"pbageby-grkg"}

    monkeypatch.setattr(hunting, "forms_of", with_one_that_is_not_hunted)
    assert hunt_control(tmp_path, "control-text").blind == "not found: rot13"


@pytest.mark.processes
def test_T08_twins_on_a_real_node_differ_in_nothing_that_its_host_sees(tmp_path: Path) -> None:
    """T08, T09, T10: and no memo, label or amount stands in a file, in a frame, or in the host's
    memory."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "scripts.leaks", "--nodes", "1", "--json"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=RUNS_MAX * HANG_SECONDS,
        check=False,
    )
    assert done.stdout.count("\n") == 1, done.stderr
    document = json.loads(done.stdout)
    assert (done.returncode, document["leaks"]) == (0, []), done.stderr
    assert document["compared"] >= 15
    assert document["searched_bytes"] > 2**20
    assert os.listdir(tmp_path) == []
