"""A stream is cut into exactly the frames that were sent, and a length over the bound ends it
(T31)."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from strongroom.node.framing import FrameProtocol


class _Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.aborted = True


def _protocol(
    frames: list[bytes], *, frame_bytes_max: int = 1000
) -> tuple[FrameProtocol, _Transport]:
    protocol = FrameProtocol(frames.append, lambda error: None, frame_bytes_max=frame_bytes_max)
    transport = _Transport()
    protocol.connection_made(transport)
    return protocol, transport


@given(
    frames=st.lists(st.binary(max_size=300), max_size=8),
    cuts=st.lists(st.integers(1, 40), max_size=40),
)
def test_any_cut_of_the_stream_gives_the_same_frames(frames: list[bytes], cuts: list[int]) -> None:
    async def send_all() -> bytes:
        sender, wire = _protocol([])
        for frame in frames:
            sender.send(frame)
        await asyncio.sleep(0)
        return wire.written

    received: list[bytes] = []
    receiver, _ = _protocol(received)
    stream = asyncio.run(send_all())
    for cut in cuts:
        receiver.data_received(stream[:cut])
        stream = stream[cut:]
    receiver.data_received(stream)
    assert received == frames


def test_a_length_over_the_bound_closes_the_stream_before_its_bytes_are_kept() -> None:
    received: list[bytes] = []
    protocol, transport = _protocol(received, frame_bytes_max=10)
    protocol.data_received((11).to_bytes(4, "big") + b"x" * 11)
    assert transport.aborted
    assert received == []
