"""docs/clean-rooms.md: its terms are terms, its commands are commands."""

import re
import shlex
from pathlib import Path

import typer.main
from tests.enclave.programs.rooms.world import terms

from strongroom.enclave.room.analytics.policy import Use
from strongroom.node.clean_rooms.agreement_files import read_contract
from strongroom.node.cli.main import make_app
from strongroom.node.rooms.data_terms import read_terms_file

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "clean-rooms.md").read_text()
FILES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
PEOPLE = {"bank-a": bytes(32), "bank-b": bytes([1]) * 32, "regulator": bytes([2]) * 32}


def test_the_pages_terms_are_taken(tmp_path: Path) -> None:
    text, _ = FILES
    file = tmp_path / "transfers.toml"
    file.write_text(text)
    read, policy = read_terms_file(file, PEOPLE.__getitem__)
    assert (read.runs, read.columns, len(read.recipients)) == (10, policy.encode(), 3)
    assert policy.column("from_account").uses == {Use.IDENTITY}


def test_the_pages_contract_is_taken(tmp_path: Path) -> None:
    _, text = FILES
    file = tmp_path / "round-trips.toml"
    file.write_text(text)
    made = read_contract(file, PEOPLE.__getitem__, bytes(32), terms())
    assert made.stages[0].fixed == (("days_max", 20),)
    made.check_parameters((("hops_max", 4),))


def test_the_pages_commands_and_options_exist() -> None:
    app = typer.main.get_command(make_app())
    shown = [line[2:] for line in PAGE.splitlines() if line.startswith("$ strongroom ")]
    assert len(shown) > 15
    for line in shown:
        command, words = app, shlex.split(line)[1:]
        while words and hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        known = {option for one in command.params for option in one.opts}
        assert {word for word in words if word.startswith("-")} <= known, line
