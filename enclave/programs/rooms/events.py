"""What happens in a clean room: an event for each change of state, for parties and auditors.

Owns their keeping: the newest of each room stand in the state, all of them on the ledger, and a
digest chained over them tells whether one is missing.
"""

from strongroom.consensus import codec, labels
from strongroom.consensus.types import NO_DIGEST
from strongroom.enclave.programs.framework import Context
from strongroom.enclave.programs.rooms.tables import EVENTS, LOGS, Event

EVENTS_KEPT = 512


def record(context: Context, room: bytes, what: str, about: bytes = b"", detail: str = "") -> None:
    """Record what the caller has done."""
    total, head = head_of(context, room)
    event = Event(total + 1, context.height, context.time_ms, what, context.identity, about, detail)
    context.map(EVENTS).put((room, event.number % EVENTS_KEPT), tuple(event))
    chained = labels.labelled_digest(labels.CLEAN_ROOM_EVENTS, head + codec.encode(tuple(event)))
    context.map(LOGS).put(room, (event.number, bytes(chained)))


def head_of(context: Context, room: bytes) -> tuple[int, bytes]:
    """(number of events so far, digest of the chain over them)."""
    return context.map(LOGS).get(room) or (0, bytes(NO_DIGEST))


def kept(context: Context, room: bytes, after: int, limit: int) -> list[Event]:
    """Events in order, those after number `after` that still stand in the state."""
    total, _ = head_of(context, room)
    first = max(after, total - EVENTS_KEPT) + 1
    rows = (
        context.map(EVENTS).get((room, at % EVENTS_KEPT))
        for at in range(first, min(first + limit - 1, total) + 1)
    )
    return [Event(*row) for row in rows if row is not None]
