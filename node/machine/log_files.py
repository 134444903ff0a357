"""Reading the end of a log file: its last lines, or what is appended from now on.

Owns bounded reads of text that others append to. Knows nothing of what the lines say.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

_READ_BYTES_MAX = 64 * 1024
_POLL_SECONDS = 0.1


def log_tail(path: Path, lines: int, *, since: int = 0) -> list[str]:
    """The last lines of a log, reading at most its last 64 KiB; none if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(since, file.seek(0, os.SEEK_END) - _READ_BYTES_MAX))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def follow_log(
    path: Path, write: Callable[[str], None], *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Write what is appended to a log from now on, until interrupted; a file that shrinks is read
    anew."""
    position = path.stat().st_size if path.exists() else 0
    while True:
        if path.exists():
            size = path.stat().st_size
            position = 0 if size < position else position
            if size > position:
                with path.open("rb") as file:
                    file.seek(position)
                    piece = file.read(_READ_BYTES_MAX)
                position += len(piece)
                write(piece.decode(errors="replace"))
                continue
        sleep(_POLL_SECONDS)
