"""Nothing that comes from elsewhere moves a terminal's cursor, recolours it or turns its text round
(T72)."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from tests.node.client.test_commands import shell

from strongroom.node import cli
from strongroom.node.cli import explorer_tables, governance_tables
from strongroom.node.cli.cluster_screen import show_status
from strongroom.node.client.calls.replies import fault_of
from strongroom.node.shown_text import escaped_json, shown, shown_lines
from strongroom.node.terminal.tables import facts, table
from strongroom.node.terminal.teller import Teller

NASTY = "a\x1b[2J\x9b31m\u202egnp\u2066\u200b\u2028\x07\r\x7f\ud800z"
OBEYED = set(NASTY) - set("a[2J31mgnpz")


def is_safe(text: str) -> bool:
    return not OBEYED & set(text)


def test_one_piece_of_text_is_one_line_that_obeys_nobody() -> None:
    assert shown("für 東京 \u00e9") == "für 東京 \u00e9"
    assert shown(NASTY + "\n").startswith(
        "a\\x1b[2J\\x9b31m\\u202egnp\\u2066\\u200b\\u2028\\x07\\r\\x7f\\ud800z\\n"
    )
    assert shown_lines("one\ntwo\x1b") == "one\ntwo\\x1b"
    assert len(shown("\x1b" * 10**6)) < 5000


@given(
    st.recursive(
        st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_keeps_its_value(value: Any) -> None:
    text = escaped_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert is_safe(text)


@pytest.mark.parametrize("wide", [40, 80, 200])
def test_tables_are_escaped_and_no_wider_than_the_terminal_and_lose_nothing(
    wide: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(wide))
    rows = [
        [f"n{number}", "5a" * 32, NASTY, "[bold]no markup[/]", "東京" * 10, number]
        for number in range(3)
    ]
    table(("name", "digest", "memo", "note", "place", "count"), rows, title=NASTY)
    output = capsys.readouterr().out
    assert is_safe(output)
    assert max(map(cell_len, output.splitlines())) <= max(wide, cell_len(shown(NASTY)))
    whole = "".join(output.split())
    for word in ("[bold]no", "\\x9b31m", "東京", "n2"):
        assert word in whole
    if wide >= 80:
        assert "5a" * 32 in output


def test_what_every_screen_shows_is_escaped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    node = {
        "name": NASTY,
        "pid": 1,
        "enclave_pid": None,
        "state": NASTY,
        "height": NASTY,
        "executed": 1,
        "view": 1,
    }
    show_status(
        {
            "service": NASTY,
            "executing": 1,
            "quorum": 3,
            "members": 4,
            "alarm": NASTY,
            "nodes": [{**node, "peers": 3, "attestation": NASTY, "endpoint": NASTY}],
        }
    )
    governance_tables.show_nodes(
        [{"name": "n1", "verdict": "good", "region": NASTY, "connected": False}]
    )
    governance_tables.show_members(
        [{"name": NASTY, "public": NASTY, "roles": [{"program": NASTY, "role": NASTY}]}]
    )
    explorer_tables.show_transaction(
        {"id": NASTY, "status": "final", "height": 1, "index": 0, "refusal": NASTY}
    )
    facts([(NASTY, NASTY)])
    teller = Teller()
    teller.step(NASTY)
    teller.line(NASTY)
    teller.table([NASTY], [[NASTY]])
    output = capsys.readouterr().out
    assert is_safe(output)
    assert "not connected" in output


def test_a_nodes_words_for_a_refusal_are_one_escaped_line() -> None:
    fault = fault_of({"code": -32001, "message": f"no\npaid {NASTY}"})
    assert is_safe(str(fault))
    assert "\n" not in str(fault)


async def test_contents_with_escapes_reach_no_terminal_raw(tmp_path: Path) -> None:
    """A memo may hold no controls at all; what a record says is free."""
    text = "x\x9b2J\u202ey"
    async with shell(tmp_path) as run:
        refused = await run(
            "call", "payments.transfer", "to=bob", "amount=5", f"memo={text}", "--as", "alice"
        )
        assert refused.exit_code == 1
        assert is_safe(refused.output)
        await run.json(
            "call", "records.append", "collection=c", f"contents={text}", "--as", "alice"
        )
        for options in ((), ("--json",)):
            ask = ("query", "records.read", "collection=c", "sequence=1", "--as", "alice")
            result = await run(*ask, *options)
            assert result.exit_code == 0
            assert is_safe(result.stdout)
            if options:
                assert json.loads(result.stdout)["result"]["contents"] == text
            else:
                assert "\\x9b2J\\u202ey" in result.stdout


async def test_an_error_that_repeats_what_was_typed_is_escaped(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        for arguments in (
            ("call", f"payments.{NASTY}", "--as", "alice"),
            ("query", "payments.balance", "--as", NASTY),
        ):
            result = await run(*arguments)
            assert result.exit_code == 2
            assert is_safe(result.output)


def test_commands_print_through_the_functions_that_escape() -> None:
    """`typer.echo`, `print` and rich's consoles stand in the few files that escape for all."""
    allowed = {"common.py", "tables.py", "teller.py", "cluster_screen.py", "main.py"}
    folder = Path(cli.__file__).parent
    for path in sorted(folder.glob("*.py")):
        if path.name in allowed:
            continue
        for call in [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        ]:
            words = ast.unparse(call.func)
            assert words not in ("print", "typer.echo", "click.echo"), f"{path.name}:{call.lineno}"
            assert "console" not in words.lower(), f"{path.name}:{call.lineno}"
