"""Rows as Arrow IPC streams that are read as often as asked, from their beginning.

Owns the way from bytes to batches: of several parts, whose rows follow each other, one stream.
Bytes may still be on their way when the first batch is read. Knows no policy and no query.
"""

from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from typing import Any, Protocol

import nanoarrow
from nanoarrow import ipc
from nanoarrow.c_array_stream import CArrayStream

_READ_BYTES = 1 << 16


class NoStream(Exception):
    """Parts of one stream have other columns than its first. Never leaves the worker."""


class Readable(Protocol):
    """Bytes in their order."""

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer; less only where the bytes end."""
        ...


Open = Callable[[], Readable]
"""One part, from its beginning."""


class Stream:
    """Rows of one or several parts, for whoever takes an Arrow stream (PyCapsule interface)."""

    def __init__(self, parts: Sequence[Open]) -> None:
        self._parts = list(parts)
        self._batches: tuple[list[Any], Any] | None = None

    @classmethod
    def of(cls, *parts: bytes) -> "Stream":
        """Of bytes that are all here."""
        return cls([partial(BytesIO, part) for part in parts])

    def batches(self) -> Any:
        """A nanoarrow stream of all rows.

        Raises:
            NoStream: the columns of a part differ.
            Exception: a part is no Arrow IPC stream.
        """
        if len(self._parts) == 1:
            return _batches(self._parts[0])
        if self._batches is None:
            self._batches = self._joined()
        arrays, schema = self._batches
        return CArrayStream.from_c_arrays(arrays, schema)

    def whole(self) -> bytes:
        """Bytes of what is one part and no rows: a model.

        Raises:
            NoStream: it has several parts.
        """
        if len(self._parts) != 1:
            raise NoStream("a model is one part")
        return _read(self._parts[0])

    def parts(self) -> list[bytes]:
        """Bytes of each part, whatever they are."""
        return [_read(part) for part in self._parts]

    def bytes_(self) -> bytes:
        """All rows as one stream's bytes: of one part, those that came.

        Raises:
            NoStream, Exception: as `batches`.
        """
        if len(self._parts) == 1:
            return self.whole()
        file = BytesIO()
        with ipc.StreamWriter.from_writable(file) as writer:
            writer.write_stream(self.batches())
        return file.getvalue()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.batches().__arrow_c_stream__(requested_schema)

    def _joined(self) -> tuple[list[Any], Any]:
        """All batches, read once: bytes of a part that was read are kept no longer."""
        arrays: list[Any] = []
        schema: Any = None
        while self._parts:
            part = _batches(self._parts.pop(0))
            if schema is None:
                schema = part.get_schema()
            elif shape(part.get_schema()) != shape(schema):
                raise NoStream("what was added later has other columns")
            arrays += part
        return arrays, schema


def shape(schema: Any) -> tuple[tuple[str, str], ...]:
    """(name, format of the Arrow C data interface) of each column."""
    return tuple((child.name, child.format) for child in schema.children)


def _read(part: Open) -> bytes:
    reader, made, buffer = part(), bytearray(), bytearray(_READ_BYTES)
    while size := reader.readinto(buffer):
        made += memoryview(buffer)[:size]
    return bytes(made)


def _batches(part: Open) -> Any:
    return nanoarrow.c_array_stream(ipc.InputStream.from_readable(part()))
