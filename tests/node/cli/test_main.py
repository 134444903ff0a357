"""The command line's form: every command is helped, quick, pure with --json, and tells its exit
code."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from tests.node.cli.folders import PIN, stopped_folder
from typer.testing import CliRunner

from strongroom.node.cli.main import make_app
from strongroom.node.layout import ClusterLayout

PROMISED = {
    ("cluster", "up"),
    ("cluster", "status"),
    ("cluster", "down"),
    ("cluster", "stop"),
    ("cluster", "start"),
    ("cluster", "kill"),
    ("cluster", "logs"),
    ("node", "init"),
    ("node", "run"),
    ("keys", "new"),
    ("keys", "list"),
    ("keys", "show"),
    ("call",),
    ("query",),
    ("receipt",),
    ("verify", "receipt"),
    ("explorer", "status"),
    ("explorer", "blocks"),
    ("explorer", "block"),
    ("explorer", "tx"),
    ("explorer", "nodes"),
}
"""Issue 2, point 4."""


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    children: dict[str, Any] = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        yield from commands(child, (*path, name))


ALL = dict(commands(typer.main.get_command(make_app())))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cluster's folder with one node that does not run."""
    return stopped_folder(tmp_path / "cluster")


def run(*arguments: str, **options: Any) -> Any:
    command = next((word for word in arguments if not word.startswith("-")), None)
    return CliRunner().invoke(make_app(command), list(arguments), **options)


def test_every_promised_command_is_there() -> None:
    assert set(ALL) >= PROMISED


@pytest.mark.parametrize("path", sorted(ALL), ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    done = run(*path, "--help")
    assert done.exit_code == 0
    assert f"Example: strongroom {' '.join(path)}" in " ".join(done.output.split())


@pytest.mark.parametrize("path", sorted(ALL), ids=" ".join)
def test_every_command_can_answer_in_json(path: tuple[str, ...]) -> None:
    assert any("--json" in parameter.opts for parameter in ALL[path].params)


def test_version_and_help_load_nothing_heavy() -> None:
    program = (
        "import sys; from strongroom.node.cli.main import main\n"
        "sys.argv = ['strongroom', '--version']; main()\n"
        "print(*sorted({'aiohttp', 'cryptography', 'lmdb', 'uvloop'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0].startswith("strongroom ")
    assert done.stdout.splitlines()[1:] == [""]


def test_the_version_is_also_an_option_of_the_application() -> None:
    assert run("--version").output.startswith("strongroom ")


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["cluster", "nonsense"], ["cluster", "kill"], ["keys", "new", "a b"]],
)
def test_wrong_usage_is_exit_2(arguments: list[str], tmp_path: Path) -> None:
    assert run(*arguments, env={"STRONGROOM_DIR": str(tmp_path)}).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["down"], ["stop", "n0"], ["start", "n0"], ["kill", "n0"], ["logs", "n0"]],
)
def test_without_a_cluster_the_folder_is_named_and_the_exit_code_is_2(
    arguments: list[str], tmp_path: Path
) -> None:
    done = run("cluster", *arguments, "--dir", str(tmp_path / "none"))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert f"no cluster in {tmp_path / 'none'}" in done.stderr
    assert "strongroom cluster up" in done.stderr


def test_the_folder_comes_from_the_environment_too(folder: Path) -> None:
    done = run("cluster", "status", "--json", env={"STRONGROOM_DIR": str(folder)})
    assert json.loads(done.stdout)["service"] == PIN


def test_the_status_of_a_stopped_node_has_the_keys_of_the_interface(folder: Path) -> None:
    done = run("cluster", "status", "--json", "--dir", str(folder))
    assert (done.exit_code, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert set(document) == {"chain", "service", "executing", "members", "quorum", "alarm", "nodes"}
    assert [document[key] for key in ("executing", "members", "quorum", "alarm")] == [
        0,
        None,
        None,
        None,
    ]
    assert document["nodes"] == [
        {
            "name": "n0",
            "pid": None,
            "enclave_pid": None,
            "state": "stopped",
            "height": None,
            "executed": None,
            "executes": None,
            "view": None,
            "peers": None,
            "alarm": None,
            "attestation": "not running",
            "endpoint": "https://127.0.0.1:9",
            "stopped_because": None,
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["cluster", "down"], {"stopped": []}),
        (
            ["cluster", "kill", "n0"],
            {"name": "n0", "pid": None, "enclave_pid": None, "state": "stopped"},
        ),
        (
            ["cluster", "stop", "n0"],
            {"name": "n0", "pid": None, "enclave_pid": None, "state": "stopped"},
        ),
    ],
)
def test_ending_what_does_not_run_is_harmless(
    folder: Path, arguments: list[str], expected: dict[str, Any]
) -> None:
    done = run(*arguments, "--json", "--dir", str(folder))
    assert (done.exit_code, json.loads(done.stdout)) == (0, expected)


