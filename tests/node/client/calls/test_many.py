"""`call_many`: order, window, progress, and the end of each call as a value."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.node.client.calls.test_pipeline import BOB, FUNDS, balance, funded
from tests.node.client.model.virtual_time import run
from tests.waiting import so

from strongroom.consensus.errors import ClientFault
from strongroom.node.client import Client, Done, ProgramFailed, Progress, Unreachable
from strongroom.node.client.calls import in_flight
from strongroom.node.client.calls.calls import Entry
from strongroom.node.client.calls.many import CALLS_AHEAD_MAX, ManyCalls
from strongroom.node.faults import Overloaded

NAME = "payments.transfer"


def to_bob(amounts: list[int]) -> list[dict[str, Any]]:
    return [{"to": BOB.id, "amount": amount} for amount in amounts]


async def answers(client: Client, many: Any, **options: Any) -> list[Done | ClientFault]:
    return [one async for one in client.call_many(NAME, many, **options)]


async def test_progress_is_told_after_each_answer(tmp_path: Path) -> None:
    async with funded(tmp_path) as (_, client):
        told: list[Progress] = []
        ends = await answers(client, to_bob([5, FUNDS, -1, 7]), on_progress=told.append)
        assert [type(one) for one in ends] == [Done, ProgramFailed, ProgramFailed, Done]
        assert [one.taken for one in told] == [1, 2, 3, 4]
        assert told[-1] == Progress(submitted=4, taken=4, done=2, refused=2, unknown=0)


async def test_at_most_a_window_of_calls_is_under_way(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        service.orderer.paused = True
        read: list[int] = []

        def many() -> Iterator[dict[str, Any]]:
            for amount in range(1, 30):
                read.append(amount)
                yield {"to": BOB.id, "amount": 1}

        task = asyncio.ensure_future(answers(client, many(), window=4))
        await so(lambda: service.payments() >= 4, "a window is under way", pause=0)
        await client.request("node_status")
        assert (len(read), service.payments()) == (4, 4)
        service.orderer.resume()
        assert len(await task) == 29


async def test_an_answer_comes_while_the_source_has_nothing_more_yet(tmp_path: Path) -> None:
    """A source may send the next payment because of the last answer."""
    async with funded(tmp_path) as (_, client):
        source = asyncio.Queue[dict[str, Any] | None]()

        async def many() -> AsyncIterator[dict[str, Any]]:
            while (one := await source.get()) is not None:
                yield one

        source.put_nowait({"to": BOB.id, "amount": 1})
        balances = []
        async with asyncio.timeout(45):
            async for answer in client.call_many(NAME, many()):
                assert isinstance(answer, Done)
                balances.append(answer.result["balance"])
                more = len(balances) < 5
                source.put_nowait({"to": BOB.id, "amount": 1} if more else None)
        assert balances == [FUNDS - 1 - n for n in range(5)]


async def test_a_source_that_waits_hides_no_call_whose_time_is_over(tmp_path: Path) -> None:
    async with funded(tmp_path, timeout=1.0) as (service, client):
        service.orderer.paused = True

        async def many() -> AsyncIterator[dict[str, Any]]:
            yield {"to": BOB.id, "amount": 1}
            await asyncio.Event().wait()

        answering = client.call_many(NAME, many())
        assert isinstance(await anext(answering), Unreachable)
        await answering.aclose()


async def test_what_its_source_raises_is_the_callers_to_know(tmp_path: Path) -> None:
    async with funded(tmp_path) as (_, client):

        async def many() -> AsyncIterator[dict[str, Any]]:
            yield {"to": BOB.id, "amount": 1}
            raise LookupError("no more")

        with pytest.raises(LookupError, match="no more"):
            await answers(client, many())


def test_as_long_as_answers_come_no_call_that_waits_is_given_up() -> None:
    """A slow service under a long window: what waits behind others is not of unknown fate."""

    async def slow() -> list[Any]:
        done: Any = "done"
        loop, begun = asyncio.get_running_loop(), list[Entry]()

        def submit(_arguments: Any) -> Entry:
            one = Entry("payments", "transfer", (), loop.create_future())
            begun.append(one)
            if len(begun) < 5:  # the last one never
                loop.call_later(3 * len(begun), one.future.set_result, done)
            return one

        async def answered(entry: Entry, *, until: float) -> Any:
            try:
                async with asyncio.timeout_at(until):
                    return await entry.future
            except TimeoutError:
                raise Unreachable(f"at {loop.time():g}") from None

        runtime: Any = SimpleNamespace(timeout=4.0, answered=answered)
        calls = ManyCalls(runtime, submit, window=5, on_progress=None)
        return [one async for one in calls.answers([{}] * 5)]

    ends = run(slow())
    assert ends[:4] == ["done"] * 4
    assert str(ends[4]) == "at 16"  # four seconds after the last answer


async def test_an_asynchronous_source_is_read_as_fast_as_calls_are_answered(
    tmp_path: Path,
) -> None:
    async with funded(tmp_path) as (_, client):

        async def many() -> AsyncIterator[dict[str, Any]]:
            for one in to_bob([1, 2, 3]):
                await asyncio.sleep(0)
                yield one

        ends = await answers(client, many())
        assert [one.result["balance"] for one in ends if isinstance(one, Done)] == [
            FUNDS - 1,
            FUNDS - 3,
            FUNDS - 6,
        ]


async def test_calls_of_unknown_fate_are_told_with_their_ids_and_end_no_other(
    tmp_path: Path,
) -> None:
    async with funded(tmp_path, timeout=1.0) as (service, client):
        service.orderer.paused = True
        told: list[Progress] = []
        ends = await answers(client, to_bob([1, 2, 3]), on_progress=told.append)
        assert all(isinstance(one, Unreachable) for one in ends)
        ids = [one.id for one in ends if isinstance(one, Unreachable)]
        assert told[-1] == Progress(submitted=3, taken=3, done=0, refused=0, unknown=3)
        service.orderer.resume()
        assert len({service.orderer.places[bytes(id or b"")].height for id in ids}) == 1


async def test_whoever_stops_early_sends_no_further_call(tmp_path: Path) -> None:
    async with funded(tmp_path) as (service, client):
        pipeline = client._runtime.pipeline
        await client.call(NAME, to=BOB.id, amount=1)
        pipeline.rest(until_empty=True)
        many = client.call_many(NAME, to_bob([1] * 50), window=3)
        first = asyncio.ensure_future(anext(many))
        await so(lambda: len(pipeline._waiting) == 3, "a window waits", pause=0)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        await many.aclose()
        pipeline.rest(until_empty=False)
        await client.call(NAME, to=BOB.id, amount=1)
        assert (service.payments(), await balance(client)) == (2, FUNDS - 2)


async def test_other_callers_that_fill_the_queue_make_it_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "CALLS_WAITING_MAX", 2)
    async with funded(tmp_path) as (_, client):
        others = [client.submit_call(NAME, to=BOB.id, amount=1) for _ in range(2)]
        with pytest.raises(Overloaded, match="too many calls wait"):
            client.submit_call(NAME, to=BOB.id, amount=1)
        ends = await answers(client, to_bob([1] * 6))
        assert all(isinstance(one, Done) for one in ends)
        await asyncio.gather(*others)


@pytest.mark.parametrize("window", [0, -1, CALLS_AHEAD_MAX + 1, 1.5, True, None])
async def test_a_window_that_is_none_is_refused(tmp_path: Path, window: Any) -> None:
    async with funded(tmp_path) as (service, client):
        with pytest.raises(ClientFault, match="window"):
            await answers(client, to_bob([1]), window=window)
        assert service.payments() == 0
