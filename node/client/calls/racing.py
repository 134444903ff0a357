"""The first of several doors that opens: the next one is tried as soon as one fails, or takes
long."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from strongroom.consensus.errors import StrongroomError
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.calls.lifetime import start_in

RACE_SECONDS = 0.25
"""A door that has not opened after so long gets company by the next one (RFC 8305, §8: 250 ms)."""
Entered = tuple[Connection, str]
"""An open connection, and the name of the node behind it."""


async def first_open(
    group: asyncio.TaskGroup,
    endpoints: Sequence[str],
    enter: Callable[[str], Awaitable[Entered]],
) -> Entered | None:
    """Enter the first; whenever that fails, or takes long, the next one as well. None: none opens.

    Args:
        group: of the tasks.
        endpoints: in order.
        enter: raises StrongroomError when it fails; told to whoever owns the endpoints by itself.
    """

    async def attempt(endpoint: str) -> Entered | Exception:
        try:
            return await enter(endpoint)
        except Exception as fault:  # as a value: the group is not to end with it
            return fault

    waiting, running = list(endpoints), set[asyncio.Task[Entered | Exception]]()
    opened: list[Entered] = []
    try:
        while not opened and (waiting or running):
            if waiting:
                running.add(start_in(group, attempt(waiting.pop(0))))
            done, running = await asyncio.wait(
                running,
                timeout=RACE_SECONDS if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for outcome in (one.result() for one in done if not one.cancelled()):
                if isinstance(outcome, tuple):
                    opened.append(outcome)
                elif not isinstance(outcome, StrongroomError):
                    raise outcome
    finally:
        for one in running:
            one.cancel()
    for connection, _ in opened[1:]:
        await connection.close()
    return opened[0] if opened else None
