"""Ctrl-C and its kin: cancelled once, cleaned up to the end."""

import asyncio
import os
import signal

import pytest

from strongroom.node.machine.interrupts import cancelled_by_signals


async def body(steps: list[str], number: signal.Signals) -> None:
    with cancelled_by_signals():
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            for step in ("first", "second"):
                os.kill(os.getpid(), number)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                steps.append(step)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_cancels_and_no_later_one_breaks_the_cleaning_up(
    number: signal.Signals,
) -> None:
    steps: list[str] = []
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(body(steps, number))
    assert steps == ["first", "second"]
    assert signal.getsignal(number) == before


def test_a_cancellation_that_no_signal_caused_stays_one() -> None:
    async def cancelled() -> None:
        with cancelled_by_signals():
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_without_a_signal_nothing_changes() -> None:
    async def calm() -> int:
        with cancelled_by_signals():
            await asyncio.sleep(0)
            return 7

    assert asyncio.run(calm()) == 7
