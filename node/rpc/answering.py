"""Answers one decoded JSON-RPC message: each call in turn or side by side, each reply counted.

Owns the order within a batch and that its replies fit (`Room`). Which methods there are:
methods.py; what a message looks like: jsonrpc.py.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.node.faults import Refused, RpcFault, TooLarge
from strongroom.node.rpc.jsonrpc import InvalidRequest, Kept, error_reply, read_request, refusal_of
from strongroom.node.rpc.room import Room

Call = Callable[[str, list[Any] | dict[str, Any], Room], Awaitable[Any]]
"""(method, params, room of the answer) → result; raises ClientFault."""


async def answer(value: Any, call: Call, room: Room, *, batch_calls_max: int) -> bytes | None:
    """Answer one decoded message: a request, a notification, or a batch of them, which run side by
    side.

    Returns:
        What to send, in the room's form; None when nothing is (only notifications).
    """
    if type(value) is not list:
        return await _answer_one(value, call, room)
    if not value:
        return room.form.encode(error_reply(InvalidRequest("Invalid Request: an empty batch")))
    if len(value) > batch_calls_max:
        fault = TooLarge(f"a batch of {len(value)} calls, at most {batch_calls_max} are taken")
        return room.form.encode(error_reply(fault))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_answer_one(item, call, room)) for item in value]
    replies = [reply for task in tasks if (reply := task.result()) is not None]
    return room.form.array(replies) if replies else None


async def _answer_one(value: Any, call: Call, room: Room) -> bytes | None:
    """One encoded reply, counted."""
    try:
        method, params = read_request(value)
        room.check()
        result = await call(method, params, room)
        kept = isinstance(result, Kept)
        reply = None
        if "id" in value:
            document = {
                "jsonrpc": "2.0",
                "result": result.value if kept else result,
                "id": value["id"],
            }
            reply = room.form.reply(document)
            if not kept:
                room.fits(len(reply))
    except (ClientFault, NotCanonical) as fault:
        refusal = refusal_of(value, _as_rpc(fault))
        reply = None if refusal is None else room.form.encode(refusal)
    room.take(len(reply or b""))
    return reply


def _as_rpc(fault: ClientFault | NotCanonical) -> RpcFault:
    if isinstance(fault, RpcFault):
        return fault
    return Refused(
        str(fault), reason="malformed" if isinstance(fault, NotCanonical) else str(fault)
    )
