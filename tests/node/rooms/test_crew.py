"""A crew's rooms as processes behind walls, their hosts between them: a job from its run to its
opening, and what becomes of it when a member is killed (ROOMS §8; T65, T68)."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.programs.rooms.world import ANALYST, BANKS, REGULATOR, terms
from tests.node.rooms.crew_world import crew
from tests.node.rooms.test_workers import listed
from tests.node.rooms.worker_world import World, world
from tests.waiting import so

from strongroom.enclave.formats.clean_rooms.contract import Stage
from strongroom.enclave.room.library.shapes import Table
from strongroom.node.client.client import Client
from strongroom.node.rooms.starting import program_file

pytestmark = pytest.mark.processes

TEXTS = """-- local p
SELECT from_bank, note, count(*) AS n, sum(amount) AS s FROM a GROUP BY from_bank, note
-- exchange p by from_bank
-- final
SELECT from_bank, sum(n) AS n, sum(s) AS s FROM p GROUP BY from_bank"""
CONTRACT: dict[str, Any] = {
    "stages": (Stage("sql", "case", TEXTS),),
    "executors": 1,
    "agreement": 1,
    "duration_ms": 20_000,
}
CANARY = "CANARY-4711"


def transfers(rows: int, banks: int) -> Table:
    return Table.of(
        {
            "from_bank": [f"bank{at % banks}" for at in range(rows)],
            "amount": [100 + at for at in range(rows)],
            "note": [CANARY] * rows,
        }
    )


async def open_room(here: World) -> bytes:
    """A clean room whose jobs one executor runs."""
    asked = terms(executors=1, agreement=1).encode()
    room: bytes = (await here.act(BANKS[0], "rooms.create", terms=asked))["room"]
    for name in (BANKS[1], ANALYST, REGULATOR):
        await here.act(name, "rooms.join", room=room)
    return room


async def bring(here: World) -> None:
    here.program = program_file("analytics-crew")
    await here.bring(BANKS[0], "transfers", [transfers(60, 3), transfers(9, 3)])
    await here.bring(BANKS[1], "transfers", [transfers(30, 3)])


def sums() -> dict[str, list[object]]:
    rows = [100 + at for at in range(60)], [100 + at for at in range(9)]
    return {
        "from_bank": ["bank0", "bank1", "bank2"],
        "n": [23, 23, 23],
        "s": [sum(rows[0][at::3]) + sum(rows[1][at::3]) for at in range(3)],
    }


async def test_T68_a_crew_computes_a_job_that_its_hosts_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as here:
        room = await open_room(here)
        await bring(here)
        agreed = await here.agree(room, **CONTRACT)
        async with crew(here, "operator0", 2) as rooms:
            job = await here.run(agreed)
            ends = [await one.end() for one in rooms]
            assert all(one.ok for one in ends), (ends, [one.events for one in rooms])
            assert [one.said("member-lost") for one in rooms] == [[], [], []]
            carried = [bytes(one.host.carried) for one in rooms]
        assert all(len(one) > 1000 for one in carried)
        assert not any(CANARY.encode() in one or b"bank1" in one for one in carried)
        assert (await here.look("job", job=job))["state"] == "agreed"
        assert listed(await here.open(REGULATOR, job, "case", room)) == sums()


@pytest.mark.long
async def test_T65_a_job_goes_on_without_a_member_that_is_killed_and_is_charged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second job, whose only member is killed, fails; its foreman says who was lost."""
    async with world(tmp_path, monkeypatch) as here:
        room = await open_room(here)
        await bring(here)
        agreed = await here.agree(room, **CONTRACT)
        async with crew(here, "operator0", 2) as (foreman, first, second):
            job = await here.run(agreed)
            await so(partial(second.said, "member-works"), "the second member works")
            await second.kill()
            ends = [await one.end() for one in (foreman, first)]
            assert all(one.ok for one in ends), (ends, foreman.events)
            assert [one["member"] for one in foreman.said("member-lost")] == [2]
        shown = await here.look("job", job=job)
        assert (shown["state"], len(shown["executors"])) == ("agreed", 1)
        assert await charged(here) == 1
        assert listed(await here.open(REGULATOR, job, "case", room)) == sums()

        agreed = await here.agree(room, **CONTRACT, name="again")
        async with crew(here, "operator0", 1) as (foreman, alone):
            job = await here.run(agreed)
            await so(partial(alone.said, "member-works"), "the member works")
            await alone.kill()
            ended = await foreman.end()
            assert ended.ok, (ended, foreman.events)
            assert [one["member"] for one in foreman.said("member-lost")] == [1]
        assert (await here.look("job", job=job))["state"] == "failed"
        assert await charged(here) == 2


async def charged(here: World) -> int:
    """Jobs that the first bank's data were charged for."""
    async with Client.connect(here.directory, BANKS[0].replace(" ", "-")) as client:
        told = (await client.query("rooms.data_set", data="/transfers")).value
    return sum(int(one["runs"]) for one in told["versions"])
