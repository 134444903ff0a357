"""Public events of privileged access: numbered, the newest alone are kept."""

from enum import StrEnum

from strongroom.enclave.governance.action_context import ActionContext
from strongroom.enclave.governance.tables import Tables
from strongroom.enclave.programs.grants import ACCESS_EVENTS

ACCESS_EVENTS_MAX = 256
EVENTS_OF_SUBJECT_MAX = 16
"""Of one kind about one grant or node, so that a node that starts over and over pushes out its own
events, and nobody else's."""


class GrantEvent(StrEnum):
    """What is told to everybody."""

    EMERGENCY = "emergency"
    """An emergency was approved: an alarm."""
    UNPLANNED_START = "unplanned-start"
    """A node's enclave was started anew, and nothing was begun for it."""
    UNREPORTED = "unreported"
    """What was begun was not finished in time."""
    REVIEW_DUE = "review-due"
    """A used emergency was not reviewed in time."""


def note_event(context: ActionContext, kind: GrantEvent, subject: str, words: str) -> None:
    """Tell everybody; `subject` is a grant's id or a node's name."""
    write_event(context.tables, kind, subject, words, (context.block.height, context.block.time_ms))


def write_event(
    tables: Tables, kind: GrantEvent, subject: str, words: str, at: tuple[int, int]
) -> None:
    """The same at (height, block time)."""
    events = tables.maps.items(ACCESS_EVENTS)
    alike = [number for number, event in events if event[:2] == (str(kind), subject)]
    if len(alike) >= EVENTS_OF_SUBJECT_MAX:
        tables.maps.delete(ACCESS_EVENTS, alike[0])
    number = events[-1][0] + 1 if events else 1
    tables.maps.put(ACCESS_EVENTS, number, (str(kind), subject, words, *at))
    tables.maps.delete(ACCESS_EVENTS, number - ACCESS_EVENTS_MAX)
