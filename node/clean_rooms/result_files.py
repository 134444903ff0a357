"""A result as a file that people read: CSV or JSON of a table, or its bytes as they are.

Owns these forms. Believes nothing of the bytes but that they are what a job made: a table that is
none is refused, never guessed at. Needs the extra `rooms`.
"""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import nanoarrow
from nanoarrow import ipc

from strongroom.consensus.errors import ClientFault

FORMS = ("csv", "json", "arrow")


class NoTable(ClientFault):
    """A result's bytes are no table."""


def written(data: bytes, kind: str, form: str) -> bytes:
    """A result in a form.

    Args:
        data: the result's bytes.
        kind: of the output: table, model or bytes.
        form: one of FORMS; of what is no table, nothing but its bytes.

    Raises:
        NoTable: it is said to be a table, and is none.
    """
    if kind != "table" or form == "arrow":
        return data
    names, rows = _read(data)
    if form == "json":
        made = [dict(zip(names, row, strict=True)) for row in rows]
        return (json.dumps(made, ensure_ascii=False, indent=1, default=str) + "\n").encode()
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(one) for one in row] for row in rows)
    return text.getvalue().encode()


def _read(data: bytes) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    try:
        stream = nanoarrow.c_array_stream(ipc.InputStream.from_readable(data))
        array = nanoarrow.Array(stream)
        names = [field.name for field in array.schema.fields]
        return names, iter(list(array.iter_tuples()))
    except Exception:  # Its words may hold values (T63).
        raise NoTable("the result is no table: take it with --form arrow") from None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is bool:
        return "true" if value else "false"
    return str(value)
