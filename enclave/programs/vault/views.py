"""What may be asked of keys and leases: queries, which change nothing.

Owns who may read what, and the bounds that follow from a lease. Nothing here opens a box.
"""

from typing import Any

from strongroom.enclave.programs.framework import Context, ProgramError, digest_text
from strongroom.enclave.programs.schema import Account, Identity
from strongroom.enclave.programs.vault.changes import settled
from strongroom.enclave.programs.vault.clones import frozen_rooms
from strongroom.enclave.programs.vault.events import MISTAKES, REFUSED, WORK, head_of, kept
from strongroom.enclave.programs.vault.keys import find
from strongroom.enclave.programs.vault.standing import place_of
from strongroom.enclave.programs.vault.tables import (
    LEASES_KEPT,
    NUMBERS,
    SLOTS,
    Holder,
    Key,
    Lease,
    key_of,
    lease_of,
    pending_of,
    vault,
    version_of,
)
from strongroom.enclave.programs.vault.terms import IDLE_FACTOR, Terms, approvals, read_terms

LISTED_MAX = 500
VERSIONS_SHOWN = 100
FROZEN_SHOWN = 100
"""With a key; all of them: `frozen`."""


@vault.query
def keys(
    context: Context, *, owner: Identity | None = None, after: str = "", limit: int = 100
) -> list[dict[str, Any]]:
    """Keys of an owner (the caller's, without one) in order of name: those that the caller may
    read."""
    _check_limit(limit)
    whose = owner or context.identity
    found = context.map(NUMBERS).scan(prefix=(whose,), after=(whose, after), limit=limit)
    shown = []
    for (_, name), number in found:
        one, (_, terms) = key_of(context, number), settled(context, number)
        if _may_read(context, one, terms):
            shown.append(
                {
                    "key": name,
                    "owner": digest_text(one.owner),
                    "version": one.version,
                    "state": _state(context, number, one),
                    "custody": terms.custody,
                    "quantity": terms.quantity,
                    "reserved": one.reserved,
                    "used": one.used,
                    "leases": one.leases,
                }
            )
    return shown


@vault.query
def key(context: Context, *, key: Account) -> dict[str, Any]:
    """All of a key but its secrets: state, terms, versions, what waits, who is frozen."""
    number, _ = find(context, key)
    one, (serial, terms) = key_of(context, number), settled(context, number)
    _check_reader(context, one, terms)
    waits = pending_of(context, number)
    first = max(1, one.version - VERSIONS_SHOWN + 1)
    versions = []
    for version in range(first, one.version + 1):
        known = version_of(context, number, version)
        if known is not None:
            versions.append(
                {
                    "version": version,
                    "state": "exposed" if known.exposed else known.state,
                    "until_ms": known.until_ms,
                    "digest": known.digest,
                }
            )
    return {
        "key": one.name,
        "owner": digest_text(one.owner),
        "state": _state(context, number, one),
        "version": one.version,
        "versions": versions,
        "serial": serial,
        "terms": _terms(terms),
        "reserved": one.reserved,
        "used": one.used,
        "approved": one.approved,
        "frozen": frozen_rooms(context, number, FROZEN_SHOWN)[0],
        "pending": None
        if waits is None or waits.serial != serial
        else {
            "change": waits.id,
            "approvals": [digest_text(one) for one in approvals(waits.approvals)],
            "ready_ms": waits.ready_ms,
            "terms": _terms(read_terms(waits.terms)),
        },
    }


@vault.query
def frozen(
    context: Context,
    *,
    key: Account,
    room: str = "",
    machine: Identity | None = None,
    limit: int = 100,
) -> dict[str, Any]:
    """Rooms of which two want a key, in order of name and machine, those after these; where to go
    on, which is nothing at the end. What is settled is left out, so that a page may be short."""
    _check_limit(limit)
    number, _ = find(context, key)
    one, (_, terms) = key_of(context, number), settled(context, number)
    _check_reader(context, one, terms)
    shown, onwards = frozen_rooms(context, number, limit, (room, machine or b""))
    last, place = onwards or ("", None)
    return {"frozen": shown, "room": last, "machine": digest_text(place) if place else None}


@vault.query
def leases(
    context: Context, *, key: Account, after: int = 0, limit: int = 100
) -> list[dict[str, Any]]:
    """Leases of a key that are kept, in order of place, those after place `after`, with their
    bounds. Who keeps its lease long moves on to a newer place with it."""
    _check_page(after, limit)
    number, _ = find(context, key)
    one, (_, terms) = key_of(context, number), settled(context, number)
    _check_reader(context, one, terms)
    first = max(after, one.place - LEASES_KEPT) + 1
    shown = []
    for at in range(first, min(first + limit - 1, one.place) + 1):
        id = context.map(SLOTS).get((number, at % LEASES_KEPT))
        found = lease_of(context, id)
        if id is not None and found is not None:
            shown.append({"number": at} | _described(context, id, *found, one, terms))
    return shown


