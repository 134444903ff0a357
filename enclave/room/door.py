"""The room's one small door: frames to and from its host, who is believed in nothing.

Owns framing, the shapes of what a room says, and patience: the socket is read with a time limit
that was set before the walls stood, so that a silent host cannot keep a room from its clock.

    to the room:  (START, {…})  (ANSWER, number, ok, value)  (STOP,)
    to the host:  (ASK, number, method, ((name, value), …))  (READ, number, file, offset, size)
                  (SAVE, number, bytes)  (TELL, what, ((name, value), …))  (ENDED, ok, text)
"""

import socket
import struct
from enum import IntEnum
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical

ROOM_FRAME_BYTES_MAX = 32 * 1024 * 1024
LENGTH_BYTES = 4
PATIENCE_MS = 100
"""How long the socket is waited for at a time; deadlines are seen to so often."""
SENDING_MS_MAX = 10_000
"""A host that takes nothing for so long ends the room."""
_READ_BYTES = 1 << 16


class ToRoom(IntEnum):
    """What a host says."""

    START = 1
    ANSWER = 2
    STOP = 3


class ToHost(IntEnum):
    """What a room says."""

    ASK = 1
    READ = 2
    SAVE = 3
    TELL = 4
    ENDED = 5


class DoorClosed(Exception):
    """The host has gone, or breaks the frames' form: the room ends."""


class Door:
    """Frames over one connected stream socket."""

    def __init__(self, door: socket.socket) -> None:
        self._socket = door
        self._buffer = bytearray()
        self._long: bytearray | None = None
        """A frame of more than one read, filled in its own memory: a chunk is copied once."""
        self._filled = 0
        door.setblocking(True)
        self.limit(receiving_ms=PATIENCE_MS, sending_ms=SENDING_MS_MAX)

    def limit(self, *, receiving_ms: int = 0, sending_ms: int = 0) -> None:
        """For how long it waits at a time, of one way or both; 0: as before."""
        for option, milliseconds in (
            (socket.SO_RCVTIMEO, receiving_ms),
            (socket.SO_SNDTIMEO, sending_ms),
        ):
            if milliseconds:
                limit = struct.pack("ll", milliseconds // 1000, milliseconds % 1000 * 1000)
                self._socket.setsockopt(socket.SOL_SOCKET, option, limit)

    def receive(self) -> tuple[Any, ...] | None:
        """The next frame; None when patience ends first.

        Raises:
            DoorClosed: the stream ends, or what comes is no frame.
        """
        while (frame := self._cut()) is None:
            if not self._read():
                return None
        try:
            value = codec.decode_value(frame)
        except NotCanonical:
            raise DoorClosed from None
        if type(value) is not list or not value:
            raise DoorClosed
        return tuple(value)

    def receive_into(self, view: memoryview) -> None:
        """Bytes that follow a frame without one of their own, until the view is full; of somebody
        who is believed to send them.

        Raises:
            DoorClosed: the stream ends before.
        """
        taken = min(len(view), len(self._buffer))
        view[:taken] = self._buffer[:taken]
        del self._buffer[:taken]
        while taken < len(view):
            try:
                got = self._socket.recv_into(view[taken:])
            except BlockingIOError:
                continue
            except OSError:
                raise DoorClosed from None
            if not got:
                raise DoorClosed
            taken += got

    def send(self, *frame: Any) -> None:
        """Say something.

        Raises:
            DoorClosed: the host takes nothing any more.
        """
        try:
            self._socket.sendall(framed(*frame))
        except OSError:
            raise DoorClosed from None

    def send_now(self, data: memoryview) -> int:
        """Of these bytes as many as the other end takes without being waited for: how many.

        Raises:
            DoorClosed: it takes nothing any more.
        """
        try:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            raise DoorClosed from None

    def _read(self, flags: int = 0) -> bool:
        """Read once, with these flags of recv; False: patience ended first."""
        try:
            if self._long is None:
                data = self._socket.recv(_READ_BYTES, flags)
                self._buffer += data
                got = len(data)
            else:
                got = self._socket.recv_into(memoryview(self._long)[self._filled :], 0, flags)
                self._filled += got
        except BlockingIOError:
            return False
        except OSError:
            raise DoorClosed from None
        if not got:
            raise DoorClosed
        return True

    def _cut(self) -> bytes | bytearray | None:
        """The frame that is whole, out of what was read."""
        if self._long is not None:
            if self._filled < len(self._long):
                return None
            whole, self._long = self._long, None
            return whole
        buffer = self._buffer
        if len(buffer) < LENGTH_BYTES:
            return None
        size = int.from_bytes(buffer[:LENGTH_BYTES], "big")
        if size > ROOM_FRAME_BYTES_MAX:
            raise DoorClosed
        there = len(buffer) - LENGTH_BYTES
        if there < size:
            if size > _READ_BYTES:
                self._long, self._filled = bytearray(size), there
                self._long[:there] = buffer[LENGTH_BYTES:]
                buffer.clear()
            return None
        frame = bytes(buffer[LENGTH_BYTES : LENGTH_BYTES + size])
        del buffer[: LENGTH_BYTES + size]
        return frame


def framed(*frame: Any) -> bytes:
    """A frame's bytes.

    Raises:
        NotCanonical: they are more than a frame has.
    """
    data = codec.encode(frame)
    if len(data) > ROOM_FRAME_BYTES_MAX:
        raise NotCanonical(f"{len(data)} bytes, a frame has at most {ROOM_FRAME_BYTES_MAX}")
    return len(data).to_bytes(LENGTH_BYTES, "big") + data
