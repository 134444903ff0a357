"""Every command shown in a README exists, with every option shown."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from strongroom.node.cli.main import make_app

ROOT = Path(__file__).parents[2]
READMES = [
    ROOT / "README.md",
    *(ROOT / package / "README.md" for package in ("consensus", "enclave", "node")),
    ROOT / "docs" / "vault.md",
    ROOT / "docs" / "tour.md",
]
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_KNOWN_PROGRAMS = {
    "git",
    "cd",
    "cat",
    "ls",
    "strings",
    "grep",
    "head",
    "jq",
    "curl",
    "python3",
    "kill",
    "export",
    "xxd",
}
"""Tools of the reader's own machine, which are not ours to check."""


def shown_commands() -> Iterator[tuple[str, str]]:
    for readme in READMES:
        for block in _BLOCK.findall(readme.read_text()):
            for line in re.sub(r"\\\n\s*", " ", block).splitlines():
                if line.startswith("$ "):
                    yield str(readme.relative_to(ROOT)), line[2:].split(" #")[0].split("  #")[0]


def words_of(command: str) -> list[list[str]]:
    """The simple commands of a pipeline or list, without redirections and assignments."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if word in ("|", "||", "&&", ";", "&"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def check_cli(words: list[str]) -> None:
    command: Any = typer.main.get_command(make_app())
    rest = words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"{' '.join(words)}: no command {rest[0]}"
        command = command.commands[rest.pop(0)]
    options = {
        option
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    shown = {word.split("=")[0] for word in rest if word.startswith("-") and len(word) > 1}
    assert shown <= options | {"--help"}, f"{' '.join(words)}: no option {shown - options}"


@pytest.mark.parametrize(("readme", "command"), sorted(set(shown_commands())))
def test_a_command_that_a_readme_shows_exists(readme: str, command: str) -> None:
    for words in words_of(command):
        program = words[0]
        if program == "strongroom" or program.endswith("/strongroom"):
            check_cli(words)
        elif program.startswith("./"):
            path = ROOT / program
            assert path.is_file(), f"{readme}: {program} does not exist"
            assert path.stat().st_mode & 0o100, f"{readme}: {program} cannot be executed"
        else:
            assert program in _KNOWN_PROGRAMS, (
                f"{readme} shows {program}: add it to the readers' own tools"
            )


def test_the_readme_shows_the_two_commands_of_a_fresh_machine() -> None:
    shown = {command for readme, command in shown_commands() if readme == "README.md"}
    assert {"./scripts/demo", "./scripts/test"} <= shown


def test_the_readme_is_for_five_minutes_and_its_picture_and_pages_are_there() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 120
    links = re.findall(r"\]\(([^)#]+)", text)
    assert [link for link in links if not (ROOT / link).is_file()] == []
    assert text.count(".svg)") == 1


def test_every_page_can_be_found_from_the_readme() -> None:
    """By links, over as many pages as it takes."""
    found, wanted = set(), [ROOT / "README.md"]
    while wanted:
        page = wanted.pop().resolve()
        if page in found or page.suffix != ".md" or not page.is_file():
            continue
        found.add(page)
        wanted += [page.parent / link for link in re.findall(r"\]\(([^)#]+)", page.read_text())]
    lost = sorted(page.name for page in (ROOT / "docs").glob("*.md") if page.resolve() not in found)
    assert lost == []


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").glob("*.svg")), ids=lambda one: one.name)
def test_a_picture_is_light_and_dark_and_says_what_it_shows(picture: Path) -> None:
    text = picture.read_text()
    assert "@media (prefers-color-scheme:dark)" in text
    assert "<title" in text
    assert "<desc" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
