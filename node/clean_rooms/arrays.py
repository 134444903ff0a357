"""Batches of the engine with every byte defined: what lies under a gap, or behind the last bit, is
zero.

Owns that equal rows are equal bytes (a chunk that is sealed again must be the same one), and that
no memory of this process leaves with them. Knows no file and no key.
"""

from typing import Any

import nanoarrow

_WIDTHS = {"l": 8, "g": 8, "tdD": 4, "tsu:": 8}
"""Bytes of a value, by format of the Arrow C data interface; a decimal has 16."""
_BITS, _DECIMAL, _TEXT = "b", "d:", "u"


def defined(batch: Any) -> Any:
    """A batch of columns, its rows the same.

    Raises:
        TypeError: a column is of no type that data sets have.
    """
    children = [_column(nanoarrow.c_array(child)) for child in batch.children]
    return nanoarrow.c_array_from_buffers(batch.schema, batch.length, [None], children=children)


def _column(column: Any) -> Any:
    format_ = column.schema.format
    width = 16 if format_.startswith(_DECIMAL) else _WIDTHS.get(format_, 0)
    if column.offset or (not width and format_ not in (_BITS, _TEXT)):
        raise TypeError("a column of no type that data sets have")
    view, length = column.view(), column.length
    buffers = [bytearray(memoryview(view.buffer(at))) for at in range(column.n_buffers)]
    known = buffers[0] if column.null_count else bytearray()
    _end_bits(known, length)
    if format_ == _BITS:
        _end_bits(buffers[1], length)
        for at, byte in enumerate(known):
            buffers[1][at] &= byte
    elif width:
        _zero_gaps(buffers[1], known, width, length)
    return nanoarrow.c_array_from_buffers(
        column.schema, length, [bytes(known) or None, *map(bytes, buffers[1:])], column.null_count
    )


def _zero_gaps(values: bytearray, known: bytearray, width: int, length: int) -> None:
    zeros = bytes(width)
    for at, byte in enumerate(known):
        if byte == 0xFF:
            continue
        for row in range(8 * at, min(8 * at + 8, length)):
            if not byte >> (row & 7) & 1:
                values[row * width : (row + 1) * width] = zeros


def _end_bits(bits: bytearray, length: int) -> None:
    """Bits behind the last row are zero."""
    if not bits:
        return
    del bits[(length + 7) // 8 :]
    if length % 8:
        bits[-1] &= (1 << length % 8) - 1
