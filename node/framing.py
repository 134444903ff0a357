"""Length-prefixed frames on a stream: one protocol for the enclave's socket and for the links
between nodes.

Knows lengths and back-pressure; nothing of what a frame means.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from strongroom.node.machine.transports import abort

LENGTH_BYTES = 4


@dataclass(slots=True)
class Traffic:
    """Bytes of one peer, over all its connections."""

    received: int = 0
    sent: int = 0


class FrameProtocol(asyncio.Protocol):
    """Cuts a stream into frames: u32 big-endian length, then that many bytes.

    `on_frame` gets each whole frame; `on_close` is called once. A length over `frame_bytes_max`
    closes the stream.
    """

    def __init__(
        self,
        on_frame: Callable[[bytes], None],
        on_close: Callable[[Exception | None], None],
        *,
        frame_bytes_max: int,
    ) -> None:
        self._on_frame, self._on_close = on_frame, on_close
        self.frame_bytes_max = frame_bytes_max
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        """The one that it sends in: to ask for it each time costs a system call."""
        self.traffic = Traffic()
        """Counts what passes; may be replaced by one that counts several connections."""
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    @property
    def transport(self) -> asyncio.Transport:
        """The connected transport.

        Raises:
            ConnectionError: not connected yet, or no more.
        """
        if self._transport is None:
            raise ConnectionError("no connection")
        return self._transport

    @property
    def connected(self) -> bool:
        """Between `connection_made` and `connection_lost`."""
        return self._transport is not None

    @property
    def unsent_bytes(self) -> int:
        """Bytes accepted by `send` that the kernel has not taken."""
        return (
            0
            if self._transport is None
            else self._pending_bytes + self._transport.get_write_buffer_size()
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.traffic.received += len(data)
        buffer = self._buffer
        if buffer:
            buffer += data
            del buffer[: self._cut(buffer)]
            return
        end = self._cut(data)  # mostly whole frames come, and nothing is copied twice
        if end < len(data):
            buffer += data[end:]

    def _cut(self, data: bytes | bytearray) -> int:
        """Hand out each whole frame; where the rest begins."""
        at, held = 0, len(data)
        while held - at >= LENGTH_BYTES:
            begin = at + LENGTH_BYTES
            size = int.from_bytes(data[at:begin], "big")
            if size > self.frame_bytes_max:
                abort(self.transport)
                return held
            if held - begin < size:
                break
            at = begin + size
            self._on_frame(bytes(data[begin:at]))
        return at

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_close(exc)

    def send(self, frame: bytes) -> None:
        """Queue one frame; all frames of one turn of the event loop leave in one write.

        Raises:
            ConnectionError: not connected.
        """
        if self._transport is None:
            raise ConnectionError("no connection")
        if not self._pending:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._flush)
        self._pending += (len(frame).to_bytes(LENGTH_BYTES, "big"), frame)
        self._pending_bytes += LENGTH_BYTES + len(frame)

    def _flush(self) -> None:
        data = b"".join(self._pending)
        self.traffic.sent += len(data)
        self._pending.clear()
        self._pending_bytes = 0
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        """Stop reading until `resume`: the reader's queue is full."""
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if (
            self._transport is not None
            and not self._transport.is_reading()
            and not self._transport.is_closing()
        ):
            self._transport.resume_reading()
