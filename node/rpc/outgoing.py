"""Answers and events that are made and that nobody has taken yet: how many bytes of them there may
be.

Owns counting, for one connection, for one caller and for all of them: a reader that is slow or gone
costs so much memory and no more, and beyond that its next call is refused instead of answered. No
caller fills it alone (`Shares`), and strangers none of what organisations and this machine have.
"""

from dataclasses import dataclass, field
from typing import Protocol

from strongroom.node.chunks.shares import Shares
from strongroom.node.faults import Overloaded

OUTGOING_BYTES_MAX = 96 * 1024 * 1024
"""Of answers to strangers, and as much again of those to organisations and this machine; one caller
has half of what is free."""
EVENTS_OUT_BYTES_MAX = 32 * 1024 * 1024
"""Of long events that are being sent, likewise; answers do not count in it."""
CONNECTION_BYTES_MAX = 40 * 1024 * 1024
"""Of one WebSocket: more than one whole batch of replies."""
RETRY_MS = 500


class Counted(Protocol):
    """Where bytes count while they are under way."""

    def check(self) -> None: ...
    def add(self, size: int) -> None: ...


@dataclass(slots=True)
class Outgoing:
    """Bytes under way, of one connection."""

    most: int = CONNECTION_BYTES_MAX
    whole: Counted | None = None
    """What these bytes count in as well."""
    held: int = 0

    def check(self) -> None:
        """Raises Overloaded when enough is under way."""
        if self.held > self.most:
            raise _overloaded(self.held)
        if self.whole is not None:
            self.whole.check()

    def add(self, size: int) -> None:
        """So many bytes are made; negative: they are gone."""
        self.held += size
        if self.whole is not None:
            self.whole.add(size)


@dataclass(slots=True)
class Share:
    """One caller's, on all of its connections."""

    shares: Shares
    who: str

    def check(self) -> None:
        """Raises Overloaded when this caller has more under way than is left for all others."""
        if not self.shares.fits(self.who, 0):
            raise _overloaded(self.shares.total)

    def add(self, size: int) -> None:
        """So many bytes are made; negative: they are gone."""
        if size > 0:
            self.shares.take(self.who, size)
        elif size < 0:
            self.shares.give_back(self.who, -size)


@dataclass(slots=True)
class Unread:
    """Of all callers: strangers, and apart from them those who are known."""

    most: int = OUTGOING_BYTES_MAX
    strangers: Shares = field(init=False)
    known: Shares = field(init=False)

    def __post_init__(self) -> None:
        self.strangers, self.known = Shares(self.most), Shares(self.most)

    @property
    def held(self) -> int:
        """Bytes under way."""
        return self.strangers.total + self.known.total

    def share(self, who: str, *, known: bool) -> Share:
        """A caller's."""
        return Share(self.known if known else self.strangers, who)


def _overloaded(held: int) -> Overloaded:
    return Overloaded(
        f"{held >> 20} MiB of answers wait for their readers: read, then ask again",
        retry_after_ms=RETRY_MS,
    )
