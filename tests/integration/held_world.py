"""A running world for several tests, each of which is a task of its own."""

import asyncio
from pathlib import Path

from scripts.fault_matrix.world import Shape, World, running_world


class HeldWorld:
    """A running world that is entered and left in one task, whichever task asks for it."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        self._folder, self._shape = folder, shape

    async def __aenter__(self) -> World:
        self._ready: asyncio.Future[World] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._task = asyncio.create_task(self._hold())
        self._task.add_done_callback(self._give_up)
        return await self._ready

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._task

    async def _hold(self) -> None:
        async with running_world(self._folder, self._shape, lambda _: None) as made:
            self._ready.set_result(made)
            await self._over.wait()

    def _give_up(self, task: "asyncio.Task[None]") -> None:
        if not self._ready.done():
            self._ready.set_exception(
                task.exception() or AssertionError("the world ended before it began")
            )
