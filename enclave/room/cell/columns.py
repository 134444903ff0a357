"""Tables of a cell as typed bytes.

Owns both directions. The reader takes nothing on trust: every length is checked against what is
there, nothing is left over, and a value that its kind does not have is the end of it.

    table   = name, rows u32, columns u16, column …
    column  = name, kind u8, gaps u8 [bits of rows that are there], values
    values  = i64 …  |  f64 …  |  bits  |  lengths u32 …, UTF-8
    name    = u8, UTF-8;   all numbers little-endian
"""

import re
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strongroom.enclave.room.library.shapes import Kind, Table

NAME = re.compile(r"[ -~]{1,64}")
"""Of a table, a column, an output."""
CELL_COLUMNS_MAX = 256
CELL_ROWS_MAX = 50_000_000
OVERHEAD_BYTES = 1 << 16
"""Beside values: names, counts."""
_KINDS = (Kind.INTEGER, Kind.REAL, Kind.TRUTH, Kind.TEXT)
_INTEGERS = range(-(2**63), 2**63)
_TYPES = {Kind.INTEGER: "<i8", Kind.REAL: "<f8", Kind.TRUTH: "|b1"}
_ARRAYS = {Kind.INTEGER: "iu", Kind.REAL: "iuf", Kind.TRUTH: "b"}
"""Types of arrays that are packed as a whole."""
_ZEROS = {Kind.INTEGER: 0, Kind.REAL: 0.0, Kind.TRUTH: False, Kind.TEXT: ""}


class NotTyped(ValueError):
    """A value or bytes that are not what is declared; the sentence is for the code's author."""


def pack_name(name: str) -> bytes:
    """A name, as bytes; raises NotTyped."""
    if type(name) is not str or NAME.fullmatch(name) is None:
        raise NotTyped("a name has 1 to 64 characters of ASCII")
    return bytes((len(name),)) + name.encode()


def pack_table(name: str, columns: Mapping[str, Any], kinds: Mapping[str, Kind]) -> list[bytes]:
    """A table's parts.

    Args:
        name: of the table.
        columns: arrays, or lists with None for what is missing.
        kinds: of each column; the same names, in order.

    Raises:
        NotTyped: says which column, and what is expected there.
    """
    if list(columns) != list(kinds):
        raise NotTyped(f"{name}: its columns are {', '.join(kinds)}, in this order")
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1 or not 0 < len(columns) <= CELL_COLUMNS_MAX:
        raise NotTyped(f"{name}: 1 to {CELL_COLUMNS_MAX} columns, all of one length")
    rows = lengths.pop()
    if rows > CELL_ROWS_MAX:
        raise NotTyped(f"{name}: at most {CELL_ROWS_MAX} rows")
    parts = [pack_name(name) + struct.pack("<IH", rows, len(columns))]
    for column, values in columns.items():
        kind = kinds[column]
        try:
            there, packed = _packed(values, kind)
        except (NotTyped, TypeError, ValueError, OverflowError):
            raise NotTyped(f"{name}.{column}: not every value is {kind.value} or None") from None
        gaps = b"" if there.all() else np.packbits(there, bitorder="little").tobytes()
        parts += [pack_name(column), bytes((_KINDS.index(kind), bool(gaps))), gaps, *packed]
    return parts


