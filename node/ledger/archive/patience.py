"""Reading from a disk that may never answer: a mount whose server is gone holds its readers.

Owns the bound: so many readers at once, each waited for so long. After one that did not answer,
whoever comes is told at once for a while, so that readers of what is at hand do not wait behind
them.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

READERS_MAX = 4
"""Threads that may wait for one archive."""
ANSWER_SECONDS_MAX = 3.0
"""Until a reader is given up."""
SILENT_SECONDS = 20.0
"""After that, nobody waits for so long."""

_T = TypeVar("_T")


class Patience:
    """One archive's readers."""

    def __init__(self, seconds_max: float = ANSWER_SECONDS_MAX) -> None:
        self._seconds_max = seconds_max
        self._places = threading.Semaphore(READERS_MAX)
        self._silent_until = 0.0

    def wait(self, read: Callable[[], _T]) -> _T:
        """What a reader gives, in a thread of its own.

        Raises:
            TimeoutError: it does not answer, or did not a moment ago, or too many others wait.
        """
        if time.monotonic() < self._silent_until:
            raise TimeoutError("it did not answer a moment ago")
        if not self._places.acquire(timeout=self._seconds_max):
            raise TimeoutError(f"{READERS_MAX} readers wait for it already")
        done = threading.Event()
        given: list[Any] = []
        failed: list[BaseException] = []

        def work() -> None:
            try:
                given.append(read())
            except BaseException as error:  # raised again by whoever waits
                failed.append(error)
            finally:
                self._places.release()
                done.set()

        threading.Thread(target=work, name="archive-reader", daemon=True).start()
        if not done.wait(self._seconds_max):
            self._silent_until = time.monotonic() + SILENT_SECONDS
            raise TimeoutError(f"no answer in {self._seconds_max:g} s")
        if failed:
            raise failed[0]
        answer: _T = given[0]
        return answer
