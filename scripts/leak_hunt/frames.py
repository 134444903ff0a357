"""One line for each frame that a watching host saw."""

import json
from dataclasses import astuple, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FrameLine:
    """A frame without its content."""

    place: str
    """``door``, ``link`` or ``client``."""
    kind: str
    """Name of the request or method, or the message's tag."""
    way: str
    """``in`` or ``out``: of the enclave at the door, of the host elsewhere."""
    size: int
    """Bytes."""

    def encode(self) -> bytes:
        """A line of JSON."""
        return json.dumps(astuple(self)).encode() + b"\n"


def read_frames(path: Path) -> list[FrameLine]:
    """All lines of a file, in order; none if there is no file."""
    if not path.exists():
        return []
    return [FrameLine(*json.loads(line)) for line in path.read_bytes().splitlines()]
