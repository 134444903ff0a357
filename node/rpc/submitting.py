"""Submitting envelopes: the hot path of the front door.

Owns the shape of an answer to a submission and the order of one connection's submissions. Envelopes
stay opaque.
"""

import asyncio
from hashlib import sha256
from typing import Any

from strongroom.consensus.types import TransactionId
from strongroom.enclave.formats.outcome import Code
from strongroom.node.faults import (
    Overloaded,
    Refused,
    RpcFault,
    TooLarge,
)
from strongroom.node.ledger.place import Place
from strongroom.node.rpc.backend import Blob, Document
from strongroom.node.rpc.caller import Caller
from strongroom.node.rpc.forms import Encoded
from strongroom.node.rpc.jsonrpc import InvalidParams, error_object
from strongroom.node.rpc.receipts import receipt_of_submitted
from strongroom.node.rpc.room import Room

OUT_OF_ORDER_RETRY_MS = 50
FORGED = frozenset({Code.MALFORMED.text, Code.DOES_NOT_OPEN.text})
"""Reasons for which an envelope is refused at the door whatever epoch, session or node it meets."""


async def submit_and_wait(caller: Caller, room: Room, envelope: bytes, wait: str) -> Any:
    """`ledger_submit`: one envelope; waits for its place, or also for its receipt.

    Raises:
        Refused: it was ordered, and refused before a program ran.
    """
    document = await submit(caller, envelope, wait)
    if wait != "receipt":
        return document
    form = room.form
    members = [(name, form.encode(value)) for name, value in document.items()]
    receipt = await receipt_of_submitted(caller, form, TransactionId(document["id"]))
    return Encoded(form.map((*members, ("receipt", receipt))))


async def submit(caller: Caller, envelope: bytes, wait: str) -> Document:
    """One envelope, and its place unless `wait` is "none".

    Raises:
        Refused: it was ordered, and refused before a program ran.
    """
    faults = _faults(caller, [envelope])
    if faults:
        raise faults[0]
    answered = _take(caller, [envelope], wait=wait != "none")
    caller.submitted = sha256(envelope).digest()
    if isinstance(answered, list):
        return {"id": answered[0]}
    (included,) = await answered
    if not _is_answered(included):
        raise _refusal(included)
    return _items([included])[0]


async def submit_many(
    caller: Caller, envelopes: list[bytes], wait: str, after: bytes | None
) -> list[Any]:
    """`ledger_submit_many`: one call of the backend for all of them; up to its first await it keeps
    the callers' order.

    Raises:
        Overloaded: nothing was taken; or `after` names a submission that was not.
    """
    if not envelopes:
        return []
    if len(envelopes) > caller.limits.envelopes_max:
        raise TooLarge(
            f"{len(envelopes)} envelopes, at most "
            f"{caller.limits.envelopes_max} are taken in one call"
        )
    _check_order(caller, after)
    faults = _faults(caller, envelopes)
    _raise_if_behind(faults)
    if not faults:
        return await _submit_fitting(caller, envelopes, wait)
    fitting = [envelope for at, envelope in enumerate(envelopes) if at not in faults]
    taken = iter(await _submit_fitting(caller, fitting, wait) if fitting else [])
    return [
        {"error": error_object(faults[at])} if at in faults else next(taken)
        for at in range(len(envelopes))
    ]


async def _submit_fitting(caller: Caller, envelopes: list[bytes], wait: str) -> list[Any]:
    answered = _take(caller, envelopes, wait=wait == "commit")
    caller.submitted = sha256(envelopes[-1]).digest()
    return answered if isinstance(answered, list) else _items(await answered)


def _take(
    caller: Caller, envelopes: list[bytes], *, wait: bool
) -> "asyncio.Future[list[Place]] | list[TransactionId]":
    """Into the mempool, at the cost of whose credential it is."""
    account = caller.account
    if account is None:
        return caller.backend.submit(envelopes, wait=wait)
    account.charge(len(envelopes), sum(map(len, envelopes)))
    return caller.backend.submit(envelopes, wait=wait, organisation=account.name)


def _faults(caller: Caller, envelopes: list[bytes]) -> dict[int, RpcFault]:
    """Why some of these envelopes are not even ordered, by position.

    What no honest client makes costs its credential here as it would on the ledger: a signature
    that does not verify takes the node as long.

    Raises:
        Overloaded: too much of what was submitted was refused.
    """
    account = caller.account
    if account is not None:
        account.check()
    faults = caller.backend.screen(envelopes)
    limit = caller.limits.envelope_bytes_max
    if max(map(len, envelopes)) > limit:
        faults |= {
            at: TooLarge(f"an envelope of {len(envelope)} bytes, at most {limit} are taken")
            for at, envelope in enumerate(envelopes)
            if len(envelope) > limit
        }
    forged = sum(fault.data.get("reason") in FORGED for fault in faults.values())
    if account is not None and forged:
        account.penalise(forged)
    return faults


def _raise_if_behind(faults: dict[int, RpcFault]) -> None:
    """A node that cannot judge one envelope yet takes none of the frame, so that their order stays.

    Raises:
        Overloaded: it cannot.
    """
    for fault in faults.values():
        if isinstance(fault, Overloaded):
            raise fault


def _check_order(caller: Caller, after: bytes | None) -> None:
    if after is None:
        return
    if caller.subscriptions is None:
        raise InvalidParams("param 'after' needs the order of a WebSocket connection")
    if after != caller.submitted:
        raise Overloaded(
            "the submission before this one was not taken: send both again, in order",
            retry_after_ms=OUT_OF_ORDER_RETRY_MS,
        )


def _items(places: list[Place]) -> list[Document]:
    return [
        {
            "id": one.id,
            "height": one.height,
            "index": one.index,
            "status": "included",
            "result": Blob(one.result),
        }
        if _is_answered(one)
        else {"error": error_object(_refusal(one))}
        for one in places
    ]


def _is_answered(one: Place) -> bool:
    """Is there something for its sender to read: a result, or the reason why governance refuses?"""
    return one.code == 0 or bool(one.result)


def _refusal(one: Place) -> Refused:
    reason = Code(one.code).text
    return Refused(
        f"refused: {reason}", reason=reason, id=one.id, height=one.height, index=one.index
    )
