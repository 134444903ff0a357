"""Who reads pays for what it takes, has places of its own and no more, and learns late that it was
refused (T70). The clock of threads is the test's: no time is measured."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.hang import HANG_SECONDS
from tests.node.rpc.fake import opened

from strongroom.node.faults import Overloaded
from strongroom.node.rpc import app_keys, lanes, room, weights
from strongroom.node.rpc.backend import Document, Step
from strongroom.node.rpc.forms import JSON
from strongroom.node.rpc.meter import SECOND
from strongroom.node.rpc.reading import SHORT_BYTES_MIN, Library
from strongroom.node.rpc.room import Room
from strongroom.node.rpc.weights import BURST, Payer

STRANGER, OTHER = Payer("192.0.2.1", "bank"), Payer("192.0.2.2", "mill")
"""Each on its own account: what strangers share is test_strangers.py's."""


class Work:
    """Work of so many seconds of a core, by a clock of threads that only work moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(lanes, "thread_time", lambda: self.now)
        monkeypatch.setattr(lanes, "PAUSE_SECONDS_MAX", 0.0)
        monkeypatch.setattr(weights, "RATE", 1)  # nothing is given back while a test runs

    def of(self, seconds: float, document: Document | None = None) -> Callable[[], Any]:
        def work() -> Document | None:
            self.now += seconds
            return document

        return work


def left(library: Library, payer: Payer) -> float:
    """Of its allowance."""
    return library.allowances._levels.get(payer, (BURST, 0.0))[0]


async def test_T70_an_outcome_that_is_decoded_anew_weighs_what_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work, library = Work(monkeypatch), Library()

    def steps() -> Iterator[Step]:
        yield Step(work.of(0.2), long=True)
        yield Step(work.of(0.01, {"id": "x"}))

    assert await library.found(JSON, STRANGER, steps()) == b'{"id":"x"}'
    assert left(library, STRANGER) == pytest.approx(BURST - 0.21 * SECOND)
    library.allowances.charge(STRANGER, BURST, asyncio.get_running_loop().time())
    with pytest.raises(Overloaded):
        await library.found(JSON, STRANGER, steps())
    assert await library.found(JSON, OTHER, steps())


async def test_T70_a_document_weighs_its_time_where_that_is_more_than_its_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work, library = Work(monkeypatch), Library()
    read = work.of(0.05, {"height": 1})
    await library.one(Room(JSON), STRANGER, lambda: read, short=True)
    assert left(library, STRANGER) == pytest.approx(BURST - 0.05 * SECOND)
    light = work.of(0.0, {"height": 1})
    await library.one(Room(JSON), OTHER, lambda: light, short=True)
    assert left(library, OTHER) == pytest.approx(BURST - SHORT_BYTES_MIN)


async def test_T70_who_goes_away_pays_for_the_time_of_what_it_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work, library = Work(monkeypatch), Library()
    begun, gate = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        gate.wait()
        work.now += 1.0

    asking = asyncio.create_task(library.found(JSON, STRANGER, iter([Step(slow)])))
    await asyncio.to_thread(begun.wait)
    asking.cancel()
    gate.set()
    await asyncio.wait([asking])
    async with asyncio.timeout(HANG_SECONDS):
        while left(library, STRANGER) > BURST - SECOND / 2:
            await asyncio.sleep(0)


async def test_T70_one_stranger_does_not_close_the_room_for_others() -> None:
    """256 receipts at once, all of blocks that nobody has read lately."""
    library, gate = Library(), threading.Event()

    def cold() -> Iterator[Step]:
        yield Step(held, long=True)
        yield Step(lambda: {"id": "cold"})

    def held() -> None:
        gate.wait()

    asked = [
        asyncio.create_task(library.found(JSON, STRANGER, cold()))
        for _ in range(lanes.READS_WAITING_MAX)
    ]
    try:
        while library.lane._waiting < lanes.PAYER_PLACES:
            await asyncio.sleep(0)
        assert library.lane._waiting == lanes.PAYER_PLACES
        warm = Step(lambda: {"id": "warm"})
        assert await library.found(JSON, OTHER, iter([warm])) == b'{"id":"warm"}'
        short = await library.one(Room(JSON), OTHER, lambda: lambda: {"height": 1}, short=True)
        assert short == b'{"height":1}'
        with pytest.raises(Overloaded):
            await library.found(JSON, STRANGER, cold())
    finally:
        gate.set()
    answered = await asyncio.gather(*asked, return_exceptions=True)
    assert answered == [b'{"id":"cold"}'] * len(asked)
    assert (library.lane._waiting, library.counter._waiting) == (0, 0)
    assert not library.lane._queues


async def test_T70_long_steps_take_no_turn_at_the_counter() -> None:
    library, taken = Library(), list[str]()

    def note(name: str) -> Callable[[], Document]:
        def work() -> Document:
            taken.append(f"{name}{library.lane._waiting}{library.counter._waiting}")
            return {"id": name}

        return work

    def long() -> Iterator[Step]:
        yield Step(lambda: None, long=True)
        yield Step(note("long"))

    await library.found(JSON, STRANGER, long())
    await library.found(JSON, STRANGER, iter([Step(note("short"))]))
    assert taken == ["long10", "short01"]


@asynccontextmanager
async def refusing() -> AsyncIterator[Any]:
    """A door with whose reading room this machine's address has read too much."""
    async with opened() as door:
        library = door.runner.app[app_keys.LIBRARY]
        found = library.found

        async def in_debt(*given: Any) -> Any:
            library.allowances.charge(given[1], 2 * BURST, asyncio.get_running_loop().time())
            return await found(*given)

        library_type = type(library)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(library_type, "found", lambda _self, *given: in_debt(*given))
            yield door


async def test_T70_a_receipt_that_is_refused_is_refused_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "LATE_SECONDS", 0.0)
    waited, wait = list[bool](), room.Room.wait

    async def looked_at(self: room.Room) -> None:
        waited.append(self.late)
        await wait(self)

    monkeypatch.setattr(room.Room, "wait", looked_at)
    async with refusing() as door:
        reply = await door.call("ledger_receipt", ["00" * 32])
        assert reply["error"]["code"] == Overloaded.code
        assert reply["error"]["data"]["retry_after_ms"] > 0
    assert waited == [True]
