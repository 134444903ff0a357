"""`strongroom rooms check`: an analyst's query, judged offline as the room will judge it.

Owns options, words, JSON and exit codes; the judge is the room's own (enclave/room/analytics).
Knows of no cluster: the command works on files alone.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cli.common import rooms_extra
from strongroom.node.terminal.commands import JsonOption, fail, guarded
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say
from strongroom.node.terminal.tables import table

if TYPE_CHECKING:
    from strongroom.enclave.room.analytics.checking import Checked
    from strongroom.enclave.room.analytics.tables import Table

MOCK_ROWS = 1000
MOCK_ROWS_MAX = 1_000_000
ROWS_SHOWN_MAX = 10


def register(app: typer.Typer) -> None:
    """Mount this command."""
    app.command()(check)


@guarded
def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A query, or code (.py); - reads standard input.")
    ],
    schema: Annotated[
        Path,
        typer.Option("--schema", metavar="FILE.toml", help="Tables, columns, uses, k, noise."),
    ],
    rows: Annotated[
        int, typer.Option("--rows", min=0, max=MOCK_ROWS_MAX, help="Mock rows of each table.")
    ] = MOCK_ROWS,
    as_json: JsonOption = False,
) -> None:
    """Judge a query by the rules S1 to S12, then run it over mock rows made from the schema; or run
    reviewed Python over such rows in a cell with a job's bounds (needs the extra `rooms`).

    Exit 0: it may run. Exit 1: it is refused, with the rule, the place and what would be taken; of
    code, with its traceback.

    Example: strongroom rooms check query.sql --schema tables.toml
    """
    from strongroom.enclave.formats.clean_rooms.contract import STAGE_BYTES_MAX
    from strongroom.node.cli.rooms_check_code import check_code

    with rooms_extra():
        from strongroom.enclave.room.analytics.checking import check as judge
        from strongroom.enclave.room.analytics.engine import Engine
        from strongroom.enclave.room.analytics.parser import SQL_BYTES_MAX
        from strongroom.enclave.room.analytics.refusals import Refused
        from strongroom.node.rooms.mock_rows import mock_tables
        from strongroom.node.rooms.schema_file import SCHEMA_FILE_BYTES_MAX, read_schema
    from strongroom.enclave.primitives import Secret

    allowed = _read(schema, SCHEMA_FILE_BYTES_MAX)
    if file.suffix == ".py":
        check_code(file, _read(file, STAGE_BYTES_MAX), allowed, rows, as_json)
        return
    said = read_schema(allowed)
    try:
        sql = _read(file, SQL_BYTES_MAX).decode("utf-8")
    except UnicodeDecodeError:
        raise OperatorFault(f"{file} is not UTF-8: save it so") from None
    try:
        checked = judge(said.inputs, sql, digits=said.digits, named_keys=said.named_keys)
    except Refused as error:
        fail(str(error), ExitCode.NO, error)
    tables = mock_tables(checked.inputs, rows)
    answer = Engine().run(tables, checked, Secret(bytes(32)))
    emit(_document(checked, answer), as_json, lambda: _show(checked, answer, rows))


def _read(file: Path, bytes_max: int) -> bytes:
    if str(file) == "-":
        data = sys.stdin.buffer.read(bytes_max + 1)
    else:
        try:
            with file.open("rb") as opened:
                data = opened.read(bytes_max + 1)
        except OSError as error:
            raise OperatorFault(f"cannot read {file}: {error.strerror}") from None
    if len(data) > bytes_max:
        raise OperatorFault(f"{file} has more than {bytes_max} bytes: shorten it")
    return data


def _document(checked: "Checked", answer: "Table") -> dict[str, Any]:
    return {
        "ok": True,
        "tables": sorted(checked.inputs),
        "columns": [
            {"name": name, "type": str(type_)}
            for name, type_ in zip(checked.names, checked.types, strict=True)
        ],
        "epsilon_micros": checked.charges,
        "runs": list(checked.texts),
        "mock": {"rows": answer.rows, "first": _first(answer)},
    }


def _first(answer: "Table") -> list[list[Any]]:
    return [list(row) for row in list(zip(*answer.columns.values(), strict=True))[:ROWS_SHOWN_MAX]]


def _show(checked: "Checked", answer: "Table", rows: int) -> None:
    say("It may run.")
    for step in checked.steps:
        of = ", ".join(f"{k} units of {alias}" for alias, k in step.release.units)
        say(f"  a group shows from {of} on")
    for alias, epsilon in checked.charges.items():
        say(f"  costs ε = {epsilon / 10**6:g} of {alias}, charged before it runs")
    say(f"\nOver {rows} mock rows of each table (they mean nothing): {answer.rows} rows")
    table(checked.names, [["" if part is None else part for part in row] for row in _first(answer)])
