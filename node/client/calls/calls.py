"""One call on its way: what was asked, under which session and sequence number, and who waits for
the answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from strongroom.consensus.types import TransactionId
from strongroom.enclave.outside.client_sessions import ClientSession
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.trust import TrustedEpoch


@dataclass(slots=True)
class Done:
    """A transaction that was executed, with its opened result."""

    id: TransactionId
    height: int
    index: int
    """Position in its block."""
    result: Any = field(repr=False)
    """What the program returned."""
    sealed: bytes = field(repr=False)
    """The result as it stands in the outcome."""
    blinding: bytes | None = field(repr=False)
    """Reveals the transaction's claim when handed over; None when it made none."""
    fetch_receipt: Callable[["Done"], Awaitable[Receipt]] = field(repr=False)

    async def receipt(self) -> Receipt:
        """Its receipt, verified against the pin, and naming this very result; waits until it
        exists.

        Raises:
            ReceiptInvalid: the node gave one that does not verify.
            Unreachable: no receipt in time.
        """
        return await self.fetch_receipt(self)


@dataclass(slots=True, eq=False)
class Opened:
    """A session of ours, and its calls that have no answer yet."""

    session: ClientSession
    epoch: TrustedEpoch
    unanswered: dict[int, "Entry"] = field(default_factory=dict)
    """By sequence, ascending."""
    newest: int = 0
    """The newest sequence that was sealed."""
    stands: bool = False
    """The opening was executed."""
    until: float | None = None
    """Clock of `time.monotonic` from which on no call is sealed in it, once its epoch is over; None
    while it lasts."""
    dead: bool = False
    """The opening was refused for good: no call of this session can ever be executed."""

    @property
    def span(self) -> int:
        """Newest − oldest unanswered sequence, were one more sealed now."""
        following = self.newest + 1
        return following - next(iter(self.unanswered), following)


@dataclass(slots=True, eq=False)
class Entry:
    """One call from `submit` to its answer."""

    program: str
    operation: str
    arguments: tuple[Any, ...] = field(repr=False)
    future: "asyncio.Future[Done]"
    opened: Opened | None = None
    """None until it is sealed."""
    sequence: int = 0
    envelope: bytes = field(default=b"", repr=False)
    id: TransactionId | None = None
    """None until it is sealed."""
    refusals: int = 0
    """How often it was refused and tried again."""
    crowded: int = 0
    """How often its block had no room for it."""
    parked: bool = False
    """Refused, and being looked into: not to be sent meanwhile."""
