"""A crew's rooms as processes behind walls, their hosts between them: a job from its run to its
opening, and what becomes of it when a member is killed (ROOMS §8; T64, T65)."""

from functools import partial
from pathlib import Path

import pytest
from tests.enclave.programs.rooms.world import ANALYST, BANKS, REGULATOR, terms
from tests.node.rooms.crew_world import crew
from tests.node.rooms.test_workers import listed
from tests.node.rooms.worker_world import World, world
from tests.waiting import so

from strongroom.enclave.formats.clean_rooms.contract import Stage
from strongroom.enclave.room.library.shapes import Table
from strongroom.node.rooms.starting import program_file

pytestmark = pytest.mark.processes

TEXTS = """-- local p
SELECT from_bank, note, count(*) AS n, sum(amount) AS s FROM a GROUP BY from_bank, note
-- exchange p by from_bank
-- final
SELECT from_bank, sum(n) AS n, sum(s) AS s FROM p GROUP BY from_bank"""
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


async def test_a_crew_of_three_rooms_computes_a_job_that_its_hosts_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as here:
        room = await open_room(here)
        await bring(here)
        agreed = await here.agree(
            room,
            stages=(Stage("sql", "case", TEXTS),),
            executors=1,
            agreement=1,
            duration_ms=20_000,
        )
        async with crew(here, "operator0", 2) as rooms:
            job = await here.run(agreed)
            ends = [await one.end() for one in rooms]
            assert all(one.ok for one in ends), (ends, [one.events for one in rooms])
            assert [one.said("member-lost") for one in rooms] == [[], [], []]
            carried = [bytes(one.host.carried) for one in rooms]
        assert all(len(one) > 1000 for one in carried)
        assert not any(CANARY.encode() in one or b"bank1" in one for one in carried)
        assert (await here.look("job", job=job))["state"] == "agreed"
        rows = [100 + at for at in range(60)], [100 + at for at in range(9)]
        assert listed(await here.open(REGULATOR, job, "case", room)) == {
            "from_bank": ["bank0", "bank1", "bank2"],
            "n": [23, 23, 23],
            "s": [sum(rows[0][at::3]) + sum(rows[1][at::3]) for at in range(3)],
        }


def unused() -> tuple[object, ...]:
    return partial, ANALYST, so
