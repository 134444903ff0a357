"""The first word of a command line: `--help` loads no command, and the folder may come first."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from strongroom.node.cli.common import existing_directory
from strongroom.node.cli.main import WORDS, first_word, make_app, make_for, make_front
from strongroom.node.layout import DEFAULT_DIRECTORY, DIRECTORY_VARIABLE, dir_option


def words_of(app: typer.Typer) -> dict[str, str]:
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {
        name: " ".join((one.help or "").split("\n\n")[0].split()) for name, one in commands.items()
    }


def test_the_front_shows_the_words_and_help_of_the_commands_behind_it() -> None:
    assert words_of(make_front()) == words_of(make_app()) == {one.name: one.help for one in WORDS}
    for word in WORDS:
        assert word.name in words_of(make_app(word.name))


@pytest.mark.parametrize("arguments", [["--help"], [], ["--dir", "x", "--help"], ["nonsense"]])
def test_help_loads_no_command(arguments: list[str]) -> None:
    program = (
        "import sys; from strongroom.node.cli.main import main\n"
        f"sys.argv = ['strongroom', *{arguments!r}]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('loaded', sorted(one for one in sys.modules if one.startswith('strongroom.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.splitlines()[-1]
    allowed = {"strongroom.node.cli", "strongroom.node.cli.main", "strongroom.node"}
    others = set(json.loads(loaded.removeprefix("loaded ").replace("'", '"'))) - allowed
    assert not {one for one in others if one.startswith("strongroom.node.cli")}, others
    assert not {one for one in others if "enclave" in one or "client" in one}, others


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--help keys", len(WORDS)),
        ("--dir x --help keys list", len(WORDS)),
        ("--dir keys --help keys list", len(WORDS)),
        ("--help nonsense", len(WORDS)),
        ("keys --help", 1),
        ("--dir --help keys", 1),
        ("--dir keys keys --help", 1),
    ],
)
def test_help_before_a_word_lists_all_words(line: str, words: int) -> None:
    assert len(words_of(make_for(line.split()))) == words


@pytest.mark.parametrize(
    "line", ["custodian check", "found show x", "custodian check --dir x", "room measure x"]
)
def test_a_folder_before_a_command_that_takes_none_is_refused(line: str) -> None:
    word = line.split()[0]
    done = CliRunner().invoke(make_app(word), ["--dir", "elsewhere", *line.split()])
    assert done.exit_code == 2
    assert "--dir elsewhere stands before a command" in done.stderr
    assert "elsewhere" not in CliRunner().invoke(make_app(word), line.split()).stderr


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("--dir x cluster up", "cluster"),
        ("--dir=x cluster up", "cluster"),
        ("--version", None),
        ("--dir cluster", None),
        ("call a b", "call"),
        ("-- call", "call"),
    ],
)
def test_the_first_word_is_not_the_folder(line: str, word: str | None) -> None:
    assert first_word(line.split()) == word


@pytest.mark.parametrize(
    ("arguments", "environment", "folder"),
    [
        (["--dir", "one", "cluster", "status"], {}, "one"),
        (["cluster", "status", "--dir", "two"], {}, "two"),
        (["--dir", "one", "cluster", "status", "--dir", "two"], {}, "two"),
        (["--dir", "one", "cluster", "status"], {DIRECTORY_VARIABLE: "three"}, "one"),
        (["cluster", "status"], {DIRECTORY_VARIABLE: "three"}, "three"),
        (["cluster", "status"], {}, DEFAULT_DIRECTORY),
    ],
)
def test_the_folder_comes_from_the_nearest_place(
    arguments: list[str],
    environment: dict[str, str],
    folder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)
    done = CliRunner().invoke(make_app("cluster"), arguments, env=environment)
    assert done.exit_code == 2
    assert f"no cluster in {folder}:" in done.stderr


def test_a_hint_names_the_folder_only_where_the_command_would_not_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)
    assert dir_option(Path(DEFAULT_DIRECTORY)) == dir_option(tmp_path / DEFAULT_DIRECTORY) == ""
    assert dir_option(Path("my service")) == " --dir 'my service'"
    with pytest.raises(typer.Exit):
        existing_directory(Path(DEFAULT_DIRECTORY))
    assert "`strongroom cluster up`" in capsys.readouterr().err
    monkeypatch.setenv(DIRECTORY_VARIABLE, "my service")
    assert dir_option(Path("my service")) == ""
    assert dir_option(Path(DEFAULT_DIRECTORY)) == f" --dir {DEFAULT_DIRECTORY}"
