"""Plain values of a command line are read as Typer reads them, without pydantic."""

import json
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
import typer.main
from hypothesis import given
from hypothesis import strategies as st
from typer.core import TyperCommand
from typer.testing import CliRunner

from strongroom.node.terminal import plain_values
from strongroom.node.terminal.plain_values import plain_value, read_plain_values


class Colour(StrEnum):
    """Some names."""

    RED = "red"
    DARK_RED = "dark-red"


def _command(
    text: Annotated[str, typer.Option()] = "",
    whole: Annotated[int, typer.Option()] = 1,
    height: Annotated[int | None, typer.Option(min=0, max=100)] = None,
    clamped: Annotated[int, typer.Option(min=0, max=5, clamp=True)] = 1,
    seconds: Annotated[float, typer.Option(min=0.1)] = 60.0,
    colour: Annotated[Colour, typer.Option()] = Colour.RED,
    folder: Annotated[Path, typer.Option()] = Path("x"),
    must_be: Annotated[Path | None, typer.Option(exists=True)] = None,
    parsed: Annotated[str, typer.Option(parser=str.upper)] = "",
    files: Annotated[list[Path] | None, typer.Option()] = None,
    words: Annotated[list[str] | None, typer.Argument()] = None,
) -> None:
    """Each kind of parameter that commands have."""


def _params() -> dict[str, Any]:
    app = typer.Typer()
    app.command()(_command)
    command = typer.main.get_command(app)
    assert isinstance(command, TyperCommand)
    return {param.name or "": param for param in command.params if param.name != "help"}


PARAMS = _params()
VALUES = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.from_regex(r"[-+ ]?[0-9_]{0,20}\.?[0-9]{0,3}(e[0-9])?", fullmatch=True),
    st.sampled_from(["red", "RED", "dark-red", "DARK_RED", "nan", "inf", "-0", "007", "5.0", "/"]),
    st.integers(-5, 200),
    st.floats(allow_nan=False),
    st.sampled_from([Path("x"), Path("/root"), Colour.RED, True]),
    st.lists(st.text("ab/", max_size=3), max_size=3),
)


def _by_typer(param: Any, value: Any) -> Any:
    """What Typer's own reader says; an error's class when it says no."""
    from typer._coercion import build_runtime_param

    context: Any = None
    try:
        return build_runtime_param(param.type_descriptor).coerce(value, param=param, ctx=context)
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("name", sorted(PARAMS))
@given(value=VALUES)
def test_what_is_read_as_plain_is_what_typer_reads(name: str, value: Any) -> None:
    read = plain_value(value, PARAMS[name])
    if read is plain_values._OTHERWISE:
        return
    expected = _by_typer(PARAMS[name], value)
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("text", "x", "x"),
        ("whole", "-12", -12),
        ("height", "100", 100),
        ("seconds", "2.5", 2.5),
        ("seconds", 60.0, 60.0),
        ("colour", "dark-red", Colour.DARK_RED),
        ("colour", Colour.RED, Colour.RED),
        ("folder", "nowhere", Path("nowhere")),
        ("files", ("a", "b"), [Path("a"), Path("b")]),
        ("words", ("to=bob",), ["to=bob"]),
        ("words", None, ()),
        ("height", None, None),
    ],
)
def test_what_commands_take_is_plain(name: str, value: Any, plain: Any) -> None:
    assert plain_value(value, PARAMS[name]) == plain


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("height", "101"),
        ("height", "-1"),
        ("whole", "x"),
        ("whole", "９"),
        ("seconds", "0.05"),
        ("colour", "blue"),
        ("must_be", "nowhere"),
        ("clamped", "9"),
        ("parsed", "x"),
    ],
)
def test_what_is_wrong_or_looked_at_further_is_typers(name: str, value: str) -> None:
    assert plain_value(value, PARAMS[name]) is plain_values._OTHERWISE


def test_a_wrong_value_is_told_as_ever() -> None:
    read_plain_values()
    app = typer.Typer()
    app.command()(_command)
    told = CliRunner().invoke(app, ["--height", "101"])
    assert told.exit_code == 2
    assert "less than or equal to 100" in told.stderr
    assert CliRunner().invoke(app, ["--height", "100", "to=bob"]).exit_code == 0


LINES = (
    ["call", "payments.transfer", "to=bob", "amount=5", "--as", "alice", "--timeout", "3"],
    ["query", "payments.balance", "--as", "alice", "--at-least", "7", "--json"],
    ["explorer", "block", "latest"],
    ["explorer", "blocks", "--from", "1", "--to", "5"],
)
PROGRAM = """
import json, sys
from strongroom.node.cli.main import make_for
try:
    make_for(sys.argv[1:])(sys.argv[1:])
except SystemExit as end:
    heavy = {"pydantic", "rich.console"} & set(sys.modules)
    print(json.dumps([end.code, sorted(heavy)]))
"""


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_command_line_is_read_without_pydantic_and_rich(line: list[str], tmp_path: Path) -> None:
    words = [*line, "--dir", str(tmp_path / "nowhere")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True
    )
    assert "no cluster in" in done.stderr
    code, loaded = json.loads(done.stdout.splitlines()[-1])
    assert code == 2
    assert loaded == []
