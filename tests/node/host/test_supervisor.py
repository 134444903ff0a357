"""What a supervisor is told: that a node takes part, once; that its loop turns; that it stops."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS

from strongroom.node.host.supervisor import Supervisor


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(HANG_SECONDS)
        yield end


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "notify"), **more}


def word(heard: socket.socket) -> list[str]:
    return heard.recv(4096).decode().split("\n")


async def test_ready_is_said_when_the_node_takes_part_and_once(
    tmp_path: Path, heard: socket.socket
) -> None:
    states = [(False, "starting"), (False, "catching up"), (True, "voting"), (True, "voting")]
    looks: list[tuple[bool, str]] = []

    def look() -> tuple[bool, str]:
        looks.append(states[min(len(looks), len(states) - 1)])
        return looks[-1]

    told = Supervisor(environment(tmp_path, WATCHDOG_USEC="20000"))
    task = asyncio.create_task(told.follow(look))
    found = [await asyncio.to_thread(word, heard) for _ in range(5)]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert found == [
        ["STATUS=starting", "WATCHDOG=1"],
        ["STATUS=catching up", "WATCHDOG=1"],
        ["STATUS=voting", "READY=1", "WATCHDOG=1"],
        ["WATCHDOG=1"],
        ["WATCHDOG=1"],
    ]


def test_a_watchdog_of_another_process_is_not_ours(tmp_path: Path, heard: socket.socket) -> None:
    other = Supervisor(environment(tmp_path, WATCHDOG_USEC="1", WATCHDOG_PID=str(os.getpid() + 1)))
    other.tell(True, "voting")
    assert word(heard) == ["STATUS=voting", "READY=1"]
    other.stopping()
    assert word(heard) == ["STOPPING=1"]


async def test_without_a_supervisor_nothing_is_said_and_one_that_is_gone_stops_nobody(
    tmp_path: Path,
) -> None:
    nobody = Supervisor({})
    assert not nobody.listens
    await nobody.follow(lambda: (True, "voting"))
    Supervisor(environment(tmp_path)).tell(True, "voting")
    for odd in ("", "x", "-1", "²"):
        assert Supervisor({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": odd})._watchdog == 0
