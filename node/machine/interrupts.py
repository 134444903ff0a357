"""Ctrl-C and its kin as cancellation, or as a word: whatever was begun is undone before the process
ends.

Owns the signals SIGINT, SIGTERM and SIGHUP of a process that manages others. The first one cancels
the calling task, or sets an event; all later ones are ignored, so that an impatient second Ctrl-C
cannot break off the cleaning up.
"""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def told_by_signals(numbers: Sequence[signal.Signals] = _SIGNALS) -> Iterator[asyncio.Event]:
    """An event that one of these signals sets, for a body that ends by itself then."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in numbers:
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextmanager
def cancelled_by_signals() -> Iterator[None]:
    """Around the body of a task: a signal cancels it; after its own cleaning up it ends with
    KeyboardInterrupt.

    Raises:
        KeyboardInterrupt: a signal came and the body let the cancellation through; its text is
            what the body noted on it.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    received: list[int] = []

    def on_signal(number: int) -> None:
        received.append(number)
        if len(received) == 1 and task is not None:
            task.cancel()

    former = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    except asyncio.CancelledError as cancelled:
        if received:
            raise KeyboardInterrupt(*getattr(cancelled, "__notes__", ())) from None
        raise
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            if former[number] is not None:
                signal.signal(number, former[number])
