"""What becomes of a call whose sealed result says that its block had no room for it.

The node that gave the result may run a broken enclave, which holds the reply keys and can seal what
it likes: it could execute the call and have it sealed anew, so that a payment is made again and
again, or told as not made. So a receipt decides, that is, a quorum: only once it names this very
result is the call sealed anew. Until then its envelope stays unanswered: whatever connection comes
next carries it again, and what another node says it came to ends the matter.

Without a proof in time the call's fate is open, and told as that with its id.
"""

import asyncio
import logging
from dataclasses import dataclass

from strongroom.consensus.errors import ReceiptInvalid, StrongroomError
from strongroom.consensus.types import TransactionId
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.receipts import VerifiedReceipt, check_result, verify_receipt
from strongroom.node.client.calls.calls import Entry
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.calls.in_flight import Pipeline
from strongroom.node.client.calls.nodes import Nodes
from strongroom.node.client.calls.waiting import receipt_pauses
from strongroom.node.client.errors import Disconnected, NotTrusted, ProgramFailed, Unreachable

PATIENCE_SECONDS = 10.0
"""A node that has no receipt for so long is left for another one."""
LOOKS_MAX = 8
"""Receipts that are asked for at a time: they leave room on the connection for calls."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Said:
    """One node's word that a block had no room."""

    sealed: bytes
    fault: ProgramFailed
    """What it says, opened."""
    connection: Connection | None
    """The one that calls went through then."""


class RoomProofs:
    """Finds out, of each call that had no room, whether that is so; each is a task of the client's
    group."""

    def __init__(
        self, group: asyncio.TaskGroup, nodes: Nodes, pin: str, *, seconds_max: float
    ) -> None:
        self._group, self._nodes, self._pin, self._seconds_max = group, nodes, pin, seconds_max
        self._said: dict[TransactionId, _Said] = {}
        """By id, as long as it is looked into: the newest word."""
        self._looks = asyncio.Semaphore(LOOKS_MAX)

    def take(self, pipeline: Pipeline, entry: Entry, sealed: bytes, fault: ProgramFailed) -> None:
        """One call that had no room, by the word of one node."""
        if fault.id is None:
            raise ValueError("an answer to what was never sent")
        known = fault.id in self._said
        self._said[fault.id] = _Said(sealed, fault, self._nodes.current)
        if not known:
            self._group.create_task(self._decide(pipeline, entry, fault.id))

    async def _decide(self, pipeline: Pipeline, entry: Entry, id: TransactionId) -> None:
        """Decide about one call; whatever goes wrong with that ends this call alone."""
        why = f"no receipt proves in {self._seconds_max:g} s that its block had no room"
        try:
            async with asyncio.timeout(self._seconds_max):
                await self._decided(pipeline, entry, id)
        except Exception as error:
            if not isinstance(error, TimeoutError):
                _log.warning("whether a block had room could not be found out", exc_info=True)
                why = f"a bug in this client ({type(error).__name__})"
        finally:
            del self._said[id]
        if pipeline.awaits(entry, id):  # nobody may wait for it any more
            fault = Unreachable(f"{why}: it may have taken effect, or still do", id=id)
            pipeline.give_up(entry, fault)

    async def _decided(self, pipeline: Pipeline, entry: Entry, id: TransactionId) -> None:
        loop, asked, until = asyncio.get_running_loop(), None, 0.0
        for pause in receipt_pauses():
            await asyncio.sleep(pause)
            connection = self._nodes.current
            if connection is not asked:
                asked, until = connection, loop.time() + PATIENCE_SECONDS
            if connection is not None:
                verified = await self._look(pipeline, connection, id, until)
                if not pipeline.awaits(entry, id) or entry.future.done():
                    return
                if verified is not None and self._proves(pipeline, connection, verified, id):
                    pipeline.had_no_room(entry, self._placed(id, verified))
                    return
                if connection is self._nodes.current and loop.time() >= until:
                    until = loop.time() + PATIENCE_SECONDS
                    pipeline.leave(Disconnected(f"it has no receipt of {id.hex()}"))
            elif not pipeline.awaits(entry, id):
                return

    async def _look(
        self, pipeline: Pipeline, connection: Connection, id: TransactionId, until: float
    ) -> VerifiedReceipt | None:
        """What this node's receipt proves; None: it has none yet, or none that counts."""
        try:
            async with asyncio.timeout_at(until), self._looks:
                document = await connection.ask("ledger_receipt", id=id)
            verified = verify_receipt(Receipt.from_json(document), self._pin)
        except (ReceiptInvalid, TypeError) as error:
            self._distrust(pipeline, connection, f"no receipt: {error}")
            return None
        except (StrongroomError, TimeoutError):
            return None
        if verified.id != id:
            self._distrust(pipeline, connection, f"a receipt of another one than {id.hex()}")
            return None
        return verified

    def _proves(
        self, pipeline: Pipeline, connection: Connection, verified: VerifiedReceipt, id: bytes
    ) -> bool:
        """Was this very result the one that a quorum came to?

        A refusal decides nothing: an executed envelope that a host replays is refused there.
        """
        if verified.code is not Code.EXECUTED:
            return False
        said = self._said[verified.id]
        try:
            check_result(verified, said.sealed)
        except ReceiptInvalid:
            if connection is said.connection:  # the next one is asked for its own answer
                why = f"says `no room` of {id.hex()}, a quorum does not"
                self._distrust(pipeline, connection, why)
            return False
        return True

    def _placed(self, id: TransactionId, verified: VerifiedReceipt) -> ProgramFailed:
        """What the result says, where the receipt says it stands."""
        fault, place = self._said[id].fault, {"height": verified.height, "index": verified.index}
        return ProgramFailed(fault.code, fault.message, id=id, **place)

    def _distrust(self, pipeline: Pipeline, connection: Connection, why: str) -> None:
        if connection is self._nodes.current:
            pipeline.leave(NotTrusted("answer", why))
