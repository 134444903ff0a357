"""What nodes' logs must never say: that a member contradicted itself, or that something went wrong
inside (STYLE 15).

Owns what counts as such a line. Faults of peers are no such thing: a message that comes too late is
one.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

EVENTS = frozenset({"evidence", "rpc.bug"})
"""A vote key said two things; a question met a bug."""
MARKS = (
    "Traceback",
    "InvariantBroken",
    "never awaited",
    "never retrieved",
    "Fatal error",
    "Exception in callback",
)
"""Of lines that are no events: what Python and asyncio write when nobody caught an error."""
LINES_SHOWN_MAX = 5


@dataclass(slots=True)
class NodeLogs:
    """Logs as far as they were read."""

    _read: Counter[Path] = field(default_factory=Counter)

    def news(self, path: Path) -> list[str]:
        """Bad lines since the last look."""
        try:
            with path.open("rb") as file:
                file.seek(self._read[path])
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read[path] += len(whole)
        bad = [line for line in whole.decode(errors="replace").splitlines() if is_bad(line)]
        return [f"{path.parent.name} says: {line[:300]}" for line in bad[:LINES_SHOWN_MAX]]


def is_bad(line: str) -> bool:
    """Must a log never say this?"""
    try:
        event = json.loads(line)
    except ValueError:
        return any(mark in line for mark in MARKS)
    return isinstance(event, dict) and event.get("event") in EVENTS
