"""Rows as they come, divided into parts for the members of a crew: an Arrow IPC stream is cut
between its batches, never within one.

Owns the cutting. It reads lengths alone: the frame of each message and its body's length (Arrow
columnar format, "Encapsulated message format"; Message.fbs). What is in a batch, members read.
"""

import struct
from collections.abc import Iterator

PART_BYTES = 16 << 20
"""A part is closed when it has so many."""
ROW_BATCH_BYTES_MAX = 1 << 31
_CONTINUATION = 0xFFFFFFFF
_END = struct.pack("<Ii", _CONTINUATION, 0)
_SCHEMA, _BATCH = 1, 3
"""MessageHeader."""
_HEADER_TYPE, _BODY_LENGTH = 1, 3
"""Fields of Message."""


class NoStream(Exception):
    """It is no Arrow IPC stream that can be cut. Never leaves the bench."""


class Cutter:
    """One stream, cut while it comes: at most one part of it is held."""

    def __init__(self, part_bytes: int = PART_BYTES) -> None:
        self._size = part_bytes
        self._buffer = bytearray()
        self._schema = b""
        self._batches: list[bytes] = []
        self._held = 0
        self._given = self._ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The next bytes; parts that are whole now.

        Raises:
            NoStream: it is none.
        """
        self._buffer += data
        while (message := self._cut()) is not None:
            self._batches.append(message)
            self._held += len(message)
            if self._held >= self._size:
                yield self._part()

    def finish(self) -> Iterator[bytes]:
        """The last part; a stream without rows is one part without batches.

        Raises:
            NoStream: it stops within a message.
        """
        if self._buffer or not self._schema:
            raise NoStream("the stream stops within a message")
        if self._batches or not self._given:
            yield self._part()

    def _part(self) -> bytes:
        made = b"".join((self._schema, *self._batches, _END))
        self._batches.clear()
        self._held, self._given = 0, True
        return made

    def _cut(self) -> bytes | None:
        """The next batch, once it is whole."""
        while len(self._buffer) >= 8:
            if self._ended:
                raise NoStream("bytes after the end")
            start, size = struct.unpack_from("<Ii", self._buffer)
            if start != _CONTINUATION or not 0 <= size <= ROW_BATCH_BYTES_MAX:
                raise NoStream("not a message")
            if size == 0:
                self._ended = True
                del self._buffer[:8]
                continue
            if len(self._buffer) < 8 + size:
                return None
            kind, body = _read(self._buffer, 8, size)
            whole = 8 + size + body
            if len(self._buffer) < whole:
                return None
            message = bytes(memoryview(self._buffer)[:whole])
            del self._buffer[:whole]
            if (kind == _SCHEMA) == bool(self._schema) or kind not in (_SCHEMA, _BATCH):
                raise NoStream("not a schema and then batches")
            if kind == _BATCH:
                return message
            self._schema = message
        return None


def _read(data: bytearray, at: int, size: int) -> tuple[int, int]:
    """(type of its header, length of its body) of a message, a flatbuffer.

    Raises:
        NoStream: it is none.
    """
    end = at + size
    try:
        table = at + struct.unpack_from("<I", data, at)[0]
        vtable = table - struct.unpack_from("<i", data, table)[0]
        length = struct.unpack_from("<H", data, vtable)[0]
        if not at <= vtable < vtable + length <= end or not at <= table < end:
            raise NoStream("a table outside of its message")
        found = []
        for field, form in ((_HEADER_TYPE, "<B"), (_BODY_LENGTH, "<q")):
            entry = 4 + 2 * field
            offset = struct.unpack_from("<H", data, vtable + entry)[0] if entry < length else 0
            if table + offset + struct.calcsize(form) > end:
                raise NoStream("a field outside of its message")
            found.append(struct.unpack_from(form, data, table + offset)[0] if offset else 0)
    except struct.error:
        raise NoStream("not a message") from None
    kind, body = found
    if not 0 <= body <= ROW_BATCH_BYTES_MAX:
        raise NoStream("a body of an impossible length")
    return kind, body
