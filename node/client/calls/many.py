"""Many calls of one kind: in order, a bounded number under way, each with its own end.

Owns the window and what is told of progress. Errors are values here: what one call comes to ends no
other.
"""

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
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
        """With the loop's time at which each is waited for no longer."""
        self._submitted = self._done = self._refused = self._unknown = 0

    async def answers(self, many: Many) -> AsyncGenerator[Done | ClientFault, None]:
        """Answers in the order of the calls. Whoever stops early sends no further call; those that
        have left are executed."""
        try:
            async for arguments in _each(many):
                await self._begin(arguments)
                while self._is_full or self._is_answered:
                    yield await self._take()
            while self._under_way:
                yield await self._take()
        finally:
            for one, _ in self._under_way:
                _forget(one)

    @property
    def _is_full(self) -> bool:
        return len(self._under_way) >= self._window

    @property
    def _is_answered(self) -> bool:
        if not self._under_way:
            return False
        first, _ = self._under_way[0]
        return isinstance(first, ClientFault) or first.future.done()

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
            self._under_way.append((one, loop.time() + self._runtime.timeout))
            return

    async def _take(self) -> Done | ClientFault:
        one, until = self._under_way[0]
        answer = one if isinstance(one, ClientFault) else await self._answer(one, until)
        self._under_way.popleft()
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


async def _each(many: Many) -> AsyncIterator[Mapping[str, Any]]:
    if isinstance(many, AsyncIterable):
        async for one in many:
            yield one
    else:
        for one in many:
            yield one


def _forget(one: Entry | ClientFault) -> None:
    """Nobody waits for this call any more: it is not sent, if it was not yet."""
    if isinstance(one, ClientFault):
        return
    if one.id is None:
        one.future.cancel()
    else:
        one.future.add_done_callback(lambda future: future.cancelled() or future.exception())
