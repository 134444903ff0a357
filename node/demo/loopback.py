"""What passes on this machine's loopback between some ports, written down as it passes (packet(7)).

Owns the capture. It takes root; whoever is not told so captures nothing, and says so.
"""

import socket
import struct
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

_ETH_P_ALL = 0x0003
_LOOPBACK = "lo"
_IPV4, _TCP = 0x0800, 6
_FRAME_BYTES_MAX = 65_536 + 64
CAPTURE_BYTES_MAX = 512 * 1024 * 1024
"""A longer capture is cut, which is told."""
CONTROL_SECONDS_MAX = 5.0
CONTROL_POLL_SECONDS = 0.02


class LoopbackCapture:
    """A capture from `start` to `stop`; payloads of TCP to or from the ports, one after the
    other."""

    def __init__(self, path: Path, ports: Collection[int]) -> None:
        self._path, self._ports = path, frozenset(ports)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._ends = threading.Event()
        self.size = 0
        self.cut = False
        """More passed than was written down."""

    def start(self) -> bool:
        """Begin; False: this user may not."""
        try:
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            raw.bind((_LOOPBACK, 0))
        except (OSError, AttributeError):
            return False
        raw.settimeout(0.2)
        self._socket = raw
        self._thread = threading.Thread(target=self._capture, name="loopback", daemon=True)
        self._thread.start()
        return True

    def stop(self) -> None:
        """End it; the file is whole after this."""
        self._ends.set()
        if self._thread is not None:
            self._thread.join()
        if self._socket is not None:
            self._socket.close()

    def say(self, host: str, port: int, text: str) -> None:
        """A text in the clear on a captured port, as a control: the capture must show it."""
        before, deadline = self.size, time.monotonic() + CONTROL_SECONDS_MAX
        with socket.create_connection((host, port), timeout=CONTROL_SECONDS_MAX) as line:
            line.sendall(text.encode())
            while self.size < before + len(text) and time.monotonic() < deadline:
                time.sleep(CONTROL_POLL_SECONDS)

    def _capture(self) -> None:
        assert self._socket is not None
        with self._path.open("wb") as file:
            while not self._ends.is_set():
                try:
                    frame = self._socket.recv(_FRAME_BYTES_MAX)
                except TimeoutError:
                    continue
                except OSError:
                    self.cut = True
                    return
                self._keep(file, frame)

    def _keep(self, file: BinaryIO, frame: bytes) -> None:
        payload = payload_of(frame, self._ports)
        if not payload:
            return
        if self.size + len(payload) > CAPTURE_BYTES_MAX:
            self.cut = True
            return
        file.write(payload)
        self.size += len(payload)


def payload_of(frame: bytes, ports: Collection[int]) -> bytes:
    """What an Ethernet frame carries of TCP over IPv4 to or from one of the ports; nothing if it is
    something else."""
    if len(frame) < 54 or struct.unpack_from("!H", frame, 12)[0] != _IPV4 or frame[23] != _TCP:
        return b""
    tcp = 14 + (frame[14] & 15) * 4
    total = 14 + struct.unpack_from("!H", frame, 16)[0]
    if len(frame) < tcp + 20:
        return b""
    source, target = struct.unpack_from("!HH", frame, tcp)
    if source not in ports and target not in ports:
        return b""
    return frame[tcp + (frame[tcp + 12] >> 4) * 4 : max(total, tcp)]
