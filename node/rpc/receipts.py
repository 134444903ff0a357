"""Receipts, for whoever waits until there is one.

Owns when a receipt is looked for: at once, and again when receipts of higher blocks can be made.
How one is found: node/api/receipts.py.
"""

import asyncio

from strongroom.consensus.types import TransactionId
from strongroom.node.faults import NotYet, Overloaded
from strongroom.node.rpc.caller import Caller
from strongroom.node.rpc.forms import Encoded, Form

WAIT_SECONDS_MAX = 5.0
"""So long `ledger_receipt` waits at most, then it says "not yet": whoever asks may turn to another
node, for this one may be cut off from its peers."""
BUSY_SECONDS = 1.0
"""A full reading room is tried again after this long, for what was submitted here."""


async def wait_for_receipt(
    caller: Caller, form: Form, id: TransactionId, seconds: float
) -> Encoded:
    """The receipt, as soon as there is one.

    Args:
        caller: who asks.
        form: of the answer.
        id: of a transaction that is executed.
        seconds: how long to wait at most; 0: not at all.

    Raises:
        NotFound: no executed transaction has this id.
        NotYet: it is not anchored after these seconds.
        Overloaded: the reading room is full.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        anchored = caller.backend.anchored  # before the look: what comes meanwhile is not missed
        try:
            steps = caller.backend.receipt_steps(id)
            return await caller.library.found(form, caller.payer, steps)
        except NotYet as fault:
            try:
                async with asyncio.timeout_at(deadline):
                    await caller.backend.next_anchored(anchored)
            except TimeoutError:
                raise fault from None


async def receipt_of_submitted(caller: Caller, form: Form, id: TransactionId) -> Encoded:
    """The receipt of what was submitted here, however long it takes and however busy the node is: a
    full reading room is waited for."""
    while True:
        try:
            return await wait_for_receipt(caller, form, id, WAIT_SECONDS_MAX)
        except NotYet:
            continue
        except Overloaded:
            await asyncio.sleep(BUSY_SECONDS)
