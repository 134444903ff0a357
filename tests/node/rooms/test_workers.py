"""Workers as processes of their own: a job from its run to its opening, and what becomes of it when
one of them is killed or an owner withdraws (ROOMS §2, §4, §6; T65)."""

import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from tests.enclave.programs.rooms.world import ANALYST, BANKS, REGULATOR, who
from tests.node.rooms.worker_world import World, world
from tests.waiting import so

from strongroom.enclave.formats.clean_rooms.contract import Input, Output, Stage
from strongroom.enclave.room.library.shapes import Table

pytestmark = pytest.mark.processes

SQL = (
    "SELECT from_bank, count(*) AS n, sum(amount) AS s FROM "
    "(SELECT * FROM a UNION ALL SELECT * FROM b) GROUP BY from_bank ORDER BY from_bank"
)
OPERATORS = ("operator0", "operator1")
COMPUTES = os.sysconf("SC_CLK_TCK")
"""Ticks of a bench that has long read its rows."""


def transfers(bank: str, rows: int) -> Table:
    """A ring between both banks comes with each seven rows."""
    other = "b" if bank == "a" else "a"
    return Table.of(
        {
            "from_bank": [bank] * rows,
            "from_account": [f"{bank}{at % 7}" for at in range(rows)],
            "to_bank": [other] * rows,
            "to_account": [f"{other}{at % 5}" for at in range(rows)],
            "time": [at * 60 for at in range(rows)],
            "amount": [100 + at for at in range(rows)],
        }
    )


def accounts(bank: str) -> Table:
    return Table.of({"bank": [bank] * 7, "account": [f"{bank}{at}" for at in range(7)]})


def listed(table: Table) -> dict[str, list[object]]:
    return {name: list(values) for name, values in table.columns.items()}


async def bring_transfers(here: World) -> None:
    await here.bring(BANKS[0], "transfers", [transfers("a", 40), transfers("a", 2)])
    await here.bring(BANKS[1], "transfers", [transfers("b", 30)])


async def test_workers_of_two_operators_agree_and_each_recipient_reads_what_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as here:
        room = await here.open_room()
        await bring_transfers(here)
        agreed = await here.agree(room, stages=(Stage("sql", "case", SQL),))
        async with here.workers(*OPERATORS) as workers:
            job = await here.run(agreed)
            ends = [await one.end() for one in workers]
        assert all(one.ok for one in ends), ends
        assert (await here.look("job", job=job))["state"] == "agreed"
        assert listed(await here.open(REGULATOR, job, "case", room)) == {
            "from_bank": ["a", "b"],
            "n": [42, 30],
            "s": [sum(range(100, 140)) + 201, sum(range(100, 130))],
        }

        for bank, name in zip(BANKS, "ab", strict=True):
            await here.bring(bank, "accounts", [accounts(name)])
        inputs = {
            f"{name}{what[0]}": Input(f"{name}{what[0]}", who(bank), what, 0, 0)
            for bank, name in zip(BANKS, "ab", strict=True)
            for what in ("accounts", "transfers")
        }
        rings = await here.agree(
            room,
            name="rings",
            inputs=tuple(inputs[alias] for alias in sorted(inputs)),
            outputs=(
                Output("alerts", "table", tuple(sorted(map(who, BANKS))), 1 << 20, "aa", 0),
                Output("case", "table", (who(REGULATOR),), 1 << 22, "", 0),
            ),
        )
        async with here.workers(*OPERATORS) as workers:
            job = await here.run(rings)
            ends = [await one.end() for one in workers]
        assert all(one.ok for one in ends), ends
        shown = await here.look("job", job=job)
        assert shown["state"] == "agreed", shown
        case = await here.open(REGULATOR, job, "case", room)
        assert set(case.columns["from_bank"]) == {"a", "b"}
        for bank, name in zip(BANKS, "ab", strict=True):
            alerts = await here.open(bank, job, "alerts", room)
            assert alerts.rows
            assert set(alerts.columns["bank"]) == {name}


async def test_T65_a_worker_that_is_killed_leaves_its_job_to_the_next_rank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as here:
        room = await here.open_room()
        await bring_transfers(here)
        agreed = await here.agree(room, stages=(Stage("sql", "case", SQL),))
        async with here.workers(*OPERATORS, "operator2") as workers:
            job = await here.run(agreed)
            shown = await here.look("job", job=job)
            first = shown["executors"][0]["operator"]
            killed = next(one for one in workers if one.operator == first)
            await killed.process.kill()
            others = [one for one in workers if one is not killed]
            second = next(
                one for one in others if one.operator == shown["executors"][1]["operator"]
            )
            await so(partial(second.said, "reported"), "the second executor reports")
            here.service.orderer.pass_time(60_000)
            await here.act(ANALYST, "rooms.advance", job=job)
            ends = [await one.end() for one in others]
        assert all(one.ok for one in ends), ends
        assert (await here.look("job", job=job))["state"] == "agreed"
        assert (await here.open(REGULATOR, job, "case", room)).rows == 2


async def test_T66_a_withdrawal_ends_a_job_that_computes_and_its_rows_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker beats while its bench is busy with one statement that would take hours."""
    async with world(tmp_path, monkeypatch) as here:
        room = await here.open_room()
        await bring_transfers(here)
        endless = "SELECT count(*) AS n FROM a, range(100000000) AS r, range(100000) AS s"
        agreed = await here.agree(
            room, stages=(Stage("sql", "case", endless),), duration_ms=3_600_000
        )
        async with here.workers(*OPERATORS) as workers:
            job = await here.run(agreed)
            for one in workers:
                await so(partial(one.said, "taken"), "the job is taken")
            made = [pid for one in workers for pid in children(one.process.pid)]
            benches = [pid for pid in made if not is_cell(pid)]
            assert (len(made), len(benches)) == (4, 2)
            before = {pid: ticks(pid) for pid in benches}
            await so(
                lambda: all(ticks(pid) - before[pid] >= COMPUTES for pid in benches),
                "both benches compute",
            )
            await here.act(BANKS[1], "rooms.withdraw_data", data="/transfers")
            ends = [await one.end() for one in workers]
            await so(lambda: not any(map(alive, made)), "benches and their cells have ended")
        assert [(one.ok, one.code) for one in ends] == [(False, "revoked")] * 2
        assert (await here.look("job", job=job))["state"] == "scheduled"


def is_cell(pid: int) -> bool:
    """Of reviewed Python."""
    return b"strongroom.enclave.room.cell" in (Path("/proc") / str(pid) / "cmdline").read_bytes()


def children(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(words[1]) == pid:
                found.append(int(folder.name))
    return found


def ticks(pid: int) -> int:
    """Of a processor that it has used."""
    return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[11])


def alive(pid: int) -> bool:
    try:
        state = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
