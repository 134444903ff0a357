"""What comes through the door, frame by frame, and what goes out (DESIGN §2).

Owns the stream: where frames end, and that one may be looked for without waiting for it.
"""

import socket

from strongroom.enclave.door.requests import FRAME_BYTES_MAX, LENGTH_BYTES, NUMBER_BYTES

RECEIVE_BYTES = 1 << 16
"""Of one system call: small frames come with their neighbours."""


class DoorClosed(Exception):
    """The stream ended, or a frame is longer or shorter than any may be."""


class Arriving:
    """The enclave's end of the door's socket."""

    def __init__(self, door: socket.socket) -> None:
        self._door = door
        self._buffer = bytearray()

    def wait(self) -> tuple[bytes, bytes]:
        """The next request: its number and the rest.

        Raises:
            DoorClosed: there is none any more.
        """
        while (frame := self._cut()) is None:
            self._receive(0)
        return frame

    def at_hand(self) -> tuple[bytes, bytes] | None:
        """The next request, if all of it is here.

        Raises:
            DoorClosed: there is none any more.
        """
        if (frame := self._cut()) is not None:
            return frame
        try:
            self._receive(socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        return self._cut()

    def answer(self, number: bytes, data: bytes) -> None:
        """Send the answer to the request of this number."""
        size = NUMBER_BYTES + len(data)
        self._door.sendall(size.to_bytes(LENGTH_BYTES, "big") + number + data)

    def _cut(self) -> tuple[bytes, bytes] | None:
        """The first whole frame of what came."""
        buffer = self._buffer
        if len(buffer) < LENGTH_BYTES:
            return None
        size = int.from_bytes(buffer[:LENGTH_BYTES], "big")
        if not NUMBER_BYTES <= size <= FRAME_BYTES_MAX:
            raise DoorClosed
        end = LENGTH_BYTES + size
        if len(buffer) < end:
            return None
        begin = LENGTH_BYTES + NUMBER_BYTES
        with memoryview(buffer) as view:
            frame = bytes(view[LENGTH_BYTES:begin]), bytes(view[begin:end])
        del buffer[:end]
        return frame

    def _receive(self, flags: int) -> None:
        data = self._door.recv(RECEIVE_BYTES, flags)
        if not data:
            raise DoorClosed
        self._buffer += data
