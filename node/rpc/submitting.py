"""Submitting envelopes: the hot path of the front door.

Owns the shape of an answer to a submission and the order of one connection's submissions. Envelopes stay opaque.
"""

import asyncio
from hashlib import sha256
from typing import Any

from strongroom.enclave.outcome import Code
from strongroom.node.rpc.backend import Backend, Blob, Document, Included
from strongroom.node.rpc.caller import Caller
from strongroom.node.rpc.faults import NotYet, Overloaded, Refused, TooLarge
from strongroom.node.rpc.jsonrpc import InvalidParams, error_object

RECEIPT_RECHECK_SECONDS = 1.0
"""A receipt is looked for at every executed height, and at least this often."""
OUT_OF_ORDER_RETRY_MS = 50


async def submit(caller: Caller, envelope: bytes, wait: str) -> Document:
    """`ledger_submit`: one envelope; waits for its place, or also for its receipt.

    Raises:
        Refused: it was ordered, and refused before a program ran.
    """
    if len(envelope) > caller.limits.envelope_bytes_max:
        raise _too_large(caller, envelope)
    answered = caller.backend.submit([envelope], wait=wait != "none")
    caller.submitted = sha256(envelope).digest()
    if isinstance(answered, list):
        return {"id": answered[0]}
    (included,) = await answered
    if included.code:
        raise _refusal(included)
    document = _items([included])[0]
    if wait == "receipt":
        document["receipt"] = await _receipt_when_there(caller.backend, included)
    return document


async def submit_many(caller: Caller, envelopes: list[bytes], wait: str, after: bytes | None) -> list[Any]:
    """`ledger_submit_many`: one call of the backend for all of them; up to its first await it keeps the callers' order.

    Raises:
        Overloaded: nothing was taken; or `after` names a submission that was not.
    """
    if not envelopes:
        return []
    if len(envelopes) > caller.limits.envelopes_max:
        raise TooLarge(f"{len(envelopes)} envelopes, at most {caller.limits.envelopes_max} are taken in one call")
    _check_order(caller, after)
    size_max = caller.limits.envelope_bytes_max
    if max(map(len, envelopes)) <= size_max:
        return await _submit_fitting(caller, envelopes, wait)
    fitting = [envelope for envelope in envelopes if len(envelope) <= size_max]
    taken = iter(await _submit_fitting(caller, fitting, wait) if fitting else [])
    return [
        next(taken) if len(envelope) <= size_max else {"error": error_object(_too_large(caller, envelope))}
        for envelope in envelopes
    ]


async def _submit_fitting(caller: Caller, envelopes: list[bytes], wait: str) -> list[Any]:
    answered = caller.backend.submit(envelopes, wait=wait == "commit")
    caller.submitted = sha256(envelopes[-1]).digest()
    return answered if isinstance(answered, list) else _items(await answered)


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


def _items(places: list[Included]) -> list[Document]:
    return [
        {"id": one.id, "height": one.height, "index": one.index, "status": "included", "result": Blob(one.result)}
        if one.code == 0
        else {"error": error_object(_refusal(one))}
        for one in places
    ]


def _refusal(one: Included) -> Refused:
    reason = Code(one.code).text
    return Refused(f"refused: {reason}", reason=reason, id=one.id, height=one.height, index=one.index)


def _too_large(caller: Caller, envelope: bytes) -> TooLarge:
    return TooLarge(f"an envelope of {len(envelope)} bytes, at most {caller.limits.envelope_bytes_max} are taken")


async def _receipt_when_there(backend: Backend, included: Included) -> Document:
    height: int = included.height
    while True:
        try:
            return backend.receipt(included.id)
        except NotYet:
            try:
                async with asyncio.timeout(RECEIPT_RECHECK_SECONDS):
                    height = await backend.next_height(height)
            except TimeoutError:
                continue
