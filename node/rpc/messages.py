"""How large a message may be, and how much may stand in it, before it is parsed.

Owns these refusals. A parser holds the event loop from the first byte to the last, so what
nobody with a credential sent is short, and no message is made of hundreds of thousands of values.
"""

import asyncio
from typing import Any

from strongroom.node.faults import TooLarge
from strongroom.node.rpc.caller import Caller
from strongroom.node.rpc.door import GUARDED
from strongroom.node.rpc.weights import MESSAGE_BYTES_FREE

STRANGER_BYTES_MAX = 512 * 1024
"""Of a message without the credential of an organisation, where one is needed to submit: it asks,
and brings nothing."""
VALUES_MAX = 256 * 1024
"""Values in one JSON message: twice a batch of the longest submissions."""


def bytes_max(caller: Caller) -> int:
    """How long a caller's messages may be."""
    most = caller.limits.body_bytes_max
    return most if caller.account is not None else min(most, STRANGER_BYTES_MAX)


def too_long(caller: Caller, size: int) -> str:
    """The refusal of a message of so many bytes, in words."""
    words = f"a message of {size} bytes, at most {bytes_max(caller)} are taken"
    return words if caller.account is not None else words + " without an organisation's credential"


def check_size(caller: Caller, size: int) -> None:
    """Weigh a message of so many bytes.

    Raises:
        TooLarge: it is longer than this caller's may be.
        Overloaded: its address has asked for much already.
    """
    most = bytes_max(caller)
    if size > most:
        raise TooLarge(too_long(caller, size), message_bytes_max=most)
    if caller.account is None and size > MESSAGE_BYTES_FREE:
        caller.library.allowances.spend(caller.payer, size, asyncio.get_running_loop().time())


def check_batch(caller: Caller, message: Any) -> None:
    """Raises Overloaded, once for the whole batch, when its address has asked for much already:
    a hundred refusals cost as much as a hundred answers. What has a quota of its own passes."""
    if type(message) is list and not caller.known and not _brings(caller, message):
        caller.library.allowances.check(caller.payer, asyncio.get_running_loop().time())


def check_values(data: str | bytes) -> None:
    """Raises TooLarge when a JSON message holds too many values, by what separates them."""
    if isinstance(data, str):
        count = data.count(",") + data.count("[") + data.count("{")
    else:
        count = data.count(b",") + data.count(b"[") + data.count(b"{")
    if count > VALUES_MAX:
        raise TooLarge(f"a message of {count} values, at most {VALUES_MAX} are taken")


def _brings(caller: Caller, batch: list[Any]) -> bool:
    """Is it all what weighs nothing here, of who may?"""
    return caller.account is not None and all(
        type(call) is dict and call.get("method") in GUARDED for call in batch
    )
