"""A room's own loop: turns, times, interruptions, locks."""

from typing import Any

import pytest

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.room.turns import TASKS_MAX, Lock, Turns, Waiting


def run(turns: Turns, coroutine: Any) -> Any:
    return turns.run(turns.spawn(coroutine), lambda: None)


def test_tasks_take_turns_and_times_come_in_order() -> None:
    turns, seen = Turns(), []

    async def after(seconds: float, name: str) -> None:
        await turns.pause(seconds)
        seen.append(name)

    async def main() -> str:
        tasks = [turns.spawn(after(*one)) for one in ((0.03, "c"), (0.0, "a"), (0.01, "b"))]
        for task in tasks:
            await task.ended
        return "done"

    assert run(turns, main()) == "done"
    assert seen == ["a", "b", "c"]


def test_an_error_of_the_main_task_is_raised_and_that_of_another_is_its_own() -> None:
    turns = Turns()

    async def fails() -> None:
        raise ClientFault("no")

    async def main() -> None:
        turns.spawn(fails())
        await turns.pause(0)
        await fails()

    with pytest.raises(ClientFault):
        run(turns, main())


def test_what_waits_is_interrupted_and_what_comes_later_finds_nobody() -> None:
    turns, waiting, seen = Turns(), Waiting[int](), []

    async def patient() -> int:
        try:
            return await waiting
        except ClientFault:
            seen.append("interrupted")
            await turns.pause(0)
            return -1

    async def main() -> int:
        task = turns.spawn(patient())
        await turns.pause(0)
        task.interrupt(ClientFault("over"))
        waiting.set(7)
        result: int = await task.ended
        return result

    assert run(turns, main()) == -1
    assert seen == ["interrupted"]


def test_a_lock_is_held_by_one_and_an_interrupted_waiter_leaves_it_to_the_next() -> None:
    turns, lock, seen = Turns(), Lock(), []

    async def holder(name: str) -> None:
        async with lock:
            seen.append(name)
            await turns.pause(0)
            seen.append(name)

    async def main() -> None:
        tasks = [turns.spawn(holder(name)) for name in "abc"]
        await turns.pause(0)
        tasks[1].interrupt(ClientFault("over"))
        await tasks[0].ended
        await tasks[2].ended

    run(turns, main())
    assert seen == ["a", "a", "c", "c"]


def test_tasks_are_bounded() -> None:
    turns = Turns()

    async def sleeper() -> None:
        await Waiting[None]()

    async def main() -> None:
        for _ in range(TASKS_MAX):
            turns.spawn(sleeper())
            await turns.pause(0)

    with pytest.raises(ClientFault, match="tasks are on their way"):
        run(turns, main())
