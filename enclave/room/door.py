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
            data = self._read()
            if data is None:
                return None
            if not data:
                raise DoorClosed
            self._buffer += data
        try:
            value = codec.decode_value(frame)
        except NotCanonical:
            raise DoorClosed from None
        if type(value) is not list or not value:
            raise DoorClosed
        return tuple(value)

    def send(self, *frame: Any) -> None:
        """Say something.

        Raises:
            DoorClosed: the host takes nothing any more.
        """
        data = codec.encode(frame)
        if len(data) > ROOM_FRAME_BYTES_MAX:
            raise NotCanonical(f"{len(data)} bytes, a frame has at most {ROOM_FRAME_BYTES_MAX}")
        try:
            self._socket.sendall(len(data).to_bytes(LENGTH_BYTES, "big") + data)
        except OSError:
            raise DoorClosed from None

    def _read(self) -> bytes | None:
        """What has come; None when patience ends first."""
        try:
            return self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return None

    def _cut(self) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < LENGTH_BYTES:
            return None
        size = int.from_bytes(buffer[:LENGTH_BYTES], "big")
        if size > ROOM_FRAME_BYTES_MAX:
            raise DoorClosed
        if len(buffer) < LENGTH_BYTES + size:
            return None
        frame = bytes(buffer[LENGTH_BYTES : LENGTH_BYTES + size])
        del buffer[: LENGTH_BYTES + size]
        return frame