def kind_of(values: Any) -> Kind:
    """What a column holds that nobody declared; raises NotTyped."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iufb":
        return {"f": Kind.REAL, "b": Kind.TRUTH}.get(values.dtype.kind, Kind.INTEGER)
    found = {type(_plain(one)) for one in values if one is not None}
    for kind, types in (
        (Kind.TRUTH, {bool}),
        (Kind.INTEGER, {int}),
        (Kind.REAL, {int, float}),
        (Kind.TEXT, {str}),
    ):
        if found <= types and found:
            return kind
    raise NotTyped("a column of no kind: say it by `kinds`")


class Cursor:
    """Bytes that are read from front to back."""

    def __init__(self, data: bytearray) -> None:
        self._view, self._at = memoryview(data).toreadonly(), 0

    def take(self, size: int) -> memoryview:
        """The next bytes; raises NotTyped when there are fewer."""
        if size > len(self._view) - self._at:
            raise NotTyped("bytes that end too early")
        self._at += size
        return self._view[self._at - size : self._at]

    def name(self) -> str:
        """The next name; raises NotTyped."""
        try:
            name = str(self.take(self.take(1)[0]), "utf-8")
        except UnicodeDecodeError:
            raise NotTyped("no name") from None
        if NAME.fullmatch(name) is None:
            raise NotTyped("no name")
        return name

    def rest(self) -> memoryview:
        """All that is left."""
        return self.take(len(self._view) - self._at)

    def finish(self) -> None:
        """Raises NotTyped when something is left."""
        if self._at != len(self._view):
            raise NotTyped("bytes behind the end")


def read_table(data: bytearray) -> tuple[str, Table, dict[str, Kind]]:
    """(name, table, kinds) of a frame's bytes, from a cell.

    Raises:
        NotTyped: they are no table.
    """
    cursor = Cursor(data)
    name = cursor.name()
    rows, count = struct.unpack("<IH", cursor.take(6))
    if rows > CELL_ROWS_MAX or not 0 < count <= CELL_COLUMNS_MAX:
        raise NotTyped("too many rows or columns")
    columns: dict[str, Any] = {}
    kinds: dict[str, Kind] = {}
    for _ in range(count):
        column = cursor.name()
        told, gaps = cursor.take(2)
        if column in columns or told >= len(_KINDS) or gaps > 1:
            raise NotTyped("no column")
        kinds[column] = _KINDS[told]
        there = _bits(cursor, rows) if gaps else None
        columns[column] = _read_values(cursor, rows, kinds[column], there)
    cursor.finish()
    return name, Table.of(columns), kinds


def _read_values(cursor: Cursor, rows: int, kind: Kind, there: NDArray[Any] | None) -> Any:
    if kind is Kind.TEXT:
        values: Any = _read_texts(cursor, rows)
    elif kind is Kind.TRUTH:
        values = _bits(cursor, rows)
    else:
        values = np.frombuffer(cursor.take(8 * rows), dtype=_TYPES[kind]).copy()
    if kind is Kind.REAL and not np.isfinite(values).all():
        raise NotTyped("a number without end")
    if there is None:
        return values
    listed = values if kind is Kind.TEXT else values.tolist()
    return [one if here else None for one, here in zip(listed, there.tolist(), strict=True)]


def _read_texts(cursor: Cursor, rows: int) -> list[str]:
    lengths = np.frombuffer(cursor.take(4 * rows), dtype="<u4").tolist()
    text = cursor.take(sum(lengths))
    ends, at = [], 0
    try:
        for length in lengths:
            ends.append(str(text[at : at + length], "utf-8"))
            at += length
    except UnicodeDecodeError:
        raise NotTyped("no text") from None
    return ends


def _bits(cursor: Cursor, rows: int) -> NDArray[Any]:
    packed = np.frombuffer(cursor.take((rows + 7) // 8), dtype=np.uint8)
    return np.unpackbits(packed, count=rows, bitorder="little").astype(bool)


def _packed(values: Any, kind: Kind) -> tuple[NDArray[Any], list[bytes]]:
    """(which rows are there, values as bytes)."""
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise NotTyped("not one value a row")
    if isinstance(values, np.ndarray) and values.dtype.kind in _ARRAYS.get(kind, ""):
        return _packed_array(values, kind)
    listed = [_plain(one) for one in values]
    there = np.array([one is not None for one in listed], dtype=bool)
    whole: list[Any] = [_ZEROS[kind] if one is None else _checked(one, kind) for one in listed]
    if kind is Kind.TEXT:
        texts = [one.encode() for one in whole]
        return there, [np.array([len(one) for one in texts], "<u4").tobytes(), b"".join(texts)]
    if kind is Kind.REAL:
        reals, known = np.array(whole, dtype="<f8"), there
        there, packed = _packed_reals(reals)
        return there & known, packed
    array = np.array(whole, dtype=_TYPES[kind])
    if kind is Kind.TRUTH:
        return there, [np.packbits(array, bitorder="little").tobytes()]
    return there, [array.tobytes()]


def _packed_array(values: NDArray[Any], kind: Kind) -> tuple[NDArray[Any], list[bytes]]:
    """The same of an array, without a look at each value."""
    if kind is Kind.REAL:
        return _packed_reals(values.astype("<f8"))
    there = np.ones(len(values), dtype=bool)
    if kind is Kind.TRUTH:
        return there, [np.packbits(values, bitorder="little").tobytes()]
    if values.dtype.kind == "u" and len(values) and int(values.max()) not in _INTEGERS:
        raise NotTyped("beyond 64 bits")
    return there, [values.astype("<i8").tobytes()]


def _packed_reals(values: NDArray[Any]) -> tuple[NDArray[Any], list[bytes]]:
    """NaN is a gap, as in the columns that a program is given."""
    there = ~np.isnan(values)
    return there, [np.where(there, values, 0.0).astype("<f8").tobytes()]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _checked(value: Any, kind: Kind) -> Any:
    if kind is Kind.REAL and type(value) in (int, float):
        return float(value)
    if kind is Kind.INTEGER and type(value) is int and value in _INTEGERS:
        return value
    if (kind is Kind.TEXT and type(value) is str) or (kind is Kind.TRUTH and type(value) is bool):
        return value
    raise NotTyped("another kind")
