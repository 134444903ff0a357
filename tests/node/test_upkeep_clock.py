"""A clock that is behind the chain's time is told once, and told to be over once."""

import asyncio
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from strongroom.node.host import upkeep


async def test_a_clock_behind_the_chains_time_is_said_once_and_its_end_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings: Iterator[int] = iter([0, 18_000_000, 17_999_000, 0, 0, 2_000])
    monkeypatch.setattr(upkeep, "CLOCK_SECONDS", 0)

    def behind_ms() -> int:
        reading = next(readings, None)
        if reading is None:
            raise asyncio.CancelledError
        return reading

    with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await upkeep.watch_clock(behind_ms)
    assert [entry["event"] for entry in logs] == [
        "node.clock_behind",
        "node.clock_passed",
        "node.clock_behind",
    ]
    assert "18000 s behind the chain's time" in logs[0]["text"]
    assert "2 s behind" in logs[2]["text"]
