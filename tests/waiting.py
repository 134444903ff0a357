"""Waiting until something is so: a verdict is what a test sees then, never how soon it saw it."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from tests.hang import HANG_SECONDS

T = TypeVar("T")


async def seen(
    look: Callable[[], Awaitable[T]],
    holds: Callable[[T], object],
    *,
    pause: float = 0.1,
    or_else: Callable[[], str] = lambda: "",
) -> T:
    """What `look` shows, once it holds.

    Args:
        look: asked again and again.
        holds: whether that is what is waited for.
        pause: seconds between two looks.
        or_else: further words for whoever waited in vain.

    Raises:
        AssertionError: it hangs; says what was seen last.
    """
    deadline = monotonic() + HANG_SECONDS
    while not holds(found := await look()):
        assert monotonic() < deadline, f"at last it is {found}. {or_else()}"
        await asyncio.sleep(pause)
    return found


async def so(holds: Callable[[], object], words: str, *, pause: float = 0.1) -> None:
    """Wait until it is so, for the `words` of what would be so. Raises AssertionError: it hangs."""

    async def look() -> bool:
        return bool(holds())

    await seen(look, bool, pause=pause, or_else=lambda: words)
