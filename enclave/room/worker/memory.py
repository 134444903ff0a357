"""How much memory one job may take: what its contract says, at every executor, whatever its machine
has.

Owns the bench's limit (RLIMIT_DATA). Behind the walls no limit can be set any more, so that a job's
is made by holding the rest: memory that is mapped and never touched counts, and costs nothing.
"""

import mmap
import resource

from strongroom.enclave.room.analytics.settings import limit_memory
from strongroom.enclave.sandbox.entering import MEMORY_BYTES_MAX

_MAP_NORESERVE = 0x4000
"""Of <asm-generic/mman.h>; Python 3.11 has no word for it."""
_DATA_AT = 5
"""In /proc/self/statm, counted from 0: private memory that can be written, in pages."""


class JobMemory:
    """What this process may take beyond what it has."""

    def __init__(self, bytes_max: int) -> None:
        """Limit it, before the walls rise and after everything was loaded.

        Raises:
            OSError, ValueError: it is above a limit that was set before.
        """
        held = _held()
        self._left = min(bytes_max, MEMORY_BYTES_MAX - held)
        self._rest: mmap.mmap | None = None
        limit_memory(held + self._left)

    def narrow(self, bytes_max: int) -> None:
        """To so much, for good.

        Raises:
            OSError: the kernel does not lend the rest.
        """
        rest = self._left - bytes_max
        if rest > 0:
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
            self._rest = mmap.mmap(-1, rest, flags=flags)
            self._left = bytes_max


def _held() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[_DATA_AT]) * resource.getpagesize()