def test_a_node_that_is_not_there_is_told_with_those_that_are(folder: Path) -> None:
    done = run("cluster", "kill", "n7", "--dir", str(folder))
    assert done.exit_code == 2
    assert "no node n7" in done.stderr
    assert "n0" in done.stderr


def test_logs_are_shown_by_line(folder: Path) -> None:
    assert run("cluster", "logs", "n0", "--dir", str(folder)).exit_code == 1
    ClusterLayout(folder).node("n0").log.write_text("one\ntwo\nthree\n")
    assert run("cluster", "logs", "n0", "--dir", str(folder), "-n", "2").stdout == "two\nthree\n"
    lines = run("cluster", "logs", "n0", "--dir", str(folder), "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"node": "n0", "line": text} for text in ("one", "two", "three")
    ]


def test_keys_are_made_listed_and_shown(tmp_path: Path) -> None:
    made = json.loads(run("keys", "new", "dave", "--json", "--dir", str(tmp_path)).stdout)
    assert (tmp_path / "keys" / "dave.json").stat().st_mode & 0o777 == 0o600
    assert json.loads(run("keys", "list", "--json", "--dir", str(tmp_path)).stdout) == [made]
    assert json.loads(run("keys", "show", "dave", "--json", "--dir", str(tmp_path)).stdout) == made
    assert run("keys", "new", "dave", "--dir", str(tmp_path)).exit_code == 2
    assert run("keys", "show", "erin", "--dir", str(tmp_path)).exit_code == 2


def test_a_passphrase_comes_from_the_environment_where_nobody_can_be_asked(tmp_path: Path) -> None:
    environment = {"STRONGROOM_PASSPHRASE": "correct horse"}
    done = run(
        "keys", "new", "dave", "--passphrase", "--json", "--dir", str(tmp_path), env=environment
    )
    assert json.loads(done.stdout)["passphrase"] is True
    assert "seed" not in json.loads((tmp_path / "keys" / "dave.json").read_text())


def test_a_node_is_initialised_checked_and_never_overwritten(tmp_path: Path) -> None:
    arguments = ["node", "init", str(tmp_path / "n4"), "--json"]
    made = run(*arguments, "--with", "n0=127.0.0.1:7410", "--peer", "127.0.0.1:7414")
    assert made.exit_code == 0
    assert json.loads(made.stdout)["peers"] == ["n0"]
    assert json.loads(run(*arguments, "--check").stdout) == json.loads(made.stdout)
    assert run(*arguments).exit_code == 2
    config = str(tmp_path / "n4" / "node.toml")
    looked = run("node", "run", "--config", config, "--check", "--json")
    assert looked.exit_code == 2  # it belongs to no service yet
    levels = {one["what"]: one["level"] for one in json.loads(looked.stdout)["checks"]}
    assert (levels["config"], levels["certificate"], levels["genesis"]) == ("ok", "ok", "error")
    Path(config).write_text("name = 3\n")
    done = run("node", "run", "--config", config, "--check")
    assert done.exit_code == 2
    assert "line 1: name: is a string, got 3" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--nodes", "0"], "--nodes is from 1"),
        (["--nodes", "11"], "--port-stride 11"),
        (["--base-port", "80"], "--base-port is 0 or from 1024"),
        (["--base-port", "65530"], "--base-port is 0 or from 1024"),
    ],
)
def test_a_plan_that_cannot_be_met_is_exit_2_and_leaves_nothing(
    tmp_path: Path, arguments: list[str], problem: str
) -> None:
    done = run("cluster", "up", "--dir", str(tmp_path / "new"), *arguments)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    done = run("cluster", "up", "--dir", str(tmp_path), "--base-port", "0")
    assert done.exit_code == 2
    assert "is no cluster's folder" in done.stderr
    assert os.listdir(tmp_path) == ["precious.txt"]
