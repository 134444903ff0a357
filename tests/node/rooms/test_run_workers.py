"""A worker's lives, one after the other, until it is stopped or has done its jobs (pure: what a
life is, a function here says)."""

import asyncio
from typing import Any

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.node.rooms import starting
from strongroom.node.rooms.process import Ended
from strongroom.node.rooms.starting import FRUITLESS_MAX, run_workers

DONE = (("started", "taken", "reported"), Ended(True, "", "the program ended"))
LATE = (("started", "taken"), Ended(False, "late", "the job's time is over"))
SENT_AWAY = (("started",), Ended(False, "evidence", "its operator is unknown"))


async def lived(monkeypatch: pytest.MonkeyPatch, lives: list[Any], jobs: int) -> tuple[Ended, int]:
    """How it ended, and after how many lives; a stop comes when there are no more."""
    stop, left = asyncio.Event(), list(lives)

    async def run_room(
        wanted: Any, where: Any, operator: Any, on_event: Any, stop: Any, *ahead: Any
    ) -> Ended:
        if not left:
            stop.set()
            return Ended(False, "stopped", "as told")
        said, ended = left.pop(0)
        for what in said:
            on_event(what, {})
        if isinstance(ended, Exception):
            raise ended
        assert isinstance(ended, Ended)
        return ended

    monkeypatch.setattr(starting, "run_room", run_room)
    monkeypatch.setattr(starting, "PAUSE_SECONDS", 0.001)
    given: Any = None
    ended = await run_workers(given, given, given, lambda what, fields: None, stop, jobs)
    return ended, len(lives) - len(left)


@pytest.mark.parametrize(("jobs", "expected"), [(0, 5), (1, 2), (2, 4), (3, 5), (9, 5)])
async def test_a_worker_ends_after_so_many_jobs_that_were_reported(
    monkeypatch: pytest.MonkeyPatch, jobs: int, expected: int
) -> None:
    lives = [LATE, DONE, LATE, DONE, DONE]
    ended, count = await lived(monkeypatch, lives, jobs)
    assert count == expected
    assert ended.ok is (0 < jobs <= 3)


async def test_lives_without_a_job_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, count = await lived(monkeypatch, [DONE, *[SENT_AWAY] * (FRUITLESS_MAX + 2)], 0)
    assert (ended.code, count) == ("evidence", FRUITLESS_MAX + 1)


async def test_a_worker_that_does_not_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperatorFault, match="no chip"):
        await lived(monkeypatch, [((), OperatorFault("no chip"))], 0)
