"""Final blocks that were handed over and are not executed yet: how far this node is, and how much
waits.

Owns two heights and a bound. An epoch is over here when its terminal block is recorded, and
executed as far as may be needed for the next one.
"""

from collections import deque

from strongroom.consensus.blocks import Header
from strongroom.consensus.replica.events import Commit
from strongroom.consensus.types import Height

BACKLOG_BLOCKS_MAX = 1024
BACKLOG_BYTES_MAX = 64 * 1024 * 1024
"""Waiting for execution beyond these, no further ranges of old blocks are asked for."""


class Backlog:
    """How far recording and execution are behind order."""

    def __init__(self, *, recorded: Height, executed: Height) -> None:
        self.recorded, self.executed = recorded, executed
        self.following = False
        """The enclave cannot execute; outcomes that a quorum anchored take it on."""
        self._waiting: deque[tuple[Height, int]] = deque()
        self._bytes = 0

    def add(self, commits: list[Commit]) -> None:
        """These were handed over."""
        for commit in commits:
            self._waiting.append((commit.header.height, commit.header.batch_bytes))
            self._bytes += commit.header.batch_bytes

    def note_recorded(self, height: Height) -> None:
        """The block store has every block up to this one."""
        self.recorded = max(self.recorded, height)
        self._shrink()

    def note_executed(self, height: Height) -> None:
        """The outcome of this height is recorded."""
        self.executed = max(self.executed, height)
        self._shrink()

    def note_following(self, following: bool) -> None:
        """The enclave cannot execute, or it can again."""
        self.following = following
        self._shrink()

    def _shrink(self) -> None:
        """Whoever follows holds nothing for execution: it executes from the block store, if
        ever."""
        done = self.recorded if self.following else self.executed
        while self._waiting and self._waiting[0][0] <= done:
            self._bytes -= self._waiting.popleft()[1]

    @property
    def overfull(self) -> bool:
        """So much waits that more would only fill memory."""
        return len(self._waiting) > BACKLOG_BLOCKS_MAX or self._bytes > BACKLOG_BYTES_MAX

    def is_through(self, terminal: Header) -> bool:
        """Is everything up to the end of an epoch recorded, and executed as far as may be needed
        for the next one?

        An enclave that follows by outcomes executes the terminal block itself only once the next
        epoch has anchored it.
        """
        needed = terminal.anchor.height if self.following else terminal.height
        return self.recorded >= terminal.height and self.executed >= needed
