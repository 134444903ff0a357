"""A curious host: a real node that writes down every frame that passes it, where it sees them in
the clear.

    python -m scripts.leak_hunt.watching_host CAPTURE run --config FILE

Owns three keyholes: the door of its enclave, the links to its peers, its clients' connections. Each
frame becomes a line in CAPTURE.frames (what, which way, how long), and its bytes are appended to
CAPTURE.bytes. Keeps none of them.
"""

import sys
from pathlib import Path
from typing import Any, BinaryIO

from scripts.leak_hunt.frames import FrameLine

from strongroom.consensus import messages
from strongroom.enclave.door.requests import NUMBER_BYTES, Op
from strongroom.node.__main__ import main as run_node
from strongroom.node.enclave_client.process import EnclaveSocket
from strongroom.node.framing import FrameProtocol
from strongroom.node.rpc import websocket
from strongroom.node.rpc.frame_writer import FrameWriter

_MESSAGE_TAG_AT = 1
"""A request of the door, behind its own number, and a message of a link are (number, …): one byte
of msgpack for the sequence, one for it."""


_MESSAGES = {
    messages.PROPOSE: "PROPOSE",
    messages.BATCH: "BATCH",
    messages.VOTE: "VOTE",
    messages.CERT: "CERT",
    messages.JUSTIFY: "JUSTIFY",
    messages.HEAD_REQ: "HEAD_REQ",
    messages.HEAD: "HEAD",
    messages.STATUS: "STATUS",
}


class Notebook:
    """Where a host writes down what it sees."""

    def __init__(self, capture: Path) -> None:
        self._lines: BinaryIO = capture.with_suffix(".frames").open("ab", buffering=0)
        self._bytes: BinaryIO = capture.with_suffix(".bytes").open("ab", buffering=0)

    def note(self, place: str, kind: str, way: str, frame: bytes) -> None:
        """One frame."""
        self._lines.write(FrameLine(place, kind, way, len(frame)).encode())
        self._bytes.write(frame)

    def close(self) -> None:
        """Nothing more is noted."""
        self._lines.close()
        self._bytes.close()


def watch_door_and_links(notebook: Notebook) -> None:
    """Look at every frame between the host and its enclave, and between the host and its peers.
    The number that the host gives each request is its own, and is left out."""
    asked: dict[FrameProtocol, dict[bytes, str]] = {}
    send, initialise = FrameProtocol.send, FrameProtocol.__init__

    def sending(self: FrameProtocol, frame: bytes) -> None:
        if self in asked:
            number, request = frame[:NUMBER_BYTES], frame[NUMBER_BYTES:]
            kind = asked[self][number] = Op(request[_MESSAGE_TAG_AT]).name
            notebook.note("door", kind, "in", request)
        else:
            notebook.note("link", _tag(frame), "out", frame)
        send(self, frame)

    def initialising(self: FrameProtocol, on_frame: Any, on_close: Any, **bounds: Any) -> None:
        def receiving(frame: bytes) -> None:
            if self in asked:
                number, answer = frame[:NUMBER_BYTES], frame[NUMBER_BYTES:]
                notebook.note("door", asked[self].pop(number, "unasked"), "out", answer)
            else:
                notebook.note("link", _tag(frame), "in", frame)
            on_frame(frame)

        initialise(self, receiving, on_close, **bounds)
        if isinstance(getattr(on_frame, "__self__", None), EnclaveSocket):
            asked[self] = {}

    FrameProtocol.send, FrameProtocol.__init__ = sending, initialising  # type: ignore[method-assign]


def watch_clients(notebook: Notebook) -> None:
    """Look at every frame between the host and its clients, behind TLS."""
    connection = websocket.Connection
    take, send = connection._take, FrameWriter.send
    methods: dict[tuple[int, object], str] = {}

    async def taking(self: Any, group: Any, caller: Any, form: Any, data: Any) -> None:
        value = form.decode(data)
        methods[id(self._writer), value["id"]] = value["method"]
        notebook.note(
            "client", value["method"], "in", data if isinstance(data, bytes) else data.encode()
        )
        await take(self, group, caller, form, data)

    async def sending(self: Any, form: Any, data: bytes) -> None:
        value = form.decode(data)
        method = methods.pop((id(self), value.get("id")), "event")
        kind = f"{method}: {value['error']['code']}" if "error" in value else method
        notebook.note("client", kind, "out", data)
        await send(self, form, data)

    connection._take, FrameWriter.send = taking, sending  # type: ignore[method-assign]


def _tag(frame: bytes) -> str:
    return _MESSAGES.get(frame[_MESSAGE_TAG_AT] if len(frame) > _MESSAGE_TAG_AT else 0, "handshake")


def main() -> int:
    """Run a node and watch it."""
    capture = Path(sys.argv.pop(1))
    notebook = Notebook(capture)
    watch_door_and_links(notebook)
    watch_clients(notebook)
    return run_node()


if __name__ == "__main__":
    sys.exit(main())
