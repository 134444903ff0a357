"""The keyhole at an enclave's door sees which request a frame is, and which one an answer is to
(scripts/leak_hunt)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripts.leak_hunt.frames import read_frames
from scripts.leak_hunt.watching_host import Notebook, watch_door_and_links

from strongroom.enclave.door.requests import NUMBER_BYTES, Op, encode_answer, encode_request
from strongroom.node.enclave_client.process import EnclaveSocket
from strongroom.node.framing import FrameProtocol


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Path]:
    send, initialise = FrameProtocol.send, FrameProtocol.__init__
    notebook = Notebook(tmp_path / "n0")
    watch_door_and_links(notebook)
    yield tmp_path / "n0"
    notebook.close()
    FrameProtocol.send, FrameProtocol.__init__ = send, initialise  # type: ignore[method-assign]


async def test_answers_are_named_by_their_requests_also_out_of_order(capture: Path) -> None:
    loose: Any = None
    behind = EnclaveSocket(loose)
    sent: list[bytes] = []

    class Transport(asyncio.Transport):
        def write(self, data: Any) -> None:
            sent.append(bytes(data))

        def writelines(self, list_of_data: Any) -> None:
            sent.append(b"".join(list_of_data))

        def is_closing(self) -> bool:
            return False

        def get_write_buffer_size(self) -> int:
            return 0

    behind.frames.connection_made(Transport())
    asked = [behind.ask(encode_request(op)) for op in (Op.STATUS, Op.CHALLENGE)]
    await asyncio.sleep(0)
    numbers = [number.to_bytes(NUMBER_BYTES, "big") for number in range(2)]
    for number in reversed(numbers):
        answer = number + encode_answer(None)
        behind.frames.data_received(len(answer).to_bytes(4, "big") + answer)
    assert all(one.done() for one in asked)
    lines = read_frames(capture.with_suffix(".frames"))
    assert [(line.place, line.kind, line.way) for line in lines] == [
        ("door", "STATUS", "in"),
        ("door", "CHALLENGE", "in"),
        ("door", "CHALLENGE", "out"),
        ("door", "STATUS", "out"),
    ]
    assert sum(map(len, sent)) > 0
