"""How much one message's answer may be, and what begins once it is sent.

Owns the bytes of a reply and of a whole batch: beyond them a call is answered `too large`, so that
no message of a few bytes asks for hundreds of MiB. Knows no method.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.node.faults import TooLarge
from strongroom.node.rpc.forms import Form
from strongroom.node.rpc.outgoing import Counted, Outgoing

REPLY_BYTES_MAX = 8 * 1024 * 1024
"""Of one call. What a submission came to is told however long it is: nothing may hide the fate of a
transaction."""
BATCH_BYTES_MAX = 4 * REPLY_BYTES_MAX
"""Of all calls of a batch, errors too."""

LATE_SECONDS = 0.25
FRAME_BYTES = 1024
"""What stands around a result, but for an id longer than any."""


@dataclass(slots=True)
class Room:
    """What the answer to one frame or body may still take."""

    form: Form
    left: int = BATCH_BYTES_MAX
    full: bool = False
    """Something did not fit into what is left of the batch: nothing more is tried."""
    after: list[Callable[[], None]] = field(default_factory=list)
    """What begins once the answer is sent."""
    outgoing: Counted = field(default_factory=Outgoing)
    """Where its bytes count until they are sent."""
    held: int = 0
    late: bool = False
    """Its address asked for more than it may: the refusal comes late, or it would ask at once."""

    @property
    def reply_bytes(self) -> int:
        """What one more call may take."""
        return min(self.left, REPLY_BYTES_MAX)

    def check(self) -> None:
        """Raises TooLarge when nothing more fits, Overloaded when readers take too little."""
        self.outgoing.check()
        if self.left <= 0 or self.full:
            raise TooLarge(
                f"the replies of this batch take {BATCH_BYTES_MAX >> 20} MiB "
                "already: ask for the rest anew"
            )

    def fits(self, size: int) -> None:
        """Raises TooLarge when a reply of `size` bytes does not fit."""
        if size > self.reply_bytes:
            self.full = self.full or size <= REPLY_BYTES_MAX
            raise TooLarge(
                f"a reply of {size} bytes or more, at most {self.reply_bytes} are left: ask for "
                "less at a time; a block without its transactions, and these in pages with "
                "ledger_transactions",
                reply_bytes_max=REPLY_BYTES_MAX,
            )

    def take(self, size: int) -> None:
        """So many bytes of the answer are made; negative: they were counted too early."""
        self.left -= size
        self.held += size
        self.outgoing.add(size)

    async def wait(self) -> None:
        """Before the answer is sent."""
        if self.late:
            await asyncio.sleep(LATE_SECONDS)

    def sent(self) -> None:
        """The answer is on its way: begin what waits for that."""
        waiting, self.after = self.after, []
        for begin in waiting:
            begin()

    def close(self) -> None:
        """The answer is sent, or never will be: its bytes are held no longer."""
        self.outgoing.add(-self.held)
        self.held = 0
