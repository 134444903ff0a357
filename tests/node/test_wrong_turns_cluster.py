"""The rows of the table of wrong turns that need a cluster of real processes; they share one."""

import json
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.node.cli.test_wrong_turns import check
from tests.node.cli.wrong_turns import ROWS, Place, WrongTurn
from tests.node.commands import CLI
from tests.node.commands import beside as run

from strongroom.node.cluster.cluster import open_cluster
from strongroom.node.layout import DEFAULT_DIRECTORY

pytestmark = pytest.mark.processes

BY_PREPARATION = {row.prepare or row.does: row for row in ROWS if row.place is Place.CLUSTER}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a running cluster in `strongroom-data`."""
    folder = tmp_path_factory.mktemp("here")
    made = run("cluster", "up", "--detach", "--base-port", "0", folder=folder)
    assert made.returncode == 0, made.stderr
    yield folder
    run("cluster", "down", folder=folder)


def played(row: WrongTurn, folder: Path, **words: str) -> None:
    done = run(*(words.get(word, word) for word in shlex.split(row.does)), folder=folder)
    check(row, done.returncode, done.stdout + done.stderr)


def test_every_row_that_needs_a_cluster_is_played_here() -> None:
    assert set(BY_PREPARATION) == {
        "explorer block 999999",
        "receipt TXID",
        "cluster up --dir second --base-port PORT",
        "two_killed",
        "interrupted",
    }


def test_what_is_not_there_is_said_to_be_not_there(here: Path) -> None:
    played(BY_PREPARATION["explorer block 999999"], here)
    played(BY_PREPARATION["receipt TXID"], here, TXID="ab" * 32)


def test_a_port_of_another_cluster_names_that_cluster_and_how_it_is_stopped(here: Path) -> None:
    port = open_cluster(here / DEFAULT_DIRECTORY).nodes[0].config().rpc.port
    played(BY_PREPARATION["cluster up --dir second --base-port PORT"], here, PORT=str(port))
    assert not (here / "second").exists()


def test_a_cluster_that_is_up_says_what_to_trust_and_what_to_do_next(here: Path) -> None:
    """A second `up` changes nothing and says the same."""
    shown = run("cluster", "up", "--detach", folder=here)
    document = json.loads(run("cluster", "up", "--detach", "--json", folder=here).stdout)
    assert (document["voting"], document["quorum"], document["simulated"]) == (4, 3, True)
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("strongroom-local: 4 of 4 nodes vote, a quorum is 3")
    assert lines[1].startswith("SIMULATED platform")
    assert f"  pin         {document['service']}" in lines
    assert max(map(len, lines)) <= 80
    assert "--dir" not in shown.stdout
    for command in document["next"]:
        assert command in shown.stdout
        words = shlex.split(command)[1:]
        if words[0] == "call":
            assert run(*words, folder=here).returncode == 0


def test_without_a_quorum_the_nodes_are_named_and_one_that_may_be_started(here: Path) -> None:
    for name in ("n2", "n3"):
        assert run("cluster", "kill", name, folder=here).returncode == 0
    played(BY_PREPARATION["two_killed"], here)


def test_ctrl_c_in_the_middle_says_what_was_stopped_again_and_how_to_go_on(here: Path) -> None:
    """Sent as soon as n3 is started; n0 and n1 ran before, and run on."""
    row = BY_PREPARATION["interrupted"]
    for name in ("n2", "n3"):
        run("cluster", "kill", name, folder=here)
    for name in ("n0", "n1"):
        run("cluster", "start", name, folder=here)
    with subprocess.Popen(
        [*CLI, *shlex.split(row.does)],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "starting n3" in line:
                process.send_signal(signal.SIGINT)
    check(row, process.returncode, "".join(said))
    running = open_cluster(here / DEFAULT_DIRECTORY).running()
    assert [node.name for node in running] == ["n0", "n1"]
