"""A room's end and its next start: stopped in order, crashed, cut off, an answer lost on its way
(T53, T54)."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.node.rooms.world import PLANT, World, world
from tests.waiting import so

from strongroom.node.client.errors import Disconnected
from strongroom.node.faults import Refused
from strongroom.node.rooms import starting
from strongroom.node.rooms.process import STOP_SECONDS

pytestmark = pytest.mark.processes
ORDERLY = """
from strongroom.enclave.room.sdk import Stopped

async def program(room):
    lease = await room.open(room.parameters["key"], "print")
    try:
        room.tell("waits")
        await room.rest(600)
    except Stopped:
        room.tell("back", units=await lease.end())
        raise
"""

STUBBORN = """
from strongroom.enclave.room.sdk import Stopped

async def program(room):
    lease = await room.open(room.parameters["key"], "print")
    room.tell("waits")
    while True:
        try:
            await room.rest(600)
        except Stopped:
            room.tell("goes-on")
"""


def use(plant: World, source: str) -> None:
    plant.program = plant.directory / "mine.py"
    plant.program.write_text(source)


async def test_a_room_that_is_stopped_ends_its_lease_and_the_next_start_asks_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T54: what was reserved counts as used, for nobody knows how far the part came."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", quantity=2, lease_ms=600_000)
        async with plant.room(key, seconds="600") as room:
            await so(lambda: room.said("layer"), "one layer is printed")
            await room.process.stop(STOP_SECONDS)
            ended = await room.end()
        assert (ended.ok, ended.code) == (False, "stopped")
        (lease,) = await plant.look("leases", key=key)
        assert (lease["state"], lease["used"], lease["reserved"]) == ("ended", 1, 1)
        async with plant.room(key) as room:
            assert (await room.end()).ok


async def test_a_program_may_end_its_lease_in_order_when_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as plant:
        use(plant, ORDERLY)
        key = await plant.key("bear", quantity=1)
        async with plant.room(key) as room:
            await so(lambda: room.said("waits"), "the program waits")
            await room.process.stop(STOP_SECONDS)
            assert (await room.end()).code == "stopped"
        assert room.said("back") == [{"units": 1}]
        (lease,) = await plant.look("leases", key=key)
        assert (lease["state"], lease["used"], lease["reserved"]) == ("ended", 0, 0)


async def test_a_program_that_does_not_stop_is_killed_and_leaves_its_lease_to_lapse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "STOP_SECONDS", 1.0)
    async with world(tmp_path, monkeypatch) as plant:
        use(plant, STUBBORN)
        key = await plant.key("bear")
        events: list[str] = []
        stop = asyncio.Event()

        def hear(what: str, _fields: dict[str, Any]) -> None:
            events.append(what)
            if what == "waits":
                stop.set()

        ended = await starting.run_room(plant.wanted(key), tmp_path, PLANT, hear, stop)
        assert (ended.ok, ended.code) == (False, "killed")
        assert events.count("goes-on") == 1, "it is told once"
        (lease,) = await plant.look("leases", key=key)
        assert (lease["state"], lease["reserved"]) == ("open", 1)


async def test_a_room_that_crashed_starts_again_and_waits_for_its_own_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T53: a later boot is no clone; until the lease of the crashed one lapses, two could work."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", quantity=2, heartbeat_ms=20_000, lease_ms=60_000)
        async with plant.room(key, seconds="600") as room:
            await so(lambda: room.said("layer"), "one layer is printed")
            await room.process.kill()
        async with plant.room(key) as room:
            assert (await room.end()).code == "machine-busy"
        plant.service.orderer.chain.time_step_ms = 8_000
        async with plant.room(key, patience="60") as room:
            ended = await room.end()
        assert ended.ok, ended.text
        assert room.said("started")[0]["boot"] == 3
        crashed, again = await plant.look("leases", key=key)
        assert (crashed["state"], crashed["reserved"]) == ("lapsed", 1), "lost, and shown"
        assert (again["state"], again["used"]) == ("ended", 1)


async def test_T52_an_ask_whose_answer_was_lost_keeps_no_machine_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node that executed it dies before it answers; another one, which caught up by write sets,
    knows only its digest."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", quantity=1, lease_ms=600_000)
        lost: list[str] = []

        def lose(method: str, answer: Any) -> Any:
            if method == "ledger_submit" and len(lost) < 2:
                lost.append(method)
                if len(lost) == 1:
                    raise Disconnected("the node has gone")
                raise Refused("it was executed before", reason="duplicate")
            if method == "ledger_transaction":
                return {**answer, "result": None}
            return answer

        async with plant.room(key) as room:
            room.relay.lie = lose
            ended = await room.end()
        assert ended.ok, ended.text
        assert "ledger_transaction" in room.relay.asked
        first, second = await plant.look("leases", key=key)
        assert (first["state"], first["used"], first["reserved"]) == ("ended", 0, 0)
        assert (second["state"], second["used"]) == ("ended", 1)


async def test_the_command_ends_in_order_on_sigterm_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", quantity=1)
        words = [
            "-c",
            "from strongroom.node.cli.main import main; main()",
            "room",
            "run",
            "printer",
            "--name",
            "hall-7",
        ]
        words += ["--service", str(tmp_path), "--chip", str(plant.chip), "--region", "eu-west"]
        words += ["--as", "alice", "--file", f"design={tmp_path / 'bear.sealed'}", "--json"]
        words += ["--set", "container=design", "--set", f"key={key}", "--set", "seconds=600"]
        command = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdout=asyncio.subprocess.PIPE
        )
        assert command.stdout is not None
        said: list[dict[str, Any]] = []
        try:
            async for line in command.stdout:
                said.append(json.loads(line))
                if said[-1].get("event") == "layer":
                    command.send_signal(signal.SIGTERM)
            assert await command.wait() == 0
        finally:
            if command.returncode is None:
                command.kill()
        assert said[-1] == {"ok": True, "room": "hall-7", "stopped": True}
        assert "stopping" in [one.get("event") for one in said]
        (lease,) = await plant.look("leases", key=key)
        assert (lease["state"], lease["used"]) == ("ended", 1)
