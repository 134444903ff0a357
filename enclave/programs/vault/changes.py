"""Changes of a key's terms (T51): tightening by its owner alone and at once; loosening by owner,
approvers and the delay.

Owns the one change that may wait for a key. It is bound to the terms that it was made for: any
change of these in between makes it void, so that nothing that was tightened comes back loose.
Who must consent, and how long it waits, say the terms in force, never the new ones. What is in
force follows from block time, so that it holds from the first transaction at or after its time.
"""

from typing import Any

from strongroom.consensus import labels
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.schema import Account, Identity
from strongroom.enclave.programs.vault.events import record
from strongroom.enclave.programs.vault.tables import (
    CHANGES,
    KEYS,
    NUMBERS,
    PENDING,
    TERMS,
    Key,
    Pending,
    key_of,
    pending_of,
    vault,
    version_of,
)
from strongroom.enclave.programs.vault.terms import (
    Terms,
    approvals,
    canonical,
    checked,
    loosened,
    policy_steps,
    read_policy,
    read_terms,
)


@vault.transaction
def change(
    context: Context,
    *,
    key: Account,
    policy: str | None = None,
    quantity: int | None = None,
    window_from_ms: int | None = None,
    window_until_ms: int | None = None,
    heartbeat_ms: int | None = None,
    lease_ms: int | None = None,
    allotment: int | None = None,
    delay_ms: int | None = None,
    approvers: list[Identity] | None = None,
    threshold: int | None = None,
    custodian: Identity | None = None,
) -> dict[str, Any]:
    """Change a key's terms. What only tightens them is in force from now on; all else waits."""
    number, found = _own(context, key)
    asked: dict[str, Any] = {
        "quantity": quantity,
        "window_from_ms": window_from_ms,
        "window_until_ms": window_until_ms,
        "heartbeat_ms": heartbeat_ms,
        "lease_ms": lease_ms,
        "allotment": allotment,
        "delay_ms": delay_ms,
        "approvers": None if approvers is None else tuple(approvers),
        "threshold": threshold,
        "custodian": custodian,
    }
    serial, old = settled(context, number)
    given = {name: value for name, value in asked.items() if value is not None}
    release = None
    if policy is not None:
        context.spend(policy_steps(old.policy))
        release = read_policy(context, policy)
        given["policy"] = canonical(release)
    terms = checked(old._replace(**given), found.owner)
    if terms == old:
        raise ProgramError("change", "the terms are these already")
    looser = loosened(old, terms, release)
    if found.state == "draft" and not found.approved:
        _enter(context, number, serial, terms)
        id = begin_approval(context, number, terms) if terms.threshold else b""
        return _answer("draft", id, looser, 0)
    if not looser:
        _enter(context, number, serial, terms)
        record(context, number, "tightened", amount=serial + 1)
        return _answer("in force", b"", looser, 0)
    waits = Pending(_id(context, number, serial, terms), serial, terms.encode(), b"", 0)
    if not old.threshold:
        waits = waits._replace(ready_ms=context.time_ms + old.delay_ms)
    _wait(context, number, waits)
    record(context, number, "loosening", amount=serial + 1, why=", ".join(looser))
    serial_now, _ = settled(context, number)
    state = "pending" if serial_now == serial else "in force"
    return _answer(state, waits.id, looser, waits.ready_ms)


