"""From two owners' CSV files to a recipient's, by commands and real workers' processes (ROOMS)."""

import csv
import shlex
from functools import partial
from pathlib import Path

import pytest
from tests.node.client.test_commands import Shell
from tests.node.rooms.worker_world import world
from tests.waiting import so

from strongroom.enclave.formats.clean_rooms.contract import Stage

pytestmark = pytest.mark.processes

TERMS = """
runs = 5
recipients = ["bank-a", "bank-b", "regulator"]
programs = ["reviewed"]
purposes = ["aml"]
[tables.transfers]
unit = "from_account"
k = 1
[tables.transfers.columns]
from_bank = { type = "text", uses = [] }
from_account = { type = "integer", uses = ["identity"] }
amount = { type = "decimal(2)", uses = [] }
day = { type = "date", uses = [] }
"""
SQL = (
    "SELECT from_bank, count(*) AS n, CAST(sum(amount) * 100 AS BIGINT) AS cents, "
    "CAST(max(day) AS VARCHAR) AS last FROM (SELECT * FROM a UNION ALL SELECT * FROM b) "
    "GROUP BY from_bank ORDER BY from_bank"
)


def rows(bank: str, count: int) -> str:
    lines = [f"{bank},{at},{at}.25,2026-11-{at % 28 + 1:02d}" for at in range(count)]
    return "\n".join(["From Bank,From Account,Amount,Day", *lines]) + "\n"


async def test_files_of_two_owners_become_a_file_of_the_recipients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as here:
        run = Shell(tmp_path, here.service)
        room = await here.open_room()
        terms = tmp_path / "terms.toml"
        terms.write_text(TERMS)
        for bank, count in zip(("a", "b"), (40, 30), strict=True):
            file = tmp_path / f"{bank}.csv"
            file.write_text(rows(bank, count))
            words = f"data put {file} --name transfers --terms {terms} --as bank-{bank}"
            await run.json(*shlex.split(words))
        more = tmp_path / "more.csv"
        more.write_text(rows("a", 2))
        await run.json(*shlex.split(f"data extend {more} --name transfers --as bank-a"))
        agreed = await here.agree(room, stages=(Stage("sql", "case", SQL),))
        async with here.workers("operator0", "operator1") as workers:
            for one in workers:
                await so(partial(one.said, "waiting"), "it waits for a job")
            told = await run.json("rooms", "run", agreed.hex(), "--as", "analyst")
            job = told["result"]["job"]
            for one in workers:
                assert (await one.end()).ok, one.events
        out = tmp_path / "case.csv"
        words = f"rooms open {job} case --out {out} --as regulator"
        await run.json(*shlex.split(words))
        with out.open(newline="") as read:
            assert list(csv.reader(read)) == [
                ["from_bank", "n", "cents", "last"],
                ["a", "42", str(sum(range(40)) * 100 + 40 * 25 + 100 + 50), "2026-11-28"],
                ["b", "30", str(sum(range(30)) * 100 + 30 * 25), "2026-11-28"],
            ]
