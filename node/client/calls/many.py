"""Many calls of one kind: in order, a bounded number under way, each with its own end.

Owns the window and what is told of progress. Errors are values here: what one call comes to ends no
other.
"""

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Iterable,
    Mapping,
)
from dataclasses import dataclass
from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.node.client.calls.calls import Done, Entry
from strongroom.node.client.calls.nodes import retry_seconds
from strongroom.node.client.calls.runtime import ClientRuntime
from strongroom.node.client.errors import Unreachable
from strongroom.node.faults import Overloaded

CALLS_AHEAD_MAX = 4096
"""Calls under way or waiting, at most and by default."""
Many = Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far many calls have come; `taken` is the sum of the last three."""

    submitted: int
    """Calls that were given to the client."""
    taken: int
    """Answers that were handed out."""
    done: int
    """Executed, and not refused by their program."""
    refused: int
    """Of no effect, for sure: by their program, in public, or never sent."""
    unknown: int
    """Without an answer in time, perhaps of effect: `Unreachable`, with the id to ask for."""


OnProgress = Callable[[Progress], None]
"""Told after each answer; what it raises ends the iteration."""


class ManyCalls:
    """One `call_many`."""

    def __init__(
        self,
        runtime: ClientRuntime,
        submit: Callable[[Mapping[str, Any]], Entry],
        *,
        window: int,
        on_progress: OnProgress | None,
    ) -> None:
        if type(window) is not int or not 0 < window <= CALLS_AHEAD_MAX:
            raise ClientFault(f"window {window!r}: a whole number from 1 to {CALLS_AHEAD_MAX}")
        self._runtime, self._submit, self._window = runtime, submit, window
        self._on_progress = on_progress
        self._under_way: deque[tuple[Entry | ClientFault, float]] = deque()
        """With the loop's time at which each was given to the client."""
        self._answered_at = 0.0
        """When the last answer came: as long as some do, none is given up."""
        self._submitted = self._done = self._refused = self._unknown = 0

    async def answers(self, many: Many) -> AsyncGenerator[Done | ClientFault, None]:
        """Answers in the order of the calls, each as soon as it is there, also while the source has
        nothing more yet. Whoever stops early sends no further call; those that have left are
        executed."""
        source = _Source(many)
        try:
            while self._under_way or not source.ended:
                while self._is_over or (self._under_way and (self._is_full or source.ended)):
                    yield await self._take()
                if not source.ended:
                    await source.look(self._first, self._seconds_left)
                if source.read:
                    await self._begin(source.read.pop())
        finally:
            for one, _ in self._under_way:
                _forget(one)
            await source.close()

    @property
    def _first(self) -> "asyncio.Future[Done] | None":
        """What the first call under way comes to."""
        first = self._under_way[0][0] if self._under_way else None
        return first.future if isinstance(first, Entry) else None

    @property
    def _seconds_left(self) -> float | None:
        """How long the first call under way is still waited for; None: there is none."""
        if not self._under_way:
            return None
        return self._until(self._under_way[0][1]) - asyncio.get_running_loop().time()

    def _until(self, begun: float) -> float:
        """The loop's time at which a call is waited for no longer."""
        return max(begun, self._answered_at) + self._runtime.timeout

    @property
    def _is_full(self) -> bool:
        return len(self._under_way) >= self._window

    @property
    def _is_over(self) -> bool:
        """Has the first call under way its answer, or had its time?"""
        if not self._under_way:
            return False
        first, left = self._first, self._seconds_left
        return first is None or first.done() or (left is not None and left <= 0)

    async def _begin(self, arguments: Mapping[str, Any]) -> None:
        self._submitted += 1
        loop = asyncio.get_running_loop()
        while True:
            try:
                one: Entry | ClientFault = self._submit(arguments)
            except Overloaded as fault:  # other callers of this client fill its queue
                await asyncio.sleep(retry_seconds(fault))
                continue
            except ClientFault as fault:
                one = fault
            self._under_way.append((one, loop.time()))
            return

    async def _take(self) -> Done | ClientFault:
        one, begun = self._under_way[0]
        answer = (
            one if isinstance(one, ClientFault) else await self._answer(one, self._until(begun))
        )
        self._under_way.popleft()
        if not isinstance(answer, Unreachable):
            self._answered_at = asyncio.get_running_loop().time()
        self._done += isinstance(answer, Done)
        self._unknown += isinstance(answer, Unreachable)
        self._refused += not isinstance(answer, Done | Unreachable)
        if self._on_progress is not None:
            taken = self._done + self._refused + self._unknown
            self._on_progress(
                Progress(self._submitted, taken, self._done, self._refused, self._unknown)
            )
        return answer

    async def _answer(self, entry: Entry, until: float) -> Done | ClientFault:
        try:
            if entry.future.done():
                return entry.future.result()
            return await self._runtime.answered(entry, until=until)
        except ClientFault as fault:
            return fault


async def _nothing() -> AsyncGenerator[Mapping[str, Any], None]:
    return
    yield


class _Source:
    """Where calls come from; one that waits stops nobody."""

    def __init__(self, many: Many) -> None:
        self._at_once = None if isinstance(many, AsyncIterable) else iter(many)
        self._later = aiter(many) if isinstance(many, AsyncIterable) else _nothing()
        self._reading: asyncio.Task[None] | None = None
        self.read: list[Mapping[str, Any]] = []
        """The next call, once it is there."""
        self.ended = False

    async def look(self, first: "asyncio.Future[Done] | None", seconds: float | None) -> None:
        """Read the next call; until it is there, or `first` has its answer, or time is over."""
        if self._at_once is not None:
            for one in self._at_once:
                self.read.append(one)
                return
            self.ended = True
            return
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read_next())
        awaited: set[asyncio.Future[Any]] = {self._reading} | (set() if first is None else {first})
        await asyncio.wait(awaited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self._reading.done():
            reading, self._reading = self._reading, None
            await reading

    async def _read_next(self) -> None:
        try:
            self.read.append(await anext(self._later))
        except StopAsyncIteration:
            self.ended = True

    async def close(self) -> None:
        """Nothing more is wanted of it."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})


def _forget(one: Entry | ClientFault) -> None:
    """Nobody waits for this call any more: it is not sent, if it was not yet."""
    if isinstance(one, ClientFault):
        return
    if one.id is None:
        one.future.cancel()
    else:
        one.future.add_done_callback(lambda future: future.cancelled() or future.exception())
