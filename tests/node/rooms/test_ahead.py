"""A worker's next process is started while the one before waits for a job, is told what it is when
its turn comes, and is gone when nobody needs it."""

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.waiting import so

from strongroom.enclave.outside.client_sessions import Identity
from strongroom.node.rooms import starting
from strongroom.node.rooms.process import Ended
from strongroom.node.rooms.starting import Wanted, run_workers


class Fake:
    """A process that may have ended by itself."""

    made: ClassVar["list[Fake]"] = []

    def __init__(self) -> None:
        self.process, self.ended = self, False
        self.returncode: int | None = None
        Fake.made.append(self)

    @classmethod
    async def begin(cls, *_: Any) -> "Fake":
        return cls()

    async def end_it(self) -> None:
        self.ended = True


async def lives(monkeypatch: pytest.MonkeyPatch, *said: str, dies: bool = False) -> list[Any]:
    """Processes that were handed to lives, each of which says so much; the last one is stopped."""
    Fake.made = []
    given: list[Any] = []
    stop = asyncio.Event()

    async def run_room(
        _wanted: Any, _where: Any, _operator: Any, heard: Any, stop: asyncio.Event, ahead: Any
    ) -> Ended:
        given.append(ahead and ahead[0])
        for what in ("started", *said):
            heard(what, {})
        if "waiting" in said:
            await so(lambda: len(Fake.made) == len(given), "a process is started ahead")
        if dies:
            for one in Fake.made:
                one.returncode = -9
        if len(given) == 3:
            stop.set()
        return Ended(True, "", "reported")

    monkeypatch.setattr(starting, "Ahead", Fake)
    monkeypatch.setattr(starting, "load_service", lambda _: None)
    monkeypatch.setattr(starting, "start_of", lambda *_: None)
    monkeypatch.setattr(starting, "run_room", run_room)
    nowhere = Path("nowhere")
    wanted = Wanted(
        name="w",
        program=nowhere,
        chip=nowhere,
        state=nowhere,
        region="here",
        operator="operator",
        files={},
        parameters={},
    )
    await run_workers(wanted, nowhere, Identity.fresh(), lambda *_: None, stop)
    return given


async def test_the_next_process_is_there_when_its_turn_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await lives(monkeypatch, "waiting", "waiting", "taken") == [None, *Fake.made[:2]]
    assert [one.ended for one in Fake.made] == [True] * 3


async def test_a_worker_that_does_not_wait_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await lives(monkeypatch) == [None] * 3
    assert not Fake.made


async def test_one_that_has_ended_is_not_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await lives(monkeypatch, "waiting", dies=True) == [None] * 3
    assert all(one.ended for one in Fake.made)