@vault.transaction
def approve(context: Context, *, change: bytes) -> dict[str, Any]:
    """Consent to a change that waits, as one of the key's approvers."""
    number = context.map(CHANGES).get(change)
    waits = None if number is None else pending_of(context, number)
    if number is None or waits is None or waits.id != change:
        raise ProgramError("no-change", "no such change waits: it is in force, or void")
    serial, terms = settled(context, number)
    if serial != waits.serial:
        raise ProgramError("no-change", "the key's terms have changed: the change is void")
    if context.identity not in terms.approvers:
        raise ProgramError("not-an-approver", "only the key's approvers may consent")
    given = approvals(waits.approvals)
    if context.identity in given:
        raise ProgramError("approved", "you have consented already")
    if waits.ready_ms:
        raise ProgramError("approved", "enough have consented: the change waits for its time")
    waits = waits._replace(approvals=waits.approvals + context.identity)
    found, missing = key_of(context, number), terms.threshold - len(given) - 1
    record(context, number, "approve", amount=len(given) + 1)
    if missing <= 0 and not found.approved:
        _approved(context, number, found)
        _forget(context, number)
        return {"missing": 0, "state": "in force", "ready_ms": context.time_ms}
    if missing <= 0:
        waits = waits._replace(ready_ms=max(1, context.time_ms + terms.delay_ms))
    _wait(context, number, waits)
    serial_now, _ = settled(context, number)
    state = "pending" if serial_now == serial else "in force"
    return {"missing": max(0, missing), "state": state, "ready_ms": waits.ready_ms}


def settled(context: Context, number: int) -> tuple[int, Terms]:
    """(serial, terms) in force now: a change whose time has come takes effect on the way."""
    row = context.map(TERMS).get(number)
    if row is None:
        raise KeyError(number)
    serial, encoded = row
    waits = pending_of(context, number)
    if waits is not None and waits.serial == serial and 0 < waits.ready_ms <= context.time_ms:
        _forget(context, number)
        serial, encoded = serial + 1, waits.terms
        context.map(TERMS).put(number, (serial, encoded))
        record(context, number, "loosened", amount=serial)
    return serial, read_terms(encoded)


def begin_approval(context: Context, number: int, terms: Terms) -> bytes:
    """The terms of a key that is new wait for its approvers; the id of what waits."""
    serial, encoded = context.map(TERMS).get(number) or (0, b"")
    waits = Pending(_id(context, number, serial, terms), serial, encoded, b"", 0)
    _wait(context, number, waits)
    return waits.id


def _approved(context: Context, number: int, found: Key) -> None:
    """A new key's approvers agree: it is active once it has its secret."""
    filled = version_of(context, number, found.version) is not None
    state = "active" if found.state == "draft" and filled else found.state
    context.map(KEYS).put(number, tuple(found._replace(approved=True, state=state)))


def _own(context: Context, key: Account) -> tuple[int, Key]:
    number = context.map(NUMBERS).get((key[0] or context.identity, key[1]))
    found = None if number is None else key_of(context, number)
    if number is None or found is None or found.owner != context.identity:
        raise ProgramError("no-key", "you have no such key; terms are those of all its versions")
    if found.state in ("revoked", "destroyed"):
        raise ProgramError(found.state, f"the key is {found.state} for good")
    return number, found


def _enter(context: Context, number: int, serial: int, terms: Terms) -> None:
    """Terms in force at once; what waited was made for others, and is void."""
    _forget(context, number)
    context.map(TERMS).put(number, (serial + 1, terms.encode()))
    if not terms.threshold:
        found = key_of(context, number)
        if not found.approved:
            _approved(context, number, found)


def _wait(context: Context, number: int, waits: Pending) -> None:
    _forget(context, number)
    context.map(PENDING).put(number, tuple(waits))
    context.map(CHANGES).put(waits.id, number)


def _forget(context: Context, number: int) -> None:
    waits = pending_of(context, number)
    if waits is not None:
        context.map(PENDING).delete(number)
        context.map(CHANGES).delete(waits.id)


def _id(context: Context, number: int, serial: int, terms: Terms) -> bytes:
    """Of a change: 16 bytes that are no other's."""
    place = number.to_bytes(8, "big") + serial.to_bytes(8, "big")
    moment = context.height.to_bytes(8, "big") + context.position.to_bytes(4, "big")
    return labels.labelled_digest(labels.VAULT_CHANGE, place + moment + terms.encode())[:16]


def _answer(state: str, id: bytes, looser: tuple[str, ...], ready_ms: int) -> dict[str, Any]:
    return {"state": state, "change": id, "loosens": list(looser), "ready_ms": ready_ms}
