"""Frames between a bench and its cell: a kind, a length, bytes.

Owns that form, its bounds and patience. What comes from a cell is hostile: a length counts only
within what is left of a bound, and nothing is waited for beyond a deadline.

    to the cell:   (LIMIT, memory, seconds)   (TABLE, alias, Arrow IPC stream)   (RUN, task)
    to the bench:  (READY)  (WALLED)  (TABLE, …)  (MODEL, …)  (BYTES, …)  (DONE)  (FAILED, words)
"""

import socket
import struct
from enum import IntEnum
from time import monotonic

_HEAD = struct.Struct("!BQ")
_LOOK_MS = 50
"""How long the socket is waited for at a time."""
_PART_BYTES = 1 << 20


class ToCell(IntEnum):
    """What a bench says."""

    LIMIT = 1
    TABLE = 2
    RUN = 3


class ToBench(IntEnum):
    """What a cell says."""

    READY = 1
    WALLED = 2
    TABLE = 3
    MODEL = 4
    BYTES = 5
    DONE = 6
    FAILED = 7


class CellGone(Exception):
    """The other end has gone, is silent beyond the deadline, or says what none says."""


class Frames:
    """Frames over one connected stream socket."""

    def __init__(self, end: socket.socket) -> None:
        """Set patience, before any walls stand."""
        self._socket = end
        end.setblocking(True)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            end.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", 0, _LOOK_MS * 1000))

    def send(
        self, kind: int, *parts: bytes | bytearray | memoryview, until: float | None = None
    ) -> None:
        """Say something.

        Args:
            kind: of the frame.
            parts: its bytes, one behind the other.
            until: of the monotonic clock; None: a cell, which waits for its bench.

        Raises:
            CellGone: the other end takes nothing more.
        """
        for part in (_HEAD.pack(kind, sum(map(len, parts))), *parts):
            view = memoryview(part)
            while view:
                try:
                    _check_time(until)
                    view = view[self._socket.send(view) :]
                except BlockingIOError:
                    continue
                except OSError:
                    raise CellGone from None

    def receive(self, bytes_max: int, *, until: float | None = None) -> tuple[int, bytearray]:
        """The next frame.

        Args:
            bytes_max: what it may have.
            until: of the monotonic clock; None: a cell, which waits for its bench.

        Raises:
            CellGone: the other end ends, says nothing in time, or says too much.
        """
        kind, size = _HEAD.unpack(self._exactly(_HEAD.size, until))
        if size > bytes_max:
            raise CellGone
        return kind, self._exactly(size, until)

    def _exactly(self, size: int, until: float | None) -> bytearray:
        """It grows by what came: a length that is only claimed takes no memory."""
        data = bytearray()
        while len(data) < size:
            try:
                _check_time(until)
                part = self._socket.recv(min(size - len(data), _PART_BYTES))
            except BlockingIOError:
                continue
            except OSError:
                raise CellGone from None
            if not part:
                raise CellGone
            data += part
        return data


def _check_time(until: float | None) -> None:
    if until is not None and monotonic() > until:
        raise CellGone
