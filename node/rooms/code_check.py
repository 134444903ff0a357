"""Code in Python tried on rows made from a schema, in a cell like a job's (`rooms check`).

Owns what is made of its answers: what a contract with these bounds would refuse. The rows mean
nothing and are nobody's, so the code's author is told what went wrong.
"""

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.formats.clean_rooms.contract import is_code
from strongroom.enclave.room.analytics.relations import DataSet
from strongroom.enclave.room.analytics.types import Kind as ColumnKind
from strongroom.enclave.room.cell.link import CellLink, CodeFailed, Gave
from strongroom.enclave.room.cell.program import Asked, Task
from strongroom.enclave.room.cell.starting import start_cell
from strongroom.enclave.room.library.shapes import Kind, Table
from strongroom.enclave.room.worker import tables
from strongroom.enclave.room.worker.link import READY_MS_MAX
from strongroom.enclave.room.worker.measurement import ENVIRONMENT
from strongroom.enclave.room.worker.python_stage import MEBIBYTE, cell_seconds
from strongroom.node.rooms.code_bounds import CodeBounds
from strongroom.node.rooms.mock_rows import mock_table

SEED = bytes(32)
READ = {
    ColumnKind.INTEGER: Kind.INTEGER,
    ColumnKind.REAL: Kind.REAL,
    ColumnKind.TEXT: Kind.TEXT,
    ColumnKind.TRUTH: Kind.TRUTH,
}
"""Columns that code reads."""


class CodeRefused(ClientFault):
    """A job with this code would have no result; says why."""


@dataclass(frozen=True, slots=True)
class Made:
    """One output over made-up rows."""

    name: str
    kind: str
    size: int
    """Bytes."""
    columns: Mapping[str, Any]
    """Of a table."""
    rows: int


def try_code(
    source: str, inputs: Mapping[str, DataSet], bounds: CodeBounds, rows: int
) -> list[Made]:
    """Run it once.

    Raises:
        CodeRefused: a job would have no result.
        OperatorFault: no cell starts here.
    """
    _check_syntax(source)
    streams = {alias: _stream(data, rows) for alias, data in inputs.items()}
    asked = {
        name: Asked(one.kind, one.columns, one.bytes_max) for name, one in bounds.outputs.items()
    }
    task = Task(source, bounds.parameters, SEED, bounds.digits, asked)
    link = CellLink(start_cell(ENVIRONMENT, measured=False))
    try:
        link.until_ready(until=monotonic() + READY_MS_MAX / 1000)
        seconds = cell_seconds(bounds.duration_ms)
        until = monotonic() + seconds
        link.limit(bounds.memory_mb * MEBIBYTE, int(seconds) + 1, until=until)
        gave = link.run(task, streams, until=until, words=True)
    except CodeFailed as failed:
        raise CodeRefused(str(failed)) from None
    finally:
        link.end()
    return [_made(name, gave, bounds) for name in bounds.outputs]


def _check_syntax(source: str) -> None:
    """Here, for the interpreter opens a file to show a line, and behind the walls ends with it."""
    if not is_code(source):
        raise CodeRefused(
            "a contract takes lines of shown characters, ended by a line feed alone: remove "
            "carriage returns and hidden signs"
        )
    try:
        ast.parse(source, "program.py")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
        raise CodeRefused(f"{at}{type(error).__name__}: {error}") from None


def _made(name: str, gave: Gave, bounds: CodeBounds) -> Made:
    output = bounds.outputs[name]
    columns: Mapping[str, Any] = {}
    rows = 0
    if name not in gave.names():
        raise CodeRefused(f"{name}: the code gives no such {output.kind}, and the job has none")
    if output.kind == "table":
        table, kinds = gave.tables[name]
        size, columns, rows = (
            len(tables.write(table, kinds, bounds.digits)),
            table.columns,
            table.rows,
        )
    else:
        size = len((gave.models if output.kind == "model" else gave.bytes_)[name])
    if size > output.bytes_max:
        raise CodeRefused(f"{name}: {size} bytes, and the contract says {output.bytes_max}")
    return Made(name, output.kind, size, columns, rows)


def _stream(data: DataSet, rows: int) -> bytes:
    """Mock rows as an input is: columns of other types are none that code reads."""
    made = mock_table(data.policy, rows)
    kinds = {one.name: READ[one.type.kind] for one in data.policy.columns if one.type.kind in READ}
    return tables.write(Table.of({name: made.columns[name] for name in kinds}), kinds, 17)


def unread(inputs: Mapping[str, DataSet]) -> list[str]:
    """Columns that code does not see, as table.column."""
    return [
        f"{alias}.{one.name}"
        for alias, data in inputs.items()
        for one in data.policy.columns
        if one.type.kind not in READ
    ]


def supported() -> bool:
    """Has this system the walls of a cell?"""
    return sys.platform == "linux"
