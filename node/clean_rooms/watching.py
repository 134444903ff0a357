"""What happens in a clean room, told as it comes: each event once, and what went by unseen counted.

Owns which event was told last. Knows no terminal.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strongroom.node.client.client import Client

EVENTS_AT_ONCE = 100
LOOK_SECONDS = 1.0
MISSED = "missed"
"""As an event: so many went by between two looks and are not kept any more."""


async def happenings(
    client: "Client", room: bytes, after: int, *, pause: float = LOOK_SECONDS
) -> AsyncIterator[dict[str, Any]]:
    """Events of a clean room behind a number, without end.

    Raises:
        ProgramFailed: the room is others'.
        Unreachable: no node answers.
    """
    while True:
        answer = await client.query("rooms.events", room=room, after=after, limit=EVENTS_AT_ONCE)
        for event in answer.value["events"]:
            if event["number"] > after + 1:
                yield {"what": MISSED, "number": event["number"] - after - 1}
            after = event["number"]
            yield event
        if len(answer.value["events"]) < EVENTS_AT_ONCE:
            await asyncio.sleep(pause)