@vault.query
def lease(context: Context, *, lease: bytes) -> dict[str, Any]:
    """One lease, with the bounds of what its room can still do after a revocation."""
    found = lease_of(context, lease)
    if found is None:
        raise ProgramError("lapsed", "there is no such lease, or it ended long ago")
    one, (_, terms) = key_of(context, found[1].key), settled(context, found[1].key)
    if found[1].identity != context.identity:
        _check_reader(context, one, terms)
    return _described(context, lease, *found, one, terms)


@vault.query
def records(
    context: Context,
    *,
    key: Account,
    after: int = 0,
    limit: int = 100,
    refusals: bool = False,
    mistakes: bool = False,
) -> dict[str, Any]:
    """What happened to a key, in order, or what was refused, or which calls were wrong in
    themselves: the newest that are kept, and the digest of the chain over all."""
    _check_page(after, limit)
    number, _ = find(context, key)
    one, (_, terms) = key_of(context, number), settled(context, number)
    _check_reader(context, one, terms)
    log = MISTAKES if mistakes else REFUSED if refusals else WORK
    total, head = head_of(context, number, log)
    return {
        "total": total,
        "head": head,
        "records": [
            {
                "number": event.number,
                "height": event.height,
                "time_ms": event.time_ms,
                "what": event.what,
                "lease": event.lease,
                "amount": event.amount,
                "detail": event.detail,
                "who": digest_text(event.who) if event.who else "",
            }
            for event in kept(context, number, log, after, limit)
        ],
    }


def _may_read(context: Context, key: Key, terms: Terms) -> bool:
    readers = (key.owner, terms.custodian, *terms.approvers)
    return context.identity in readers or context.has_role("auditor")


def _check_reader(context: Context, key: Key, terms: Terms) -> None:
    if not _may_read(context, key, terms):
        raise ProgramError("no-key", "the key is another's: its owner, approvers, auditors read it")


def _check_page(after: int, limit: int) -> None:
    _check_limit(limit)
    if after < 0:
        raise ProgramError("after", "after is a number that was listed, or 0: from the first on")


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= LISTED_MAX:
        raise ProgramError("limit", f"limit is 1 to {LISTED_MAX}")


def _state(context: Context, number: int, key: Key) -> str:
    newest = version_of(context, number, key.version)
    exposed = newest is not None and newest.exposed and key.state in ("active", "suspended")
    return "exposed" if exposed else key.state


def _terms(terms: Terms) -> dict[str, Any]:
    custodian = digest_text(terms.custodian) if terms.custodian else ""
    approvers = [digest_text(one) for one in terms.approvers]
    return terms._asdict() | {"custodian": custodian, "approvers": approvers}


def _described(
    context: Context, id: bytes, held: Lease, holder: Holder, key: Key, terms: Terms
) -> dict[str, Any]:
    state, now = held.state, context.time_ms
    heartbeat_ms = _heartbeat_ms(held, terms)
    if state == "open" and held.until_ms < now:
        state = "lapsed"
    elif state == "open" and key.state in ("revoked", "destroyed"):
        state = "revoked"
    elif state == "open" and now > held.beat_ms + heartbeat_ms:
        state = "late"
    live = state in ("open", "late", "revoked")
    region, country = place_of(holder)
    return {
        "lease": id,
        "key": key.name,
        "owner": digest_text(key.owner),
        "version": holder.version,
        "state": state,
        "room": holder.room,
        "boot": holder.boot,
        "chip": holder.chip.hex(),
        "region": region,
        "country": country,
        "session": digest_text(holder.identity),
        "opened_ms": holder.opened_ms,
        "until_ms": held.until_ms,
        "beat": held.beat,
        "beat_ms": held.beat_ms,
        "evidence_ms": holder.evidence_ms,
        "reserved": held.reserved,
        "used": held.used,
        "reported": held.reported,
        "pieces_given": held.pieces,
        "bounds": {
            "pieces_after_revocation": 0,
            "connected_ms": max(0, min(heartbeat_ms, held.until_ms - now)) if live else 0,
            "cut_off_ms": max(0, held.until_ms - now) if live else 0,
            "units": held.reserved - held.used if live else 0,
        },
    }


def _heartbeat_ms(held: Lease, terms: Terms) -> int:
    """How long its room may leave until its next beat: longer when the newest one left nothing to
    do. Where that cannot be told any more (its time was cut by a window), the longer."""
    worked = held.beat == 0 or held.reserved > held.used
    idle = not worked and held.until_ms != held.beat_ms + terms.lease_ms
    return terms.heartbeat_ms * (IDLE_FACTOR if idle else 1)
