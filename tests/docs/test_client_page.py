"""docs/client.md: its Python runs as it stands, in order, against a cluster of real processes; its
table of errors is that of the code."""

import ast
import asyncio
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from tests.node.commands import beside

from strongroom.node.client.advice import table

pytestmark = pytest.mark.processes

PAGE = Path(__file__).parents[2] / "docs" / "client.md"
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = _BLOCK.findall(PAGE.read_text())


def run(*arguments: str, folder: Path) -> str:
    done = beside(*arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a cluster in strongroom-data."""
    run("cluster", "up", "--detach", "--base-port", "0", folder=tmp_path)
    monkeypatch.chdir(tmp_path)
    try:
        yield tmp_path
    finally:
        run("cluster", "down", folder=tmp_path)


def compiled(block: str, number: int) -> CodeType:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(block, f"client.md, block {number}", "exec", flags=flags)
    return code


async def execute(code: CodeType, names: dict[str, Any]) -> None:
    """In this loop if it awaits, else in a thread without one."""
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, names)
    else:
        await asyncio.to_thread(exec, code, names)


async def test_every_block_runs_in_order(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    assert len(BLOCKS) >= 8
    for number, block in enumerate(BLOCKS, 1):
        await execute(compiled(block, number), names)
    assert (folder / "receipt.json").exists()
    assert "balance" not in repr(names["done"])
    assert capsys.readouterr().out


def test_its_table_of_errors_is_that_of_the_code() -> None:
    assert table() in PAGE.read_text(), f"the rows of docs/client.md are now:\n{table()}"
