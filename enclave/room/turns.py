"""Turns: the room's own small loop. Behind the walls there is neither a thread nor a selector, only
one socket that is read with patience.

Owns whose turn it is, and the clock. Knows nothing of what is waited for.

The clock goes on while the machine is suspended (CLOCK_BOOTTIME): a lease must not outlast the
ledger's by the time that a lid was closed.
"""

import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from itertools import count
from time import CLOCK_BOOTTIME, clock_gettime, time
from typing import Any, Generic, TypeVar, cast

from strongroom.consensus.errors import ClientFault, invariant

T = TypeVar("T")
TASKS_MAX = 64


def since_start() -> float:
    """Seconds since this machine started, those in suspension among them."""
    return clock_gettime(CLOCK_BOOTTIME)


class Waiting(Generic[T]):
    """What one task waits for: set or failed once."""

    __slots__ = ("_error", "_value", "done", "task")

    def __init__(self) -> None:
        self.done = False
        self.task: Task | None = None
        self._value: T | None = None
        self._error: BaseException | None = None

    def set(self, value: T) -> None:
        """It is here; after the first word nothing changes."""
        if not self.done:
            self.done, self._value = True, value
            self._wake()

    def fail(self, error: BaseException) -> None:
        """It will not come."""
        if not self.done:
            self.done, self._error = True, error
            self._wake()

    def _wake(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            task.wake()

    def __await__(self) -> Generator["Waiting[T]", None, T]:
        if not self.done:
            yield self
        return self.outcome()

    def outcome(self) -> T:
        """What was set; raises what it failed with."""
        invariant(self.done, "a task woke before what it waits for was here")
        if self._error is not None:
            raise self._error
        return cast(T, self._value)


class Task:
    """One coroutine on its way."""

    __slots__ = ("_coroutine", "_interruption", "_ready", "_turns", "_waits", "ended")

    def __init__(self, turns: "Turns", coroutine: Coroutine[Any, Any, Any]) -> None:
        self._turns, self._coroutine = turns, coroutine
        self._waits: Waiting[Any] | None = None
        self._ready = False
        self._interruption: BaseException | None = None
        self.ended: Waiting[Any] = Waiting()

    def wake(self) -> None:
        """It gets the next turn."""
        if not self._ready and not self.ended.done:
            self._ready = True
            self._turns.ready.append(self)

    def interrupt(self, error: BaseException) -> None:
        """Raise an error in it, at whatever it waits for."""
        if self._waits is not None:
            self._waits.task = None
            self._waits = None
        self._interruption = error
        self.wake()

    def step(self) -> None:
        """One turn, until it waits again or ends."""
        self._ready, self._waits = False, None
        self._turns.current = self
        error, self._interruption = self._interruption, None
        try:
            waits = self._coroutine.throw(error) if error else self._coroutine.send(None)
        except StopIteration as end:
            self._turns.tasks.discard(self)
            self.ended.set(end.value)
            return
        except Exception as fault:
            self._turns.tasks.discard(self)
            self.ended.fail(fault)
            return
        if self._interruption is not None or waits.done:
            self.wake()
            return
        invariant(waits.task is None, "two tasks wait for one thing")
        self._waits, waits.task = waits, self


class Turns:
    """All tasks of a room, and the times at which some go on."""

    def __init__(
        self, clock: Callable[[], float] = since_start, wall: Callable[[], float] = time
    ) -> None:
        self.now = clock
        """Seconds; never goes back."""
        self.wall = wall
        """Seconds since 1970 by the host's clock, which may lie."""
        self.ready: deque[Task] = deque()
        self.tasks: set[Task] = set()
        self.current: Task | None = None
        """Whose turn it is, or was last."""
        self._times: list[tuple[float, int, Waiting[Any]]] = []
        self._order = count()

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        """Begin a task; it has its first turn soon.

        Raises:
            ClientFault: too many are on their way.
        """
        if len(self.tasks) >= TASKS_MAX:
            coroutine.close()
            raise ClientFault(f"{TASKS_MAX} tasks are on their way: wait for some")
        task = Task(self, coroutine)
        self.tasks.add(task)
        task.wake()
        return task

    async def pause(self, seconds: float) -> None:
        """Let others have their turns for so long; 0: once."""
        waiting: Waiting[None] = Waiting()
        heapq.heappush(self._times, (self.now() + seconds, next(self._order), waiting))
        await waiting

    def expire(self, waiting: Waiting[Any], until: float) -> None:
        """Whoever waits for this waits until then, by `now`, and gets None."""
        heapq.heappush(self._times, (until, next(self._order), waiting))

    def run(self, main: Task, look: Callable[[], None]) -> Any:
        """Give turns until `main` ends; what it gives, or raises.

        Args:
            main: the task that all is about.
            look: waits for the socket, for at most as long as its patience, and tells whoever waits
                for what came.
        """
        while not main.ended.done:
            while self.ready and not main.ended.done:
                self.ready.popleft().step()
            self._pass_time()
            if not self.ready and not main.ended.done:
                look()
                self._pass_time()
        return main.ended.outcome()

    def _pass_time(self) -> None:
        now = self.now()
        while self._times and self._times[0][0] <= now:
            heapq.heappop(self._times)[2].set(None)


class Lock:
    """One task at a time, in order."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: deque[Waiting[None]] = deque()

    async def __aenter__(self) -> None:
        while self._held:
            waiting: Waiting[None] = Waiting()
            self._waiting.append(waiting)
            await waiting
        self._held = True

    async def __aexit__(self, *_: object) -> None:
        self._held = False
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:  # all of them: one may have been interrupted meanwhile
            one.set(None)
