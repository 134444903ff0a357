"""What runs and what is open for one client, from entering it to leaving it: all of it ends together."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import aiohttp

from strongroom.node.credentials import Credential, header_of


class Scope:
    """One HTTP session and one group of tasks."""

    def __init__(self, credential: Credential | None) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        self.http = aiohttp.ClientSession(timeout=timeout, headers=header_of(credential))
        self.group = asyncio.TaskGroup()

    @classmethod
    async def open(cls, credential: Credential | None) -> "Scope":
        """Begin, showing this credential; `close` must follow, from the same task."""
        scope = cls(credential)
        await scope.group.__aenter__()
        return scope

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """One more task."""
        return self.group.create_task(coroutine)

    async def close(self, error: BaseException | None) -> None:
        """Cancel everything that runs and wait for its end.

        Args:
            error: with which the caller's block ends; stays what it is, so it is not for this to raise or to wrap.

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
            await self.http.close()
