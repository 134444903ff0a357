"""The terminal that a process was started in, if it was.

Owns one question: has it gone? SIGHUP says that to a process of a terminal, and "read your
configuration again" to any other.
"""

import os
import sys


class Terminal:
    """Standard output's terminal, as it was at the start."""

    def __init__(self, descriptor: int | None = None) -> None:
        """Look now; `descriptor` is standard output's unless given."""
        self._descriptor = descriptor
        self._was = self._stands()

    def has_gone(self) -> bool:
        """Was there one, and is it hung up now?"""
        return self._was and not self._stands()

    def _stands(self) -> bool:
        try:
            at = sys.stdout.fileno() if self._descriptor is None else self._descriptor
            os.tcgetpgrp(at)
        except (OSError, ValueError):
            return False
        return True
