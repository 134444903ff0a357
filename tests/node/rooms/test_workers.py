"""Workers as processes of their own: a job from its run to its opening (ROOMS §2, §4)."""

from pathlib import Path

import pytest
from tests.enclave.programs.rooms.world import BANKS, REGULATOR
from tests.node.rooms.worker_world import world

from strongroom.enclave.formats.clean_rooms.contract import Stage
from strongroom.enclave.room.library.shapes import Table

pytestmark = pytest.mark.processes

SQL = (
    "SELECT from_bank, count(*) AS n, sum(amount) AS s FROM "
    "(SELECT * FROM a UNION ALL SELECT * FROM b) GROUP BY from_bank ORDER BY from_bank"
)


def transfers(bank: str, rows: int) -> Table:
    return Table.of(
        {
            "from_bank": [bank] * rows,
            "from_account": [f"{bank}{at % 7}" for at in range(rows)],
            "to_bank": ["b" if bank == "a" else "a"] * rows,
            "to_account": [f"{at % 5}" for at in range(rows)],
            "time": list(range(rows)),
            "amount": [100 + at for at in range(rows)],
        }
    )


async def test_two_operators_workers_agree_and_the_recipient_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as here:
        room = await here.open_room()
        await here.bring(BANKS[0], "transfers", [transfers("a", 40), transfers("a", 2)])
        await here.bring(BANKS[1], "transfers", [transfers("b", 30)])
        agreed = await here.agree(room, stages=(Stage("sql", "case", SQL),))
        async with here.workers("operator0", "operator1") as workers:
            for one in workers:
                while not one.said("waiting"):
                    import asyncio

                    print(one.events)
                    await asyncio.sleep(0.5)
            job = await here.run(agreed)
            for one in workers:
                ended = await one.end()
                print(one.events)
                assert ended.ok, (ended, one.events)
        shown = await here.look("job", job=job)
        assert shown["state"] == "agreed"
        table = await here.open(REGULATOR, job, "case", room)
        assert {name: list(values) for name, values in table.columns.items()} == {
            "from_bank": ["a", "b"],
            "n": [42, 30],
            "s": [sum(range(100, 140)) + 201, sum(range(100, 130))],
        }
