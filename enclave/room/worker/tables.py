"""Tables as bytes: Arrow IPC streams of inputs, and those that a job makes (ROOMS §3, §4).

Owns both directions. What is written is one schema, one batch, no metadata: equal tables are equal
bytes. Knows no policy, no program and no key.
"""

from collections.abc import Mapping
from io import BytesIO
from math import isfinite
from typing import Any

import nanoarrow
import numpy as np
from nanoarrow import ipc, visitor

from strongroom.enclave.room.analytics.streams import Stream, shape
from strongroom.enclave.room.library.shapes import Kind, Table, Values

INTEGER_FORMATS = ("c", "C", "s", "S", "i", "I", "l")
REAL_FORMATS = ("f", "g")
TEXT_FORMATS = ("u", "U")
TRUTH_FORMAT = "b"
READ_FORMATS = (*INTEGER_FORMATS, *REAL_FORMATS, *TEXT_FORMATS, TRUTH_FORMAT)
"""Of the Arrow C data interface."""
_INTEGER = range(-(2**63), 2**63)
_WRITTEN = {
    Kind.INTEGER: nanoarrow.int64,
    Kind.REAL: nanoarrow.float64,
    Kind.TEXT: nanoarrow.string,
    Kind.TRUTH: nanoarrow.bool_,
}


class NoTable(Exception):
    """These bytes are no table, or a table has no bytes. Never leaves the worker."""


def read(stream: Stream) -> Table:
    """The table of a stream: whole numbers, reals, texts and truths; columns of other types are
    none that a program reads.

    Raises:
        NoTable: two columns have one name.
        Exception: it is no Arrow IPC stream, or not one.
    """
    source = stream.batches()
    formats = [written for _, written in shape(source.get_schema())]
    names, columns = visitor.ToColumnsPysequenceConverter.visit(
        source, handle_nulls=visitor.nulls_separate()
    )
    if len(set(names)) != len(names):
        raise NoTable("two columns of one name")
    made = {
        name: _column(values, written)
        for name, values, written in zip(names, columns, formats, strict=True)
        if written in READ_FORMATS
    }
    return Table.of(made)


def write(table: Table, kinds: Mapping[str, Kind], digits: int) -> bytes:
    """Bytes of a table, reals cut to so many significant digits.

    Raises:
        NoTable: a value is not of its column's kind, or a real is without end.
    """
    fields = {name: _array(table.columns[name], kinds[name], digits) for name in table.columns}
    schema = nanoarrow.struct({name: array.schema for name, array in fields.items()})
    batch = nanoarrow.c_array_from_buffers(
        schema, table.rows, [None], children=list(fields.values())
    )
    file = BytesIO()
    with ipc.StreamWriter.from_writable(file) as writer:
        writer.write_array(batch)
    return file.getvalue()


def kinds_of(table: Table) -> dict[str, Kind]:
    """Of each column of a table that says none: by its array, else by its values."""
    return {name: _kind(values) for name, values in table.columns.items()}


def _column(values: Any, written: str) -> Values:
    if written in TEXT_FORMATS:
        return list(values)
    there, data = values
    array = np.asarray(data)
    if written == TRUTH_FORMAT:
        array = array.astype(bool)
    if there is None:
        return array
    known = np.asarray(there).astype(bool)
    if known.all():
        return array
    if written in REAL_FORMATS:
        return np.where(known, array, np.nan)
    listed = array.tolist()
    return [one if here else None for one, here in zip(listed, known.tolist(), strict=True)]


def _array(values: Values, kind: Kind, digits: int) -> Any:
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    made = [None if one is None else _value(one, kind, digits) for one in listed]
    return nanoarrow.c_array(made, _WRITTEN[kind]())


def _value(value: Any, kind: Kind, digits: int) -> Any:
    if kind is Kind.REAL and type(value) in (int, float):
        if not isfinite(value):
            raise NoTable("a number without end")
        return float(f"{value:.{digits}g}") + 0.0
    if kind is Kind.INTEGER and type(value) is int and value in _INTEGER:
        return value
    if kind is Kind.TEXT and type(value) is str:
        return value
    if kind is Kind.TRUTH and type(value) is bool:
        return value
    raise NoTable("a value of another kind than its column")


def _kind(values: Values) -> Kind:
    if isinstance(values, np.ndarray) and values.dtype.kind in "iufb":
        return {"f": Kind.REAL, "b": Kind.TRUTH}.get(values.dtype.kind, Kind.INTEGER)
    found = {type(one) for one in values if one is not None}
    for kind, types in ((Kind.TRUTH, {bool}), (Kind.INTEGER, {int}), (Kind.REAL, {int, float})):
        if found and found <= types:
            return kind
    return Kind.TEXT
