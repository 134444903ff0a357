"""`strongroom rooms check FILE.py`: reviewed Python, tried offline as a job would run it.

Owns words, JSON and exit codes; the cell is the worker's own (enclave/room/cell).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cli.common import rooms_extra
from strongroom.node.terminal.commands import fail
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say
from strongroom.node.terminal.tables import table

if TYPE_CHECKING:
    from strongroom.node.rooms.code_check import Made

SHOWN_ROWS_MAX = 10


def check_code(file: Path, code: bytes, schema: bytes, rows: int, as_json: bool) -> None:
    """Try code, and say what came of it.

    Raises:
        OperatorFault: a file is none, or no cell starts here.
        typer.Exit: a job would have no result.
    """
    with rooms_extra():
        from strongroom.node.rooms.code_bounds import read_code_bounds
        from strongroom.node.rooms.code_check import CodeRefused, supported, try_code, unread
        from strongroom.node.rooms.schema_file import read_schema

    said, bounds = read_schema(schema), read_code_bounds(schema)
    try:
        source = code.decode("utf-8")
    except UnicodeDecodeError:
        raise OperatorFault(f"{file} is not UTF-8: save it so") from None
    if not supported():
        raise OperatorFault("the walls of a cell are Linux's: check it there")
    try:
        made = try_code(source, said.inputs, bounds, rows)
    except CodeRefused as error:
        fail(str(error), ExitCode.NO, error)
    left = unread(said.inputs)
    emit(_document(made, left), as_json, lambda: _show(made, left, rows))


def _document(made: "list[Made]", left: list[str]) -> dict[str, Any]:
    outputs = [
        {
            "name": one.name,
            "kind": one.kind,
            "bytes": one.size,
            "rows": one.rows,
            "columns": list(one.columns),
            "first": _first(one),
        }
        for one in made
    ]
    return {"ok": True, "outputs": outputs, "not_read": left}


def _first(one: "Made") -> list[list[Any]]:
    return [list(row) for row in zip(*map(_shown, one.columns.values()), strict=True)]


def _shown(values: Any) -> list[Any]:
    first = values[:SHOWN_ROWS_MAX]
    return list(first.tolist() if hasattr(first, "tolist") else first)


def _show(made: "list[Made]", left: list[str], rows: int) -> None:
    say(f"It runs behind a cell's walls, over {rows} mock rows of each table (they mean nothing).")
    if left:
        say(
            f"  code does not read {', '.join(left)}: an SQL stage before it can make them integers"
        )
    for one in made:
        say(f"\n{one.name}: {one.kind}, {one.size} bytes")
        if one.columns:
            parts = [["" if part is None else part for part in row] for row in _first(one)]
            table(list(one.columns), parts)
    say("\nNo wall keeps code from hiding rows in what it gives: that is what owners review.")
