"""Two jobs whose rows differ and whose hosts must not see it: what each carries is of the same
sizes, and holds no row (T63, T67)."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.programs.rooms.world import BANKS, REGULATOR, who
from tests.node.rooms.worker_world import World, world

from strongroom.enclave.formats.clean_rooms.contract import Input, Stage
from strongroom.enclave.room.library.shapes import Table
from strongroom.node.rooms.chunks import CHUNK_METHODS, ChunkCarrier
from strongroom.node.rooms.relay import Relay

pytestmark = [pytest.mark.processes, pytest.mark.long]
OPERATORS = ("operator0", "operator1")
ROWS = 400
SQL = (
    "SELECT account, amount FROM a WHERE amount > 1000 "
    "UNION ALL SELECT account, amount FROM b WHERE amount > 1000"
)
SUBMITTED = "ledger_submit", "asked"


class Host:
    """All that hosts carry for their workers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes = Counter[tuple[str, str, int]]()
        self.carried: list[bytes] = []
        for carrier in (ChunkCarrier, Relay):
            self._tap(carrier, monkeypatch)

    def _tap(self, carrier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        ask = carrier.ask

        async def tapped(inner: Any, method: str, params: dict[str, Any]) -> Any:
            answer = await ask(inner, method, params)
            if carrier is ChunkCarrier or method not in CHUNK_METHODS:
                self._note(method, "asked", *params.values())
                self._note(method, "answered", answer)
            return answer

        monkeypatch.setattr(carrier, "ask", tapped)

    def _note(self, method: str, what: str, *parts: Any) -> None:
        whole = b"".join(part if type(part) is bytes else repr(part).encode() for part in parts)
        self.sizes[method, what, len(whole)] += 1
        self.carried.append(whole)

    def of_chunks(self) -> dict[tuple[str, str, int], int]:
        return {one: count for one, count in self.sizes.items() if one[0] in CHUNK_METHODS}

    def submitted(self) -> set[int]:
        return {size for method, what, size in self.sizes if (method, what) == SUBMITTED}

    def forget(self) -> None:
        self.sizes.clear()


def rows(canary: str, rich: int) -> Table:
    """Rows of one shape, so many of them above what the program looks for."""
    return Table.of(
        {
            "account": [f"{canary}-{at:03d}" for at in range(ROWS)],
            "amount": [5_000 + at if at < rich else 500 + at % 400 for at in range(ROWS)],
        }
    )


async def job_of(here: World, room: bytes, name: str, rich: int) -> Table:
    """One job over data sets of this name; what its recipient reads."""
    for bank in BANKS:
        await here.bring(bank, name, [rows(f"CANARY-{name}-{bank[-1]}", rich)])
    inputs = tuple(
        Input(alias, who(bank), name, 0, 0) for alias, bank in zip("ab", BANKS, strict=True)
    )
    agreed = await here.agree(room, name=name, inputs=inputs, stages=(Stage("sql", "case", SQL),))
    async with here.workers(*OPERATORS) as workers:
        job = await here.run(agreed)
        ends = [await one.end() for one in workers]
        said = repr([one.events for one in workers])
    assert all(one.ok for one in ends), ends
    assert "CANARY" not in said
    return await here.open(REGULATOR, job, "case", room)


async def test_T63_hosts_of_twin_jobs_see_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(monkeypatch)
    async with world(tmp_path, monkeypatch) as here:
        room = await here.open_room()
        seen = []
        for name, rich in (("twin1", 0), ("twin2", ROWS)):
            host.forget()
            assert (await job_of(here, room, name, rich)).rows == 2 * rich
            seen.append((host.of_chunks(), host.submitted()))
    assert seen[0] == seen[1]
    assert sum(seen[0][0].values()) > 8, "chunks were carried"
    assert not [one for one in host.carried if b"CANARY" in one]
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"CANARY" not in path.read_bytes()
