"""Answers that are made and that nobody has taken yet: how many bytes of them there may be.

Owns counting, for one connection and for all of them: a reader that is slow or gone costs so much
memory and no more, and beyond that the next call is refused instead of answered.
"""

from dataclasses import dataclass

from strongroom.node.faults import Overloaded

OUTGOING_BYTES_MAX = 192 * 1024 * 1024
"""Of all connections. Further calls are refused as overloaded until readers have taken some."""
CONNECTION_BYTES_MAX = 40 * 1024 * 1024
"""Of one WebSocket: more than one whole batch of replies."""
RETRY_MS = 500


@dataclass(slots=True)
class Outgoing:
    """Bytes under way, of one connection or of all."""

    most: int = OUTGOING_BYTES_MAX
    whole: "Outgoing | None" = None
    """What these bytes count in as well."""
    held: int = 0

    def check(self) -> None:
        """Raises Overloaded when enough is under way."""
        if self.held > self.most:
            raise Overloaded(
                f"{self.held >> 20} MiB of answers wait for their readers: read, then ask again",
                retry_after_ms=RETRY_MS,
            )
        if self.whole is not None:
            self.whole.check()

    def add(self, size: int) -> None:
        """So many bytes are made; negative: they are gone."""
        self.held += size
        if self.whole is not None:
            self.whole.add(size)
