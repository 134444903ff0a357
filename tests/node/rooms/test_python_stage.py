"""Reviewed Python in real workers: two operators' cells come to the same bytes, each recipient
reads what is its own, and no key of a worker lies in its cell (ROOMS §5; T63, T65)."""

import os
import re
import signal
from functools import partial
from pathlib import Path

import pytest
from tests.enclave.programs.rooms.world import BANKS, REGULATOR, secret_of, who
from tests.node.rooms.test_workers import (
    OPERATORS,
    accounts,
    alive,
    bring_transfers,
    children,
    is_cell,
    listed,
)
from tests.node.rooms.worker_world import world
from tests.waiting import so

from strongroom.enclave.formats.clean_rooms.contract import Input, Output, Parameter, Stage

pytestmark = pytest.mark.processes

CODE = """
import numpy as np

def run(room):
    least, dice = room.parameters["least"], np.random.default_rng(int.from_bytes(room.seed))
    banks, names, sums = [], [], []
    for row in sorted(set(zip(room.table("both")["bank"], room.table("both")["account"]))):
        banks.append(row[0])
        names.append(row[1])
    totals = dict(zip(room.table("both")["account"], room.table("both")["total"].tolist()))
    chosen = [at for at, name in enumerate(names) if totals[name] >= least]
    room.give_table("alerts", {
        "bank": [banks[at] for at in chosen],
        "account": [names[at] for at in chosen],
        "noised": [totals[names[at]] + dice.normal() for at in chosen],
    })
    mean = float(np.mean(room.table("both")["total"]))
    room.give_model("model", {"mean": mean, "of": len(names)})
    room.give_bytes("note", ",".join(sorted({*names})).encode())
"""
SQL = (
    "SELECT from_bank AS bank, from_account AS account, sum(amount)::BIGINT AS total FROM "
    "(SELECT * FROM ta UNION ALL SELECT * FROM tb) GROUP BY ALL ORDER BY ALL"
)


async def test_cells_of_two_operators_agree_and_hold_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as here:
        room = await here.open_room()
        await bring_transfers(here)
        for bank, name in zip(BANKS, "ab", strict=True):
            await here.bring(bank, "accounts", [accounts(name)])
        inputs = [
            Input(f"{what[0]}{name}", who(bank), what, 0, 0)
            for bank, name in zip(BANKS, "ab", strict=True)
            for what in ("accounts", "transfers")
        ]
        columns = (("bank", "text"), ("account", "text"), ("noised", "real"))
        agreed = await here.agree(
            room,
            inputs=tuple(sorted(inputs, key=lambda one: one.alias)),
            stages=(Stage("sql", "both", SQL), Stage("python", "ours", CODE)),
            outputs=(
                Output(
                    "alerts", "table", tuple(sorted(map(who, BANKS))), 1 << 20, "aa", 0, columns
                ),
                Output("model", "model", (who(REGULATOR),), 1000, "", 0),
                Output("note", "bytes", (who(REGULATOR),), 1000, "", 0),
            ),
            parameters=(Parameter("least", "int", 0, 1000),),
            duration_ms=20_000,
        )
        async with here.workers(*OPERATORS) as workers:
            cells = [pid for one in workers for pid in children(one.process.pid) if is_cell(pid)]
            assert len(cells) == 2
            for pid in cells:
                os.kill(pid, signal.SIGSTOP)  # it waits, so that it can be looked at
            job = await here.run(agreed, {"least": 400})
            if os.geteuid() == 0:  # a worker may be looked at by nobody else
                for bank in BANKS:
                    key = secret_of(bank + "transfers")
                    for one in workers:
                        await so(partial(holds, one.process.pid, key), "a worker holds the key")
                    assert not any(holds(pid, key) for pid in cells)
            for pid in cells:
                os.kill(pid, signal.SIGCONT)
            ends = [await one.end() for one in workers]
            await so(lambda: not any(map(alive, cells)), "the cells have ended")
        assert all(one.ok for one in ends), ends
        shown = await here.look("job", job=job)
        assert shown["state"] == "agreed", shown
        for bank, name in zip(BANKS, "ab", strict=True):
            alerts = listed(await here.open(bank, job, "alerts", room))
            assert set(alerts["bank"]) == {name}
            assert alerts["account"]
        model = await here.open_bytes(REGULATOR, job, "model", room)
        assert re.fullmatch(rb'\{"mean":[0-9.]+,"of":14\}', model)
        note = await here.open_bytes(REGULATOR, job, "note", room)
        assert note == b",".join(sorted(b"%c%d" % (bank, at) for bank in b"ab" for at in range(7)))


def holds(pid: int, key: bytes) -> bool:
    """Does it lie in this process's memory?"""
    with (Path("/proc") / str(pid) / "mem").open("rb", buffering=0) as memory:
        for line in (Path("/proc") / str(pid) / "maps").read_text().splitlines():
            span = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if span is not None:
                start, end = (int(one, 16) for one in span.groups())
                try:
                    if key in os.pread(memory.fileno(), end - start, start):
                        return True
                except OSError:
                    continue
    return False
