"""What runs and what is open for one client, from entering it to leaving it: all of it ends
together."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import aiohttp

from strongroom.node.client.errors import Disconnected
from strongroom.node.client.http import close_session, open_session
from strongroom.node.credentials import Credential

_P = ParamSpec("_P")
_T = TypeVar("_T")
CLOSED = "the client was closed before the answer"
_log = logging.getLogger(__name__)


def fenced(work: Callable[_P, Awaitable[None]]) -> Callable[_P, Coroutine[Any, Any, None]]:
    """A bug in what runs beside a client's calls ends that task alone, never the block of whoever
    uses the client."""

    @wraps(work)
    async def fence(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            await work(*args, **kwargs)
        except Exception as error:
            _log.warning("a task of a client ended with %s", type(error).__name__, exc_info=True)

    return fence


def start_in(group: asyncio.TaskGroup, work: Coroutine[Any, Any, _T]) -> "asyncio.Task[_T]":
    """A task of a client's group.

    Raises:
        Disconnected: the client is being closed.
    """
    try:
        return group.create_task(work)
    except RuntimeError:
        work.close()
        raise Disconnected(CLOSED) from None


class Lifetime:
    """One HTTP session and one group of tasks."""

    def __init__(self, credential: Credential | None) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        self.http = open_session(credential, timeout)
        self.group = asyncio.TaskGroup()

    @classmethod
    async def open(cls, credential: Credential | None) -> "Lifetime":
        """Begin, showing this credential; `close` must follow, from the same task."""
        lifetime = cls(credential)
        await lifetime.group.__aenter__()
        return lifetime

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """One more task."""
        return self.group.create_task(coroutine)

    async def close(self, error: BaseException | None) -> None:
        """Cancel everything that runs and wait for its end.

        Args:
            error: with which the caller's block ends; stays what it is, so it is not for this to
                raise or to wrap.

        Raises:
            BaseExceptionGroup: a task had failed: a bug of ours.
        """
        ending = error if isinstance(error, asyncio.CancelledError) else asyncio.CancelledError()
        try:
            await self.group.__aexit__(type(ending), ending, None)
        except asyncio.CancelledError as cancelled:
            if cancelled is not ending:
                raise
        finally:
            await close_session(self.http)
