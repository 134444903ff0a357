"""Streams are cut between their batches, whatever the pieces in which they come (T64)."""

import pytest
from tests.enclave.room.crew.test_crew import PAYMENTS, stream

from strongroom.enclave.room.crew.parts import Cutter, NoStream
from strongroom.enclave.room.crew.tasks import opened


def cut(data: bytes, piece: int, size: int = 1 << 16) -> list[bytes]:
    cutter, parts = Cutter(size), list[bytes]()
    for at in range(0, len(data), piece):
        parts += cutter.feed(data[at : at + piece])
    return [*parts, *cutter.finish()]


@pytest.mark.parametrize("piece", [7, 4096, 1 << 20])
def test_parts_hold_every_row_once_and_in_order(piece: int) -> None:
    data = stream(PAYMENTS, 0.1)
    parts = cut(data, piece)
    assert len(parts) > 3
    whole = opened(data).to_pylist()
    assert [row for part in parts for row in opened(part).to_pylist()] == whole


def test_a_stream_without_rows_is_one_part() -> None:
    (part,) = cut(stream(PAYMENTS, 0.1, 0), 100)
    assert len(opened(part)) == 0


@pytest.mark.parametrize("length", [0, 3, 9, 500])
def test_a_stream_that_stops_is_none(length: int) -> None:
    with pytest.raises(NoStream):
        cut(stream(PAYMENTS, 0.1, 10)[:length], 100)


def test_what_is_no_stream_is_refused() -> None:
    data = stream(PAYMENTS, 0.1, 10)
    for wrong in (
        b"\x00" * 64,
        b"\xff" * 64,
        data + data,
        data + b"\x00" * 16,
        data[:8] + b"\xff" * 400,
    ):
        with pytest.raises(NoStream):
            cut(wrong, 1 << 20)
