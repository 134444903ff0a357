"""A bench's one way out: frames over the socket to its own room, without ever waiting for the room
to take one while the room waits for the bench.

Owns framing of raw bytes (rows pass here, so nothing is encoded twice) and the two time limits,
which are set before the walls rise.

    a frame:  length (4 bytes), kind (1), member (1), then its bytes
"""

import socket
import struct
from collections import deque
from enum import IntEnum

from strongroom.enclave.room.crew.link import RECORD_BYTES_MAX
from strongroom.enclave.room.door import DoorClosed

_HEAD = struct.Struct(">IBB")
WAY_BYTES_MAX = RECORD_BYTES_MAX + 64 * 1024
BUFFER_BYTES = 4 << 20
"""Asked for, of what the kernel holds between the two; it gives as much as it allows."""
_READ_BYTES = 1 << 20


class ToCrew(IntEnum):
    """What a room says to its bench."""

    MEMBER = 1
    CARRIED = 2
    GONE = 3
    JOB = 4
    PART = 5
    RUN = 6


class ToRoom(IntEnum):
    """What a bench says."""

    READY = 1
    CARRY = 2
    OUT = 3
    DONE = 4
    FAILED = 5
    AGAIN = 6
    TAKEN = 7


PLACE = struct.Struct(">HH")
"""Input and segment, at the front of a PART."""
Frame = tuple[int, int, bytes]
"""Kind, member, bytes."""


class Way:
    """One end."""

    def __init__(self, end: socket.socket, *, patience_ms: int) -> None:
        """Set both limits.

        Args:
            end: a connected stream socket.
            patience_ms: how long it is waited for at a time.
        """
        self._socket, self._buffer = end, bytearray()
        self._came: deque[Frame] = deque()
        self._out: deque[memoryview] = deque()
        end.setblocking(True)
        limit = struct.pack("ll", patience_ms // 1000, patience_ms % 1000 * 1000)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            end.setsockopt(socket.SOL_SOCKET, option, limit)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)

    def send(self, kind: int, member: int = 0, data: bytes | memoryview = b"") -> None:
        """Say something, and take what comes meanwhile.

        Raises:
            DoorClosed: the other end is gone, and was so when this looked for what comes.
        """
        self.put(kind, member, data)
        while not self.flush(wait=True):
            self._read(wait=False)

    def put(self, kind: int, member: int = 0, data: bytes | memoryview = b"") -> None:
        """Say something at the next `flush`."""
        if len(data) > WAY_BYTES_MAX:
            raise DoorClosed
        self._out.append(memoryview(b"".join((_HEAD.pack(len(data), kind, member), data))))

    def flush(self, *, wait: bool = False) -> bool:
        """Hand over what was put, as far as the other end takes it now; whether that was all.

        To an end that is gone nothing can be said, and it is not told here: its last words may lie
        unread in the socket. `receive` gives them, and then says that it is gone.
        """
        while self._out:
            view = self._out[0]
            try:
                sent = self._socket.send(view, 0 if wait else socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            except OSError:
                self._out.clear()
                return True
            if sent < len(view):
                self._out[0] = view[sent:]
            else:
                self._out.popleft()
        return True

    @property
    def unsent(self) -> int:
        """Bytes that were put and not handed over."""
        return sum(map(len, self._out))

    def receive(self, *, wait: bool = True) -> Frame | None:
        """The next frame; None if there is none, after its patience or at once.

        Raises:
            DoorClosed: the other end is gone, or what comes is no frame.
        """
        if not self._came:
            self._read(wait=wait)
        return self._came.popleft() if self._came else None

    def _read(self, *, wait: bool) -> None:
        try:
            data = self._socket.recv(_READ_BYTES, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            raise DoorClosed from None
        if not data:
            raise DoorClosed
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= _HEAD.size:
            size, kind, member = _HEAD.unpack_from(buffer, at)
            if size > WAY_BYTES_MAX:
                raise DoorClosed
            end = at + _HEAD.size + size
            if len(buffer) < end:
                break
            self._came.append((kind, member, bytes(memoryview(buffer)[at + _HEAD.size : end])))
            at = end
        del buffer[:at]
